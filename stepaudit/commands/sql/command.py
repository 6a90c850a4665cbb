"""`stepaudit sql`: a query from the command line or a pipe, or an interactive shell."""

import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import duckdb

from stepaudit.commands.sql import dot_commands
from stepaudit.errors import UsageError
from stepaudit.store import database, formats
from stepaudit.store.read_only import little_memory

PROMPT, CONTINUED = "stepaudit> ", "      ...> "
WELCOME = "Read-only SQL over {}. A statement ends with `;`. `.help` lists commands, Ctrl-D ends.\n"
Write = Callable[[str], None]


def run(folder: Path, query: str | None, format: str, write: Write) -> None:
    """Answers a query from the command line or a pipe; without one, at a terminal, opens the shell.

    Args:
        folder: of the audit.
        query: SQL (of several statements the last one's answer is shown), or a dot command.
        format: of the answer, see `format_rows`.
        write: takes text that ends with a newline.

    Raises:
        UsageError: there is no query, or DuckDB refuses it.
    """
    if query is None and sys.stdin is not None and sys.stdin.isatty():
        Shell(folder, format, write).run()
        return
    text = query if query is not None else _read_stdin()
    if not text.strip():
        raise UsageError('no query; write one such as "from coverage", or `.questions`')
    if not dot_commands.is_one(text):
        write(formats.format_rows(*database.query(folder, text), format))
        return
    with little_memory(), database.connect(folder, small=True) as connection:
        write(dot_commands.output(connection, text, format))


def _read_stdin() -> str:
    try:
        return sys.stdin.read() if sys.stdin is not None else ""
    except UnicodeDecodeError as error:
        raise UsageError("what is piped in is no UTF-8 text; pipe in SQL") from error


class Shell:
    """Reads statements from a terminal and answers them until Ctrl-D or `.quit`.

    Args:
        folder: of the audit.
        format: of the answers, until `.format` changes it.
        write: takes text that ends with a newline.
    """

    def __init__(self, folder: Path, format: str, write: Write):
        self.folder, self.format, self.write = folder, format, write

    def run(self) -> None:
        """Raises UsageError if the database cannot be opened; later errors are printed, and the shell goes on."""
        from stepaudit.commands.sql.line_editor import line_editor

        with database.connect(self.folder, small=True) as connection, _ctrl_c_cancels(), line_editor(connection):
            self.write(WELCOME.format(formats.shown(str(self.folder))))
            pending = ""
            while True:
                try:
                    text = pending + input(CONTINUED if pending else PROMPT)
                    pending = "" if not text.strip() or _is_complete(text) else f"{text}\n"
                    if not pending and not self._handle_input(connection, text):
                        return
                except KeyboardInterrupt:
                    pending = ""
                    self.write("\ninterrupted\n")
                except EOFError:
                    self.write("\n")
                    return

    def _handle_input(self, connection: duckdb.DuckDBPyConnection, text: str) -> bool:
        """Answers complete statements or a dot command. False for the one that ends the shell."""
        try:
            if dot_commands.is_one(text):
                command, argument = dot_commands.parts(text)
                if command in (".quit", ".exit"):
                    return False
                if command == ".format":
                    formats.renderer(argument)  # or an error
                    self.format = argument
                else:
                    self.write(dot_commands.output(connection, text, self.format))
            else:
                for statement in duckdb.extract_statements(text):
                    self.write(_first_rows(connection, statement.query, self.format))
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 (a shell outlives whatever a query, or a value of its answer, raises)
            self.write(f"{one_line(error)}\n")
        return True


def one_line(error: Exception) -> str:
    """An error's text without DuckDB's excerpt of the query and without control characters."""
    text = str(error).partition("\nLINE ")[0]
    return formats.shown(" ".join(text.split()) or type(error).__name__)


def _is_complete(text: str) -> bool:
    """True for a dot command, and for SQL that ends with a semicolon outside of texts and quoted names."""
    if dot_commands.is_one(text) or not text.rstrip().endswith(";"):
        return dot_commands.is_one(text)
    try:
        duckdb.extract_statements(text)
    except duckdb.ParserException as error:
        return "unterminated" not in str(error)
    return True


def _first_rows(connection: duckdb.DuckDBPyConnection, sql: str, format: str) -> str:
    """The first rows of an answer as text. Ctrl-C cancels the query and raises KeyboardInterrupt."""
    with little_memory(), ThreadPoolExecutor(1) as pool:  # DuckDB hears no signal while the main thread is in it
        answer = pool.submit(dot_commands.first_rows, connection, sql, format)
        try:
            return answer.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


@contextmanager
def _ctrl_c_cancels() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt and SIGTERM ends the process: a shell has no rows to save."""
    wakeup = signal.set_wakeup_fd(-1)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
