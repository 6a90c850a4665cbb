"""What can be exported by name: tables, views, reports and worked questions of an audit's database."""

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
        title: a sentence that says what the rows are.
        note: what the sentence leaves out; empty if nothing.
        sql: the statement that gives the rows, in an order that does not change.
    """

    name: str
    kind: str
    title: str
    note: str
    sql: str


def all_sources(connection: duckdb.DuckDBPyConnection) -> dict[str, Source]:
    """Every source by its name; a table, view or report goes before a question of the same name."""
    asked = {
        each.name: Source(each.name, "question", each.asks, each.beware, each.sql)
        for each in worked_questions.all_questions().values()
    }
    known = {report.name: report for report in sql_files.all_reports()}
    stored = {name: _stored(relation, known.get(name)) for name, relation in catalog.relations(connection).items()}
    return asked | stored


def find(connection: duckdb.DuckDBPyConnection, name: str) -> Source:
    """A source by its name. Raises UsageError, with the nearest, if there is none."""
    known = all_sources(connection)
    if name not in known:
        nearest = did_you_mean(name, list(known)).partition(" (known")[0]
        raise UsageError(f"no table, view, report or question '{name}'{nearest}; `.tables` and `.questions` list them")
    return known[name]


def _stored(relation: catalog.Relation, report: sql_files.Report | None) -> Source:
    title, note = (report.title, report.note) if relation.kind == "report" and report else (relation.comment, "")
    quoted = '"' + relation.name.replace('"', '""') + '"'
    return Source(relation.name, relation.kind, title, note, f"from {quoted}")
