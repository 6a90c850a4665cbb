"""Exportable rows by name: tables, views, reports and worked questions of an audit's database."""

from dataclasses import dataclass

import duckdb

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.report import catalog, sql_files, worked_questions

FOLDERS = {"table": "tables", "view": "views", "report": "reports", "question": "questions"}


@dataclass(frozen=True)
class Source:
    """Rows with a name.

    Args:
        name: as it stands in the database, or of the question's file.
        kind: `table`, `view`, `report` or `question`.
        title: a sentence about the rows.
        sql: the statement that gives the rows; those of a view have no fixed order.
    """

    name: str
    kind: str
    title: str
    sql: str


def all_sources(connection: duckdb.DuckDBPyConnection) -> dict[str, Source]:
    """Every source by its name; a table, view or report goes before a question of the same name."""
    questions = worked_questions.all_questions().values()
    reports = {report.name: report.title for report in sql_files.all_reports()}
    sources = {each.name: Source(each.name, "question", each.asks, each.sql) for each in questions}
    for name, relation in catalog.relations(connection).items():
        title = reports[name] if relation.kind == "report" else relation.comment
        quoted = name.replace('"', '""')
        sources[name] = Source(name, relation.kind, title, f'from "{quoted}"')
    return sources


def find(connection: duckdb.DuckDBPyConnection, name: str) -> Source:
    """A source by its name. Raises UsageError, with the nearest, if there is none."""
    sources = all_sources(connection)
    if name not in sources:
        nearest = did_you_mean(name, list(sources)).partition(" (known")[0]
        raise UsageError(f"no table, view, report or question '{name}'{nearest}; `.tables` and `.questions` list them")
    return sources[name]
