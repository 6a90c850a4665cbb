"""`docs/sql_views.md`: each view of `audit.duckdb`, and each table that is in no Parquet file, with its columns."""

import tempfile
from collections.abc import Sequence
from functools import cache

from stepaudit.audit import config
from stepaudit.report import build_database, catalog
from stepaudit.store import database
from stepaudit.store.formats import format_rows
from stepaudit.store.schema import TABLES

EMPTY = {
    "audit": "empty",
    "shards": 1,
    "datasets": {"planted": {"root": "data"}},
    "models": {"r3d": {"use": "r2plus1d_18"}},
    "methods": {"center": None},
    "metrics": {"spatial_pointing": None},
}
TITLES = {"table": "Tables that only the database has", "view": "Views", "report": "Reports"}
ENDS = ("_low", "_high")  # of columns that stand beside the one that they bound


HEAD = """# Every view of `audit.duckdb`

Written by `{}` from `reports/*.sql` and `reports/columns.yaml`; edit those.

[sql.md](sql.md) shows how to ask. [reports/TABLES.md](../reports/TABLES.md) describes the tables of Parquet files.
`stepaudit sql results/demo ".schema NAME"` shows the same of one view. `x_low` and `x_high` are the ends of the 95 %
interval of `x`; here they stand beside it.
"""


@cache
def page(command: str) -> str:
    """The page, written by a command: a part for tables, views and reports each, of a database without rows."""
    with tempfile.TemporaryDirectory() as place:
        made = config.parse({**EMPTY, "results": place})
        made.folder.mkdir()
        build_database.create(made.folder, made)
        with database.connect(made.folder) as connection:
            relations = [each for name, each in catalog.relations(connection).items() if name not in TABLES]
            columns = catalog.all_columns(connection)
    parts = [HEAD.format(command)]
    for kind, title in TITLES.items():
        parts.append(f"## {title}\n")
        parts += [_relation(each, columns[each.name]) for each in relations if each.kind == kind]
    return "\n".join(parts)


def _relation(relation: catalog.Relation, columns: Sequence[catalog.Column]) -> str:
    names = {column.name for column in columns}
    rows = [
        (_names(column.name, names), column.type, column.text)
        for column in columns
        if not any(column.name.endswith(end) and column.name.removesuffix(end) in names for end in ENDS)
    ]
    comment = relation.comment.replace("<", "\\<")
    return f"### `{relation.name}`\n\n{comment}\n\n{format_rows(['column', 'type', 'meaning'], rows, 'md')}"


def _names(name: str, names: set[str]) -> str:
    """A column's name, with the ends of its interval if it has one."""
    return ", ".join([f"`{name}`", *(f"`{end}`" for end in ENDS if f"{name}{end}" in names)])
