"""`stepaudit sql`: a query from the command line, a file or a pipe, or a shell into which queries are typed."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import duckdb

from stepaudit.commands.sql import completing, dot_commands, statements
from stepaudit.commands.sql.dot_commands import MOST_SHOWN
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store import database
from stepaudit.store.formats import FORMATS, format_rows, shown
from stepaudit.store.read_only import MOST_ROWS, little_memory

PROMPT, CONTINUED = "stepaudit> ", "      ...> "
WELCOME = "Read-only SQL over {}. A statement ends with `;`. `.help` lists commands, Ctrl-D ends."
HISTORY = "sql_history"  # in the user's state folder
Result = TypeVar("Result")


def run(folder: Path, query: str | None, file: Path | None, format: str, tell: Callable[[str], None]) -> None:
    """Answers a query, or what a file or a pipe asks; at a terminal without any of them, all that is typed.

    Args:
        folder: of the audit.
        query: SQL, or a command that begins with a dot.
        file: of SQL.
        format: of the answer, see `format_rows`.
        tell: takes text that ends with a newline.

    Raises:
        UsageError: two queries or none, no such file or format, or DuckDB refuses the query.
    """
    if format not in FORMATS:
        raise UsageError(f"no format '{format}'{did_you_mean(format, list(FORMATS))}")
    if query is None and file is None and sys.stdin is not None and sys.stdin.isatty():
        Shell(folder, format, tell).run()
    else:
        tell(answer(folder, _asked(query, file), format))


def answer(folder: Path, text: str, format: str) -> str:
    """The answer to SQL, of several statements to the last, or to a command that begins with a dot.

    Raises:
        UsageError: it is empty, or is refused.
    """
    if not text.strip():
        raise UsageError('no query; write one such as "from coverage", or `.questions`')
    if not dot_commands.is_one(text):
        return format_rows(*database.query(folder, text), format)
    with little_memory(), database.connect(folder, small=True) as connection:
        return dot_commands.answer(connection, text, format)


def _asked(query: str | None, file: Path | None) -> str:
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
    """Reads statements from a terminal and answers them, one after the other, until Ctrl-D or `.quit`.

    Args:
        folder: of the audit.
        format: of the answers, until `.format` changes it.
        tell: takes text that ends with a newline.
    """

    def __init__(self, folder: Path, format: str, tell: Callable[[str], None]):
        self.folder, self.format, self.tell = folder, format, tell

    def run(self) -> None:
        """Raises UsageError if the database cannot be opened; whatever else goes wrong is told, and it goes on."""
        with database.connect(self.folder, small=True) as connection, _ctrl_c_cancels(), _line_editor(connection):
            self.tell(f"{WELCOME.format(shown(str(self.folder)))}\n")
            for text in self._texts():
                if not self._take(connection, text):
                    break

    def _texts(self) -> Iterator[str]:
        """Whole statements and commands, as they are typed."""
        begun = ""
        while True:
            try:
                line = input(CONTINUED if begun else PROMPT)
            except KeyboardInterrupt:
                begun = ""
                self.tell("\n")
                continue
            except EOFError:
                self.tell("\n")
                return
            if not begun and dot_commands.is_one(line):
                yield line
                continue
            finished, begun = statements.split(f"{begun}{line}\n")
            begun = begun if begun.strip() else ""
            yield from finished

    def _take(self, connection: duckdb.DuckDBPyConnection, text: str) -> bool:
        """Answers a statement or command. Returns whether it goes on."""
        try:
            if not dot_commands.is_one(text):
                self.tell(_interruptible(connection, lambda: self._answer(connection, text)))
            elif dot_commands.parts(text)[0] in (".quit", ".exit"):
                return False
            elif dot_commands.parts(text)[0] == ".format":
                self._change_format(dot_commands.parts(text)[1])
            else:
                told = _interruptible(connection, lambda: dot_commands.answer(connection, text, self.format))
                self.tell(told)
        except KeyboardInterrupt:
            self.tell("interrupted\n")
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 (a shell outlives whatever a query, or a value of its answer, raises)
            self.tell(f"{one_line(error)}\n")
        return True

    def _answer(self, connection: duckdb.DuckDBPyConnection, text: str) -> str:
        with little_memory():
            return dot_commands.shown(connection, text, self.format, most=min(MOST_SHOWN, MOST_ROWS))

    def _change_format(self, name: str) -> None:
        if name not in FORMATS:
            raise UsageError(f"no format '{name}'{did_you_mean(name, list(FORMATS))}")
        self.format = name


def one_line(error: Exception) -> str:
    """An error's text without the lines that show where in the query it is, and nothing that a terminal would obey."""
    text = str(error).partition("\nLINE ")[0]
    return shown(" ".join(text.split()) or type(error).__name__)


def _interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """What some work on a connection returns. Ctrl-C interrupts its query; then it raises KeyboardInterrupt."""
    interrupted = False
    with ThreadPoolExecutor(1) as pool:  # DuckDB hears no signal while the main thread is in it
        future = pool.submit(work)
        while True:
            try:
                result = future.result()
            except KeyboardInterrupt:
                interrupted = True
                connection.interrupt()
            except Exception as error:
                if interrupted:
                    raise KeyboardInterrupt from error
                raise
            else:
                return result


@contextmanager
def _ctrl_c_cancels() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, and SIGTERM ends the process: no job is to be kept, as `interruption` does."""
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


@contextmanager
def _line_editor(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Editing, history and completion of what is typed, where Python has a readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    path = history_file()
    with suppress(OSError):
        readline.read_history_file(path)
    completing.install(readline, connection)
    try:
        yield
    finally:
        readline.set_completer(None)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(1000)
            readline.write_history_file(path)
            path.chmod(0o600)


def history_file() -> Path:
    """Where typed lines are kept: below `XDG_STATE_HOME`, or `~/.local/state`."""
    state = os.environ.get("XDG_STATE_HOME", "")
    place = Path(state) if Path(state).is_absolute() else Path("~/.local/state").expanduser()
    return place / "stepaudit" / HISTORY
