"""Editing, history and Tab completion for the shell of `stepaudit sql`, with Python's readline."""

import os
import re
import readline
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from stepaudit.commands.sql import dot_commands
from stepaudit.report import catalog, worked_questions
from stepaudit.store import writing
from stepaudit.store.formats import FORMATS

HISTORY = "sql_history"  # in the user's state folder
HISTORY_LINES = 1000
KEYWORDS = (
    *("select", "from", "where", "group by all", "order by", "limit", "join", "left join", "using", "with", "as"),
    *("count(*)", "avg(", "median(", "filter (where", "having", "union all", "distinct", "describe", "summarize"),
)
DELIMITERS = " \t\n,()=<>+-*/;'\"|."


@contextmanager
def line_editor(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Line editing, history and completion of `input`."""
    path = history_file()
    with suppress(OSError):
        readline.read_history_file(path)
    candidates = completer(connection)

    def complete(text: str, state: int) -> str | None:
        return dict(enumerate(candidates(readline.get_line_buffer()[: readline.get_begidx()], text))).get(state)

    readline.set_completer(complete)
    readline.set_completer_delims(DELIMITERS)
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    try:
        yield
    finally:
        readline.set_completer(None)
        with suppress(OSError):
            writing.make_folder(path.parent)
            readline.set_history_length(HISTORY_LINES)
            with writing.written(path) as temporary:
                readline.write_history_file(temporary)
                temporary.chmod(0o600)


def history_file() -> Path:
    """The history's path, below `XDG_STATE_HOME` or `~/.local/state`."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (state if state.is_absolute() else Path("~/.local/state").expanduser()) / "stepaudit" / HISTORY


def completer(connection: duckdb.DuckDBPyConnection) -> Callable[[str, str], list[str]]:
    """A function of the line before the last word, and of that word, returning completions of the word."""
    columns = catalog.all_columns(connection)
    relations = _unquoted_names(columns)
    names = [*_unquoted_names(column.name for each in columns.values() for column in each), *relations, *KEYWORDS]
    after = {
        ".": [each[1:].partition(" ")[0] for each in dot_commands.HELP],
        **dict.fromkeys(("from", "join", "describe", "summarize", ".schema"), relations),
        ".question": _unquoted_names(worked_questions.all_questions()),
        ".format": list(FORMATS),
    }

    def candidates(before: str, word: str) -> list[str]:
        last = (before.lower().split() or [""])[-1]
        return sorted({name for name in after.get(last, names) if name.lower().startswith(word.lower())})

    return candidates


def _unquoted_names(names: Iterable[str]) -> list[str]:
    """Names that need no quotes; others may hold control characters of a terminal."""
    return [name for name in names if re.fullmatch(r"\w+", name, re.A)]
