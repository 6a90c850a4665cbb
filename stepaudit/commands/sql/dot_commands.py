"""Dot commands of `stepaudit sql` and its shell: an audit's tables, columns and worked questions."""

from textwrap import fill

import duckdb

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.report import catalog, worked_questions
from stepaudit.store import database, formats

HELP = {
    ".tables": "tables, views and reports",
    ".schema [NAME]": "columns of a table or view, and what they mean; without a name those of all",
    ".questions": "worked questions",
    ".question NAME": "the SQL of a worked question, and its answer",
    ".format NAME": f"how answers are shown: {', '.join(formats.FORMATS)}",
    ".help": "these lines",
    ".quit": "the end, as Ctrl-D",
}
KINDS = ("table", "view", "report")
WIDTH = 110  # of sentences, characters
MAX_ROWS_SHOWN = 1000  # rows of an answer on a screen


def is_one(text: str) -> bool:
    """True for a dot command, False for SQL."""
    return text.lstrip().startswith(".")


def parts(text: str) -> tuple[str, str]:
    """The command and its argument, without a semicolon at the end."""
    command, *rest = text.strip().rstrip(";").split(maxsplit=1)
    return command, rest[0].strip().strip('"') if rest else ""


def output(connection: duckdb.DuckDBPyConnection, text: str, format: str = "table") -> str:
    """Output of a dot command, ending with a newline.

    Args:
        text: the command with its argument, such as `.schema maps`.
        format: of its tables and answers.

    Raises:
        UsageError: there is no such command, table or question.
    """
    command, argument = parts(text)
    narrow = "table" if format == "lines" else format
    match command:
        case ".tables":
            relations = sorted(
                catalog.relations(connection).values(), key=lambda row: (KINDS.index(row.kind), row.name)
            )
            rows = [(each.name, each.kind, each.comment) for each in relations]
            return formats.format_rows(["name", "kind", "about"], rows, narrow)
        case ".schema":
            return _schema(connection, argument, narrow)
        case ".question" if argument:
            return _question(connection, argument, format)
        case ".questions" | ".question":
            questions = [(each.name, each.asks) for each in worked_questions.all_questions().values()]
            return formats.format_rows(["name", "question"], questions, narrow)
        case ".help":
            return formats.format_rows(["command", "shows"], list(HELP.items()), "table")
    names = [each.partition(" ")[0] for each in HELP]
    if command in names:
        raise UsageError(f"{command} works only in the shell; start it with `stepaudit sql results/<audit>`")
    raise UsageError(f"no command '{command}'{did_you_mean(command, names)}")


def first_rows(connection: duckdb.DuckDBPyConnection, sql: str, format: str, most: int = MAX_ROWS_SHOWN) -> str:
    """The first rows of a statement's answer as text, with a line below them if there are more."""
    names, rows = next(database.batches(connection, sql, most + 1))
    text = formats.format_rows(names, rows[:most], format)
    if len(rows) <= most:
        return text
    return f"{text}(the first {most:,} rows; add a `limit`, or write all with `stepaudit export query`)\n"


def _schema(connection: duckdb.DuckDBPyConnection, name: str, format: str) -> str:
    """Columns of a relation, or of all; as a table for reading with the name and comment of each relation above."""
    columns = {name: catalog.columns(connection, name)} if name else catalog.all_columns(connection)
    rows = {key: [(column.name, column.type, column.text) for column in each] for key, each in columns.items()}
    if format != "table":
        lines = [(relation, *row) for relation, each in rows.items() for row in each]
        return formats.format_rows(["relation", "column", "type", "meaning"], lines, format)
    relations = catalog.relations(connection)
    heads = {key: f"{key}: {relations[key].comment}" if key in relations else key for key in rows}
    return "\n".join(
        f"{formats.shown(heads[key])}\n{formats.format_rows(['column', 'type', 'meaning'], each, 'table')}"
        for key, each in rows.items()
    )


def _question(connection: duckdb.DuckDBPyConnection, name: str, format: str) -> str:
    """A worked question with its SQL and answer; in formats for machines the answer alone."""
    question = worked_questions.find(name)
    if format not in ("table", "lines"):
        return formats.format_rows(*database.fetch(connection, question.sql), format)
    rows = first_rows(connection, question.sql, format)
    meaning, caveat = fill(question.answer, WIDTH), fill(f"Beware: {question.beware}", WIDTH)
    return f"{question.asks}\n\n{question.sql}\n\n{rows}\n{meaning}\n\n{caveat}\n"
