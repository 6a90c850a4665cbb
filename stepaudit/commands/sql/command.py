"""`stepaudit sql`: a query from the command line, a file or a pipe, or an interactive shell."""

import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb

from stepaudit.commands.sql import dot_commands, statements
from stepaudit.commands.sql.line_editor import line_editor
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store import database
from stepaudit.store.formats import FORMATS, format_rows, shown
from stepaudit.store.read_only import little_memory

PROMPT, CONTINUED = "stepaudit> ", "      ...> "
WELCOME = "Read-only SQL over {}. A statement ends with `;`. `.help` lists commands, Ctrl-D ends."
Result = TypeVar("Result")


def run(folder: Path, query: str | None, file: Path | None, format: str, write: Callable[[str], None]) -> None:
    """Answers a query from the command line, a file or a pipe; without one, at a terminal, opens the shell.

    Args:
        folder: of the audit.
        query: SQL, or a dot command.
        file: of SQL.
        format: of the answer, see `format_rows`.
        write: takes text that ends with a newline.

    Raises:
        UsageError: two queries or none, no such file or format, or DuckDB refuses the query.
    """
    _require_format(format)
    if query is None and file is None and sys.stdin is not None and sys.stdin.isatty():
        Shell(folder, format, write).run()
    else:
        write(answer(folder, _query(query, file), format))


def answer(folder: Path, text: str, format: str) -> str:
    """Output of SQL (of several statements, the last) or of a dot command.

    Raises:
        UsageError: it is empty, or is refused.
    """
    if not text.strip():
        raise UsageError('no query; write one such as "from coverage", or `.questions`')
    if not dot_commands.is_one(text):
        return format_rows(*database.query(folder, text), format)
    with little_memory(), database.connect(folder, small=True) as connection:
        return dot_commands.answer(connection, text, format)


def _require_format(name: str) -> None:
    if name not in FORMATS:
        raise UsageError(f"no format '{name}'{did_you_mean(name, list(FORMATS))}")


def _query(query: str | None, file: Path | None) -> str:
    if query is not None and file is not None:
        raise UsageError("a query and --file; give one of them")
    if query is not None:
        return query
    if file is None:
        return sys.stdin.read() if sys.stdin is not None else ""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UsageError(f"{file}: cannot be read ({reason}); name a file of SQL") from error


class Shell:
    """Reads statements from a terminal and answers them until Ctrl-D or `.quit`.

    Args:
        folder: of the audit.
        format: of the answers, until `.format` changes it.
        write: takes text that ends with a newline.
    """

    def __init__(self, folder: Path, format: str, write: Callable[[str], None]):
        self.folder, self.format, self.write = folder, format, write

    def run(self) -> None:
        """Raises UsageError if the database cannot be opened; later errors are printed, and the shell goes on."""
        with database.connect(self.folder, small=True) as connection, _ctrl_c_cancels(), line_editor(connection):
            self.write(f"{WELCOME.format(shown(str(self.folder)))}\n")
            for text in self._inputs():
                if dot_commands.is_one(text) and dot_commands.parts(text)[0] in (".quit", ".exit"):
                    break
                self._take(connection, text)

    def _inputs(self) -> Iterator[str]:
        """Complete statements and dot commands, as they are typed."""
        pending = ""
        while True:
            try:
                line = input(CONTINUED if pending else PROMPT)
            except KeyboardInterrupt:
                pending = ""
                self.write("\n")
                continue
            except EOFError:
                self.write("\n")
                return
            if not pending and dot_commands.is_one(line):
                yield line
                continue
            finished, pending = statements.split(f"{pending}{line}\n")
            pending = pending if pending.strip() else ""
            yield from finished

    def _take(self, connection: duckdb.DuckDBPyConnection, text: str) -> None:
        """Answers a statement or dot command."""
        try:
            if dot_commands.is_one(text) and dot_commands.parts(text)[0] == ".format":
                _require_format(name := dot_commands.parts(text)[1])
                self.format = name
            else:
                self.write(_interruptible(connection, lambda: self._answer(connection, text)))
        except KeyboardInterrupt:
            self.write("interrupted\n")
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 (a shell outlives whatever a query, or a value of its answer, raises)
            self.write(f"{one_line(error)}\n")

    def _answer(self, connection: duckdb.DuckDBPyConnection, text: str) -> str:
        if dot_commands.is_one(text):
            return dot_commands.answer(connection, text, self.format)
        with little_memory():
            return dot_commands.first_rows(connection, text, self.format)


def one_line(error: Exception) -> str:
    """An error's text without DuckDB's excerpt of the query and without control characters."""
    text = str(error).partition("\nLINE ")[0]
    return shown(" ".join(text.split()) or type(error).__name__)


def _interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """The result of a function that queries a connection; Ctrl-C cancels the query and raises KeyboardInterrupt."""
    interrupted = False
    with ThreadPoolExecutor(1) as pool:  # DuckDB hears no signal while the main thread is in it
        future = pool.submit(work)
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:
                interrupted = True
                connection.interrupt()
            except Exception as error:
                if interrupted:
                    raise KeyboardInterrupt from error
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
