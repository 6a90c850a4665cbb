"""Tables of the page: headers and cells from the rows of a query, with intervals, filters and sorting."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from stepaudit.store.formats import shown

DECIMALS = {"need_percent": 2, "_percent": 1, "_points": 1, "_ratio": 3, "_probability": 3, "times": 2}
BOUNDS = ("low", "high")
LONG = 36  # characters of a text that may wrap
MAX_ROWS = 200  # of a table on the page; its CSV holds them all
FILTERS = {  # columns whose cells filter the page or its list of clips, and the filter
    **{name: name for name in ("dataset", "model", "method", "label")},
    "other_model": "model",
    "other_method": "method",
    "answered": "answer",
}


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        text: for the reader.
        interval: the 95 % interval; empty if it has none.
        style: classes of the cell, separated by spaces.
        value: the number that rows are sorted by; None for text, and for missing values.
        filter: the filter that a click sets (`FILTERS`); empty if there is none.
        name: the value of that filter.
        stop: the Tab key stops here; for equal names in a table at the first only.
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
    """A table of the page.

    Args:
        headers: for the reader.
        rows: of cells.
        left_out: number of rows that are not on the page.
        numeric: True for columns of numbers.
        marks: the values that filters compare, by the name of their attribute, for each row; empty: never filtered.
        meanings: a sentence for each column, shown on hover; empty where there is none.
    """

    headers: list[str]
    rows: list[list[Cell]]
    left_out: int = 0
    numeric: list[bool] = field(default_factory=list)
    marks: list[dict[str, str]] = field(default_factory=list)
    meanings: list[str] = field(default_factory=list)


class QueryResult:
    """The first `MAX_ROWS` rows of a query, added in parts, and facts of all rows that the page needs."""

    def __init__(self, names: Sequence[str]):
        self.names = list(names)
        self.shown: list[dict] = []
        self.count = 0
        self.known: set[str] = set()
        self.numeric: set[str] = set()
        self.answers: Counter[str] = Counter()

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows."""
        self.shown += [dict(zip(self.names, row, strict=True)) for row in rows[: MAX_ROWS - len(self.shown)]]
        self.count += len(rows)
        for name, column in zip(self.names, zip(*rows, strict=True), strict=False):
            kinds = {type(value) for value in column} - {type(None)}
            if kinds or {f"{name}_low", "reason"} <= set(self.names):
                self.known.add(name)
            if any(issubclass(kind, int | float) for kind in kinds):
                self.numeric.add(name)
            if name == "answer":
                self.answers.update(filter(None, column))


def grid(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Grid:
    """A table of all rows of a query, see `grid_of`."""
    result = QueryResult(names)
    result.add(rows)
    return grid_of(result)


def grid_of(
    result: QueryResult,
    labels: Mapping[tuple[str, str], str] | None = None,
    meaning: Callable[[str], str] = lambda _: "",
) -> Grid:
    """The table of a query: `x`, `x_low` and `x_high` are one column; a key that repeats the row above is dimmed.

    A number that is missing from a row with a `reason` is shown as "/", as in the paper. A column that has no value at
    all and could not be "/" is left out, such as a floor that is not in the audit.

    Args:
        labels: of clips, by data set and name, for rows that name a clip but not its class.
        meaning: the sentence for a column.
    """
    names, numeric = result.names, result.numeric
    bounds = {f"{name}_{bound}" for name in names for bound in BOUNDS}
    headers = [name for name in names if name in result.known and name not in bounds]
    keys = list(takewhile(lambda name: name not in numeric, headers))
    lines: list[list[Cell]] = []
    seen: set[tuple[str, str]] = set()
    for record, above in zip(result.shown, [{}, *result.shown], strict=False):
        repeated = set(takewhile(lambda key: record[key] == above.get(key, ...), keys))  # noqa: B023 (used at once)
        lines.append([_cell(record, name, name in numeric, name in repeated, seen) for name in headers])
    return Grid(
        [name.replace("_", " ") for name in headers],
        lines,
        result.count - len(result.shown),
        [name in numeric for name in headers],
        [_marks(record, labels or {}) for record in result.shown],
        [meaning(name) for name in headers],
    )


def verdict(counts: Counter[str]) -> str:
    """The verdict on a claim of the paper as a sentence; empty for reports without a column `answer`.

    Args:
        counts: number of rows with each answer.
    """
    parts = [f"{answer} in {count} of {counts.total()}" for answer, count in sorted(counts.items(), reverse=True)]
    return f"In this audit: {', '.join(parts)}." if parts else ""


def number(value: float, name: str = "") -> str:
    """A number for reading, with the decimals of its column and narrow spaces between thousands."""
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    text = next((f"{value:.{digits}f}" for end, digits in DECIMALS.items() if name.endswith(end)), f"{value:.3g}")
    return text.replace("-", "−")


def _marks(record: dict, labels: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """The values of a row that filters compare, by attribute: `other-model` for `other_model`."""
    known = {name: record[name] for name in FILTERS if isinstance(record.get(name), str)}
    if label := labels.get((record.get("dataset", ""), record.get("clip_id", ""))):
        known = {"label": label, **known}
    return {name.replace("_", "-"): value for name, value in known.items()}


def _cell(record: dict, name: str, numeric: bool, repeated: bool, seen: set[tuple[str, str]]) -> Cell:
    """A cell; its filter is added to `seen`, the filters of the cells before it."""
    value = record[name]
    if value is None:
        not_measured = f"{name}_low" in record and record.get("reason")
        return Cell("/" if not_measured else "–" if numeric else "", style="missing number" if numeric else "")
    if numeric:
        low, high = ("" if (end := record.get(f"{name}_{bound}")) is None else number(end, name) for bound in BOUNDS)
        interval = f"{low} to {high}" if low and high else f"≥ {low}" if low else f"≤ {high}" if high else ""
        return Cell(number(value, name), interval, "number", value if math.isfinite(value) else None)
    kind = FILTERS.get(name, "") if isinstance(value, str) else ""
    first = bool(kind) and (kind, value) not in seen
    seen.add((kind, value if kind else ""))
    style = "repeated" if repeated else "long" if len(str(value)) > LONG else ""
    return Cell(shown(value), style=style, filter=kind, name=value if kind else "", stop=first)
