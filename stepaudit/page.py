"""The report's page: answers, counts, charts and pictures in one HTML file that loads nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import jinja2

from stepaudit import reports
from stepaudit.formats import shown
from stepaudit.reports import Report

TEMPLATE = "report.html.jinja"
DECIMALS = {"_percent": 1, "_points": 1, "_ratio": 3, "_probability": 3, "times": 2}
LONG = 36  # characters of a text that may wrap
MAX_ROWS = 200  # of a table on the page; its CSV holds them all


@dataclass(frozen=True)
class Cell:
    """What stands in a table's cell: text, its 95 % interval if it has one, and how it is set."""

    text: str
    interval: str = ""
    style: str = ""


@dataclass(frozen=True)
class Grid:
    """A table for the page: headers, rows of cells, and how many rows are left out."""

    headers: list[str]
    rows: list[list[Cell]]
    left_out: int = 0


@dataclass(frozen=True)
class Chart:
    """A drawing (an SVG element that is trusted) and the sentence that says what it shows."""

    title: str
    svg: str


@dataclass(frozen=True)
class Section:
    """A report with its answer, a chart if there is one, and for a claim of the paper what became of it."""

    report: Report
    grid: Grid
    chart: Chart | None = None
    verdict: str = ""


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


def render(**context: Any) -> str:
    """The page. Every text is escaped, but for what the template itself calls safe."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(reports.folder()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(**context)


def grid(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Grid:
    """Rows of a query as a table: `x`, `x_low` and `x_high` are one column, a key that repeats the row above is dimmed.

    A number that is missing from a row with a `reason` is shown as "/", as in the paper. A column without an interval
    that has no value at all is left out, such as a floor that is not in the audit.
    """
    answer = Answer(names)
    answer.add(rows)
    return grid_of(answer)


def grid_of(answer: Answer) -> Grid:
    """The rows that were kept, as `grid` sets them."""
    names, numeric = answer.names, answer.numeric
    headers = [name for name in names if name in answer.known and not _is_bound(name, names)]
    keys = list(takewhile(lambda name: name not in numeric, headers))
    lines = []
    for record, above in zip(answer.shown, [{}, *answer.shown], strict=False):
        repeated = _repeated(record, above, keys)
        lines.append([_cell(record, name, name in numeric, name in repeated) for name in headers])
    return Grid([name.replace("_", " ") for name in headers], lines, answer.count - len(answer.shown))


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


def duration(seconds: float) -> str:
    """Seconds as `1 h 05 min`, `3 min 20 s` or `4.5 s`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _is_bound(name: str, names: Sequence[str]) -> bool:
    return any(name == f"{other}_{bound}" for other in names for bound in ("low", "high"))


def _repeated(record: dict, above: dict, keys: Sequence[str]) -> set[str]:
    """The first keys that are the same in both."""
    return set(takewhile(lambda key: record[key] == above.get(key, ...), keys))


def _cell(record: dict, name: str, numeric: bool, repeated: bool) -> Cell:
    value = record[name]
    if value is None:
        not_measured = f"{name}_low" in record and record.get("reason")
        return Cell("/" if not_measured else "–" if numeric else "", style="missing number" if numeric else "")
    if not numeric:
        return Cell(shown(value), style="same" if repeated else "long" if len(str(value)) > LONG else "")
    bounds = [record.get(f"{name}_{bound}") for bound in ("low", "high")]
    return Cell(number(value, name), _interval(bounds, name), "number")


def _interval(bounds: Sequence[float | None], name: str) -> str:
    if all(bound is None for bound in bounds):
        return ""
    low, high = ["" if bound is None else number(bound, name) for bound in bounds]
    return f"{low} to {high}" if low and high else f"≥ {low}" if low else f"≤ {high}"
