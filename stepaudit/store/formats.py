"""Rows of a query as text: an aligned table, CSV, JSON, Markdown or a line for each value."""

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from io import StringIO
from itertools import count
from typing import Any

from rich.cells import cell_len

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store.tables import as_json

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a number is no text: -0.5 stays a number

Values = Sequence[Sequence[Any]]  # rows of values


def format_rows(names: Sequence[str], rows: Values, format: str = "table") -> str:
    """Rows as text with a newline at the end.

    Args:
        names: of the columns.
        rows: values in the order of the names; NULL is None.
        format: `table`, `csv`, `json`, `md` or `lines`.

    Raises:
        UsageError: there is no such format.
    """
    return renderer(format)(names, rows)


def renderer(format: str) -> Callable[[Sequence[str], Values], str]:
    """The function that writes a format. Raises UsageError if there is none."""
    if format not in FORMATS:
        raise UsageError(f"no format '{format}'{did_you_mean(format, list(FORMATS))}")
    return FORMATS[format]


def csv_lines(rows: Values) -> str:
    """CSV (RFC 4180) with plain newlines; NULL is an empty field, lists and structs are JSON, formulas are escaped."""
    return "".join(f"{_csv_line(line)}\n" for line in rows)


def _csv_line(values: Sequence[Any]) -> str:
    text = StringIO()
    # The writer quotes '\r' and '\n' inside a field only if both are in its own line ending.
    csv.writer(text, lineterminator="\r\n").writerow([_no_formula(_json_value(value)) for value in values])
    return text.getvalue().removesuffix("\r\n")


def _no_formula(value: Any) -> Any:
    """Text with an apostrophe in front if a spreadsheet would run it as a formula; other values unchanged."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _table(names: Sequence[str], rows: Values) -> str:
    cells = _text(names, rows)
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    right = _numeric_columns(names, rows)
    lines = ["  ".join(map(_padded, line, widths, right)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]]) + "\n"


def _markdown(names: Sequence[str], rows: Values) -> str:
    cells = [[re.sub(r"([\\|<])", r"\\\1", text) for text in line] for line in _text(names, rows)]
    ruler = ["---:" if right else "---" for right in _numeric_columns(names, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in [cells[0], ruler, *cells[1:]])


def _json(names: Sequence[str], rows: Values) -> str:
    return "[" + ",\n ".join(json_records(unique(names), rows)) + "]\n"


def json_records(names: Sequence[str], rows: Values) -> Iterator[str]:
    """Rows as JSON objects, a line each; NaN and infinity are null. The names must differ."""
    for row in rows:
        yield json.dumps(dict(zip(names, map(finite, row), strict=True)), ensure_ascii=False, default=str)


def _lines(names: Sequence[str], rows: Values) -> str:
    """Rows with a line for each value, for many columns."""
    width = max(map(cell_len, map(shown, names)), default=0)
    heads = [_padded(shown(name), width) for name in names]
    records = ("".join(f"{head}  {shown(value)}\n" for head, value in zip(heads, row, strict=True)) for row in rows)
    return "\n".join(records) or "no rows\n"


FORMATS: dict[str, Callable[[Sequence[str], Values], str]] = {
    "table": _table,
    "csv": lambda names, rows: csv_lines((names, *rows)),
    "json": _json,
    "md": _markdown,
    "lines": _lines,
}


def _text(names: Sequence[str], rows: Values) -> list[list[str]]:
    return [[shown(name) for name in names], *([shown(value) for value in row] for row in rows)]


def shown(value: Any) -> str:
    """Value as text: six digits of a float, control characters as escapes, NULL by that name."""
    if value is None:
        return "NULL"
    if isinstance(value, float) and abs(value) < 1e6:
        return f"{value:.6g}"
    text = str(_json_value(value))
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _json_value(value: Any) -> Any:
    return as_json(finite(value)) if isinstance(value, list | tuple | dict) else value


def finite(value: Any) -> Any:
    """Value for JSON, or lists and dicts of values: NaN and infinity are None."""
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def _numeric_columns(names: Sequence[str], rows: Values) -> list[bool]:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return [all(isinstance(value, int | float | Decimal | None) for value in column) for column in columns]


def _padded(cell: str, width: int, right: bool = False) -> str:
    """Text of a width on the screen."""
    spaces = " " * (width - cell_len(cell))
    return spaces + cell if right else cell + spaces


def unique(names: Sequence[str]) -> list[str]:
    """Names with a number behind each repeated one."""
    result: list[str] = []
    for name in names:
        candidates = (f"{name}_{number}" for number in count(1))
        result.append(name if name not in result else next(each for each in candidates if each not in result))
    return result


def duration(seconds: float) -> str:
    """Seconds as `3 d 04 h`, `1 h 05 min`, `3 min 20 s`, `45 s` or `4.5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24:02d} h"


def two_digits(value: float) -> str:
    """A positive number with two digits, or all of its whole part: `0.83`, `12`, `343`."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.2g}"
