"""Rows of a query as text: an aligned table, CSV, JSON, Markdown or a line for each value."""

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from io import StringIO
from typing import Any

from rich.cells import cell_len

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store.tables import as_json

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a number is no text: -0.5 stays a number

Rows = Sequence[Sequence[Any]]


def format_rows(names: Sequence[str], rows: Rows, format: str = "table") -> str:
    """The rows as text that ends with a newline.

    Args:
        names: of the columns.
        rows: values in the order of the names; NULL is None.
        format: `table`, `csv`, `json`, `md` or `lines`.

    Raises:
        UsageError: there is no such format.
    """
    if format not in FORMATS:
        raise UsageError(f"no format '{format}'{did_you_mean(format, list(FORMATS))}")
    return FORMATS[format](names, rows)


def _csv(names: Sequence[str], rows: Rows) -> str:
    return csv_lines((names, *rows))


def csv_lines(rows: Rows) -> str:
    """RFC 4180 with plain newlines; NULL is an empty field, a list or struct is JSON, and no text is a formula."""
    return "".join(f"{_csv_line(line)}\n" for line in rows)


def _csv_line(values: Sequence[Any]) -> str:
    text = StringIO()
    # The writer quotes what could end a line only if that is how its own lines end: '\r' as well as '\n'.
    csv.writer(text, lineterminator="\r\n").writerow([_no_formula(_nested(value)) for value in values])
    return text.getvalue().removesuffix("\r\n")


def _no_formula(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, and run, with an apostrophe in front; all else as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _table(names: Sequence[str], rows: Rows) -> str:
    cells = _text(names, rows)
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    right = _numeric(names, rows)
    lines = [_padded(line, widths, right, "  ").rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]]) + "\n"


def _markdown(names: Sequence[str], rows: Rows) -> str:
    cells = [[re.sub(r"([\\|<])", r"\\\1", text) for text in line] for line in _text(names, rows)]
    ruler = ["---:" if right else "---" for right in _numeric(names, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in [cells[0], ruler, *cells[1:]])


def _json(names: Sequence[str], rows: Rows) -> str:
    return "[" + ",\n ".join(json_records(unique(names), rows)) + "]\n"


def json_records(names: Sequence[str], rows: Rows) -> Iterator[str]:
    """Each row as an object in JSON, on one line; what is no finite number is null. No name may stand twice."""
    for row in rows:
        yield json.dumps(dict(zip(names, map(finite, row), strict=True)), ensure_ascii=False, default=str)


def _lines(names: Sequence[str], rows: Rows) -> str:
    """A line for each value, for rows that are wider than a screen."""
    width = max(map(cell_len, map(shown, names)), default=0)
    heads = [shown(name) + " " * (width - cell_len(shown(name))) for name in names]
    records = ("".join(f"{head}  {shown(value)}\n" for head, value in zip(heads, row, strict=True)) for row in rows)
    return "\n".join(records) or "no rows\n"


FORMATS: dict[str, Callable[[Sequence[str], Rows], str]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "md": _markdown,
    "lines": _lines,
}


def _text(names: Sequence[str], rows: Rows) -> list[list[str]]:
    return [[shown(name) for name in names], *([shown(value) for value in row] for row in rows)]


def shown(value: Any) -> str:
    """A value for reading: six digits of a float, control characters as escapes, NULL by that name."""
    if value is None:
        return "NULL"
    if isinstance(value, float) and abs(value) < 1e6:
        return f"{value:.6g}"
    text = str(_nested(value))
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _nested(value: Any) -> Any:
    return as_json(finite(value)) if isinstance(value, list | tuple | dict) else value


def finite(value: Any) -> Any:
    """A value, or lists and dicts of values, for JSON: what is no finite number is None."""
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def _numeric(names: Sequence[str], rows: Rows) -> list[bool]:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return [all(isinstance(value, int | float | Decimal | None) for value in column) for column in columns]


def _padded(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], gap: str) -> str:
    spaces = [" " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)]
    return gap.join(
        space + cell if last else cell + space for cell, space, last in zip(cells, spaces, right, strict=True)
    )


def unique(names: Sequence[str]) -> list[str]:
    """The names, with a number behind each that stands there already."""
    found: list[str] = []
    for name in names:
        number = 1
        candidate = name
        while candidate in found:
            candidate = f"{name}_{number}"
            number += 1
        found.append(candidate)
    return found


def duration(seconds: float) -> str:
    """Seconds as `3 d 04 h`, `1 h 05 min`, `3 min 20 s`, `45 s` or `4.5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24:02d} h"
