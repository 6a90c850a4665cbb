"""Tables, views, reports and columns of an audit's database, each with a sentence."""

from dataclasses import dataclass
from functools import cache

import duckdb

from stepaudit.audit import yaml_file
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.report import sql_files
from stepaudit.store import package_files
from stepaudit.store.database import records

RELATIONS = """
    select table_name as name, 'table' as kind, comment from duckdb_tables() where not internal and not temporary
    union all
    select view_name, 'view', comment from duckdb_views() where not internal and not temporary
    order by name
"""
COLUMNS = """
    select table_name as relation, column_name as name, lower(data_type) as type, comment
    from duckdb_columns() where not internal order by relation, column_index
"""
TEXTS = "columns.yaml"  # beside the reports: a sentence for each column of a view
ENDS = {  # of columns beside the one whose number they bound
    "_low": "Lower end of the 95 % interval of `{}`; NULL if clips do not tell.",
    "_high": "Upper end of the 95 % interval of `{}`; NULL if clips do not tell.",
    "_clips": "Clips that `{}` rests on: the sampling unit.",
}


@dataclass(frozen=True)
class Relation:
    """A table or view: its name, kind, and a sentence.

    Args:
        kind: `report`, `view` (also of one that is stored as a table, because others read it often), or `table`.
    """

    name: str
    kind: str
    comment: str


@dataclass(frozen=True)
class ViewColumn:
    """A column: its name, DuckDB's type in lower case, and a sentence; empty where nobody wrote one."""

    name: str
    type: str
    text: str


def relations(connection: duckdb.DuckDBPyConnection) -> dict[str, Relation]:
    """Every table, view and report, by its name."""
    kinds = {statement.name: "view" for statement in sql_files.shared() if statement.makes_view}
    kinds |= {report.name: "report" for report in sql_files.all_reports()}
    known = {}
    for row in records(connection, RELATIONS):
        kind = kinds.get(row["name"], row["kind"])
        known[row["name"]] = Relation(row["name"], kind, row["comment"] or "")
    return known


def columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[ViewColumn]:
    """The columns of a table or view. Raises UsageError if there is none of that name."""
    known = all_columns(connection)
    if relation not in known:
        nearest = did_you_mean(relation, list(known)).partition(" (known")[0]
        raise UsageError(f"no table or view '{relation}'{nearest}; `.tables` lists them")
    return known[relation]


def all_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[ViewColumn]]:
    """The columns of every table and view, by its name."""
    by_relation: dict[str, list[ViewColumn]] = {}
    for row in records(connection, COLUMNS):
        text = row["comment"] or text_of(row["relation"], row["name"])
        by_relation.setdefault(row["relation"], []).append(ViewColumn(row["name"], row["type"], text))
    return by_relation


def text_of(relation: str, column: str) -> str:
    """Meaning of a column from `columns.yaml`, of that view or in general; empty if there is none."""
    texts = _texts()
    for key in (f"{relation}.{column}", column):
        if key in texts:
            return texts[key]
    for end, text in ENDS.items():
        if column.endswith(end):
            return text.format(column.removesuffix(end))
    return ""


@cache
def _texts() -> dict[str, str]:
    return yaml_file.read(package_files.reports() / TEXTS)
