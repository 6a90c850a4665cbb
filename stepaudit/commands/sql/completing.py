"""What the Tab key completes in the shell of `stepaudit sql`: tables, views, columns, questions and commands."""

import re
from collections.abc import Callable
from types import ModuleType

import duckdb

from stepaudit.commands.sql import dot_commands
from stepaudit.report import catalog, worked_questions
from stepaudit.store.formats import FORMATS

KEYWORDS = (
    *("select", "from", "where", "group by all", "order by", "limit", "join", "left join", "using", "with", "as"),
    *("count(*)", "avg(", "median(", "filter (where", "having", "union all", "distinct", "describe", "summarize"),
)
DELIMITERS = " \t\n,()=<>+-*/;'\"|"


def install(readline: ModuleType, connection: duckdb.DuckDBPyConnection) -> None:
    """Lets a readline complete the names of a database with the Tab key."""
    candidates = completer(connection)
    found: list[str] = []

    def complete(text: str, state: int) -> str | None:
        if state == 0:
            found[:] = candidates(readline.get_line_buffer()[: readline.get_endidx()], text)
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(DELIMITERS)
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")


def completer(connection: duckdb.DuckDBPyConnection) -> Callable[[str, str], list[str]]:
    """A function of the line before the cursor, and of its last word, that gives what the word may become."""
    columns = catalog.all_columns(connection)
    relations = _safe(columns)
    names = _safe({column.name for each in columns.values() for column in each})
    arguments = {
        ".schema": relations,
        ".question": _safe(worked_questions.all_questions()),
        ".format": list(FORMATS),
    }
    commands = [each.partition(" ")[0] for each in dot_commands.HELP]

    def candidates(line: str, word: str) -> list[str]:
        before = line[: len(line) - len(word)].strip()
        if dot_commands.is_one(line):
            return _begun(arguments.get(before, []) if before else commands, word)
        if re.search(r"\b(?:from|join|describe|summarize|table)$", before, re.I):
            return _begun(relations, word)
        alias, dot, last = word.rpartition(".")
        if dot:
            return [f"{alias}.{name}" for name in _begun(names, last)]
        return _begun([*names, *relations, *KEYWORDS], word)

    return candidates


def _safe(names: object) -> list[str]:
    """Names that need no quotes: others may hold what a terminal would obey."""
    return sorted(name for name in names if re.fullmatch(r"\w+", name, re.A))


def _begun(known: list[str], word: str) -> list[str]:
    return sorted({name for name in known if name.lower().startswith(word.lower())})
