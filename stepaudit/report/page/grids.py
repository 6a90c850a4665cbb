"""Tables of a page: rows of a query become headers and cells, numbers with their intervals, names that filter."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from stepaudit.store.formats import shown

DECIMALS = {"_percent": 1, "_points": 1, "_ratio": 3, "_probability": 3, "times": 2}
LONG = 36  # characters of a text that may wrap
MAX_ROWS = 200  # of a table on the page; its CSV holds them all
FILTERS = {  # columns whose cells filter the page, and by what
    **{name: name for name in ("dataset", "model", "method", "label")},
    "other_model": "model",
    "other_method": "method",
}


@dataclass(frozen=True)
class Cell:
    """What stands in a table's cell.

    Args:
        text: as it is read.
        interval: the 95 % interval; empty if it has none.
        style: classes of the cell, apart by spaces.
        value: the number that rows are sorted by; None for text, and for what is missing.
        filter: by what a click on it filters (`FILTERS`); empty if it does not.
        name: what it then filters for.
        stop: whether the Tab key stops at it; of equal names in a table at the first only.
    """

    text: str
    interval: str = ""
    style: str = ""
    value: float | None = None
    filter: str = ""
    name: str = ""
    stop: bool = False


@dataclass(frozen=True)
class Grid:
    """A table for the page.

    Args:
        headers: as they are read.
        rows: of cells.
        left_out: how many rows are not on the page.
        numeric: which columns hold numbers.
        marks: what each row tells a filter, by the name of its attribute; empty if filters leave it alone.
    """

    headers: list[str]
    rows: list[list[Cell]]
    left_out: int = 0
    numeric: list[bool] = field(default_factory=list)
    marks: list[dict[str, str]] = field(default_factory=list)


class Answer:
    """The rows of a query as they come: the first `MAX_ROWS`, and of all others only what the page says of them."""

    def __init__(self, names: Sequence[str]):
        self.names = list(names)
        self.shown: list[dict] = []
        self.count = 0
        self.known: set[str] = set()
        self.numeric: set[str] = set()
        self.answers: Counter[str] = Counter()

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Takes further rows."""
        self.shown += [dict(zip(self.names, row, strict=True)) for row in rows[: MAX_ROWS - len(self.shown)]]
        self.count += len(rows)
        for name, column in zip(self.names, zip(*rows, strict=True), strict=False):
            kinds = {type(value) for value in column} - {type(None)}
            if kinds or f"{name}_low" in self.names:
                self.known.add(name)
            if any(issubclass(kind, int | float) for kind in kinds):
                self.numeric.add(name)
            if name == "answer":
                self.answers.update(filter(None, column))


def grid(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Grid:
    """Rows of a query as a table: `x`, `x_low` and `x_high` are one column, a key that repeats the row above is dimmed.

    A number that is missing from a row with a `reason` is shown as "/", as in the paper. A column without an interval
    that has no value at all is left out, such as a floor that is not in the audit.
    """
    answer = Answer(names)
    answer.add(rows)
    return grid_of(answer)


def grid_of(answer: Answer, labels: Mapping[tuple[str, str], str] | None = None) -> Grid:
    """The rows that were kept, as `grid` sets them.

    Args:
        labels: of clips, by data set and name, for rows that name a clip and not its class.
    """
    names, numeric = answer.names, answer.numeric
    headers = [name for name in names if name in answer.known and not _is_bound(name, names)]
    keys = list(takewhile(lambda name: name not in numeric, headers))
    lines, seen = [], set()
    for record, above in zip(answer.shown, [{}, *answer.shown], strict=False):
        repeated = _repeated(record, above, keys)
        lines.append([_cell(record, name, name in numeric, name in repeated, seen) for name in headers])
    return Grid(
        [name.replace("_", " ") for name in headers],
        lines,
        answer.count - len(answer.shown),
        [name in numeric for name in headers],
        [_marks(record, labels or {}) for record in answer.shown],
    )


def verdict(counts: Counter[str]) -> str:
    """What a report with a column `answer` says of the paper's claim, in a sentence; empty for all others.

    Args:
        counts: how many rows give each answer.
    """
    parts = [f"{answer} in {count} of {counts.total()}" for answer, count in sorted(counts.items(), reverse=True)]
    return f"In this audit: {', '.join(parts)}." if parts else ""


def number(value: float, name: str = "") -> str:
    """A number for reading, with the decimals of its column; thousands stand apart."""
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    text = next((f"{value:.{digits}f}" for end, digits in DECIMALS.items() if name.endswith(end)), f"{value:.3g}")
    return text.replace("-", "−")


def _marks(record: dict, labels: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """What filters ask of a row: `other_model` is an attribute `other-model`; a clip without a label has its own."""
    known = {name: record[name] for name in FILTERS if isinstance(record.get(name), str)}
    label = labels.get((record.get("dataset"), record.get("clip_id")))
    if label is not None:
        known = {"label": label, **known}
    return {name.replace("_", "-"): value for name, value in known.items()}


def _is_bound(name: str, names: Sequence[str]) -> bool:
    return any(name == f"{other}_{bound}" for other in names for bound in ("low", "high"))


def _repeated(record: dict, above: dict, keys: Sequence[str]) -> set[str]:
    """The first keys that are the same in both."""
    return set(takewhile(lambda key: record[key] == above.get(key, ...), keys))


def _cell(record: dict, name: str, numeric: bool, repeated: bool, seen: set[tuple[str, str]]) -> Cell:
    """A cell; `seen` holds the names that stand in cells before it, and takes this one."""
    value = record[name]
    if value is None:
        not_measured = f"{name}_low" in record and record.get("reason")
        return Cell("/" if not_measured else "–" if numeric else "", style="missing number" if numeric else "")
    if numeric:
        bounds = [record.get(f"{name}_{bound}") for bound in ("low", "high")]
        return Cell(number(value, name), _interval(bounds, name), "number", _sortable(value))
    kind = FILTERS.get(name, "") if isinstance(value, str) else ""
    first = bool(kind) and (kind, value) not in seen
    seen.add((kind, value if kind else ""))
    style = "same" if repeated else "long" if len(str(value)) > LONG else ""
    return Cell(shown(value), style=style, filter=kind, name=value if kind else "", stop=first)


def _sortable(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _interval(bounds: Sequence[float | None], name: str) -> str:
    if all(bound is None for bound in bounds):
        return ""
    low, high = ["" if bound is None else number(bound, name) for bound in bounds]
    return f"{low} to {high}" if low and high else f"≥ {low}" if low else f"≤ {high}"
