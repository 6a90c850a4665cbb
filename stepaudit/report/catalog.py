"""What an audit's database holds: tables, views, reports and their columns, each with a sentence."""

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
    "_margin": "Half the width of the 95 % interval of `{}`.",
}


@dataclass(frozen=True)
class Relation:
    """A table or view: its name, `table`, `view` or `report`, and a sentence."""

    name: str
    kind: str
    comment: str


@dataclass(frozen=True)
class Column:
    """A column: its name, DuckDB's type in lower case, and a sentence; empty where nobody wrote one."""

    name: str
    type: str
    text: str


def relations(connection: duckdb.DuckDBPyConnection) -> dict[str, Relation]:
    """Every table, view and report, by its name."""
    asked = {report.name for report in sql_files.all_reports()}
    found = {}
    for row in records(connection, RELATIONS):
        kind = "report" if row["kind"] == "view" and row["name"] in asked else row["kind"]
        found[row["name"]] = Relation(row["name"], kind, row["comment"] or "")
    return found


def columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[Column]:
    """The columns of a table or view. Raises UsageError if there is none of that name."""
    found = all_columns(connection)
    if relation not in found:
        nearest = did_you_mean(relation, list(found)).partition(" (known")[0]
        raise UsageError(f"no table or view '{relation}'{nearest}; `.tables` lists them")
    return found[relation]


def all_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Column]]:
    """The columns of every table and view, by its name."""
    found: dict[str, list[Column]] = {}
    for row in records(connection, COLUMNS):
        text = row["comment"] or text_of(row["relation"], row["name"])
        found.setdefault(row["relation"], []).append(Column(row["name"], row["type"], text))
    return found


def text_of(relation: str, column: str) -> str:
    """What a column of a view means: what `columns.yaml` says of it there, or anywhere; empty if it says nothing."""
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
