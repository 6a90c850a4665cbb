"""Rows as a LaTeX table with the rules of booktabs: numbers with the page's decimals, intervals behind them."""

import re
from collections.abc import Sequence
from typing import Any

from stepaudit.errors import UsageError
from stepaudit.report.page.grids import MAX_ROWS, Cell, Grid, grid

SIGNS = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": "{'}",  # no quotation marks are made of two
    "-": "{-}",  # no dash is made of two
    "\N{MINUS SIGN}": "$-$",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{NO-BREAK SPACE}": "~",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "Δ": r"$\Delta$",
    "σ": r"$\sigma$",
    "–": "--",
    "…": r"\dots{}",
}
PREAMBLE = "% \\usepackage{booktabs}; with pdflatex also \\usepackage[T1]{fontenc}\n"


def table(names: Sequence[str], rows: Sequence[Sequence[Any]], *, caption: str = "", label: str = "") -> str:
    """The rows as a `table` environment, as the report's page shows them: `x`, `x_low` and `x_high` are one column.

    A key that repeats the row above is left out. Every text is escaped.

    Args:
        caption: below the table; empty for none.
        label: of the table, such as `tab:accuracy`; empty for none.

    Raises:
        UsageError: there are more rows than a page shows.
    """
    if len(rows) > MAX_ROWS:
        raise UsageError(
            f"more than {MAX_ROWS} rows are too many for a LaTeX table; ask for fewer than {MAX_ROWS + 1} with "
            "`stepaudit export query`, or take --format csv"
        )
    return document_of(grid(names, rows), caption, label)


def document_of(grid: Grid, caption: str, label: str) -> str:
    """A grid as a `table` environment; arguments are those of `table`."""
    columns = "".join("r" if numeric else "l" for numeric in grid.numeric) or "l"
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {_table_row(map(escaped, grid.headers))}",
        r"    \midrule",
        *(f"    {_table_row(map(_cell, row))}" for row in grid.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *([rf"  \caption{{{escaped(caption)}}}"] if caption else []),
        *([rf"  \label{{{re.sub('[^A-Za-z0-9:-]', '-', label)}}}"] if label else []),
        r"\end{table}",
    ]
    return PREAMBLE + "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """A text with all of LaTeX's special characters escaped."""
    return "".join(SIGNS.get(sign, sign) for sign in text)


def _table_row(cells: Any) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    if cell.style == "repeated":
        return ""
    interval = rf" {{\small [{', '.join(map(escaped, cell.interval.split(' to ')))}]}}" if cell.interval else ""
    return escaped(cell.text) + interval
