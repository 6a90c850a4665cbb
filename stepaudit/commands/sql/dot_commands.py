"""Commands that begin with a dot: what of an audit there is to ask, for `stepaudit sql` and its shell."""

from textwrap import fill

import duckdb

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.report import catalog, worked_questions
from stepaudit.store import formats
from stepaudit.store.database import fetch

HELP = {
    ".tables": "tables, views and reports",
    ".schema [NAME]": "columns of a table or view, and what they mean; without a name those of all",
    ".questions": "worked questions",
    ".question NAME": "the SQL of a worked question, and its answer",
    ".format NAME": f"how answers are shown: {', '.join(formats.FORMATS)}",
    ".help": "these lines",
    ".quit": "the end, as Ctrl-D",
}
WIDTH = 110  # of sentences, characters
MOST_SHOWN = 1000  # rows of an answer that somebody reads on a screen


def is_one(text: str) -> bool:
    """Whether a line is such a command, and no SQL."""
    return text.lstrip().startswith(".")


def answer(connection: duckdb.DuckDBPyConnection, text: str, format: str = "table") -> str:
    """What a command tells, as text that ends with a newline.

    Args:
        text: the command with its argument, such as `.schema maps`.
        format: of its tables and answers.

    Raises:
        UsageError: there is no such command, table or question.
    """
    command, argument = parts(text)
    if command != ".question" and format == "lines":  # these tables are narrow
        format = "table"
    if command == ".tables":
        return _tables(connection, format)
    if command == ".schema":
        return schema(connection, argument, format)
    if command == ".questions" or (command == ".question" and not argument):
        return _questions(format)
    if command == ".question":
        return _question(connection, argument, format)
    if command == ".help":
        return formats.format_rows(["command", "shows"], list(HELP.items()), "table")
    names = [each.partition(" ")[0] for each in HELP]
    if command in names:
        raise UsageError(f"{command}: for the shell, `stepaudit sql results/<audit>` without a query")
    raise UsageError(f"no command '{command}'{did_you_mean(command, names)}")


def parts(text: str) -> tuple[str, str]:
    """The command and its argument, without a semicolon at the end."""
    command, *rest = text.strip().rstrip(";").split(maxsplit=1)
    return command, rest[0].strip().strip('"') if rest else ""


def schema(connection: duckdb.DuckDBPyConnection, name: str = "", format: str = "table") -> str:
    """The columns of a table or view, or of all; as a table for reading each has its name and comment above it."""
    found = catalog.all_columns(connection)
    if name:
        found = {name: catalog.columns(connection, name)}
    if format != "table":
        rows = [(relation, *_of(column)) for relation, columns in found.items() for column in columns]
        return formats.format_rows(["relation", "column", "type", "meaning"], rows, format)
    known = catalog.relations(connection)
    return "\n".join(_described(known.get(relation), relation, columns) for relation, columns in found.items())


def shown(connection: duckdb.DuckDBPyConnection, sql: str, format: str, *, most: int | None = None) -> str:
    """The answer to a statement as text; of more rows than `most` the first, and a line that says so."""
    if most is None:
        return formats.format_rows(*fetch(connection, sql), format)
    names, rows, more = _first(connection, sql, most)
    text = formats.format_rows(names, rows, format)
    if not more:
        return text
    return f"{text}(the first {most:,} rows; add a `limit`, or write all with `stepaudit export query`)\n"


def _first(connection: duckdb.DuckDBPyConnection, sql: str, most: int) -> tuple[list[str], list[tuple], bool]:
    try:
        result = connection.execute(sql)
        names = [column[0] for column in result.description or []]
        rows = result.fetchmany(most + 1) if names else []
    except (duckdb.Error, RuntimeError) as error:
        raise UsageError(str(error).strip()) from error
    return names, rows[:most], len(rows) > most


def _tables(connection: duckdb.DuckDBPyConnection, format: str) -> str:
    order = ("table", "view", "report")
    found = sorted(catalog.relations(connection).values(), key=lambda each: (order.index(each.kind), each.name))
    return formats.format_rows(
        ["name", "kind", "about"], [(each.name, each.kind, each.comment) for each in found], format
    )


def _questions(format: str) -> str:
    rows = [(each.name, each.asks) for each in worked_questions.all_questions().values()]
    return formats.format_rows(["name", "question"], rows, format)


def _question(connection: duckdb.DuckDBPyConnection, name: str, format: str) -> str:
    """In a form for machines the answer alone."""
    found = worked_questions.find(name)
    answered = shown(connection, found.sql, format, most=MOST_SHOWN if format in ("table", "lines") else None)
    if format not in ("table", "lines"):
        return answered
    return f"{found.asks}\n\n{found.sql}\n\n{answered}\n{_wrapped(found.answer)}\n{_wrapped(f'Beware: {found.beware}')}"


def _wrapped(text: str) -> str:
    return fill(text, WIDTH) + "\n"


def _described(relation: catalog.Relation | None, name: str, columns: list[catalog.Column]) -> str:
    head = f"{formats.shown(name)}: {formats.shown(relation.comment)}" if relation else formats.shown(name)
    return f"{head}\n{formats.format_rows(['column', 'type', 'meaning'], [_of(column) for column in columns], 'table')}"


def _of(column: catalog.Column) -> tuple[str, str, str]:
    return column.name, column.type, column.text
