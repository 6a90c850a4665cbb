"""How a command ends: its exit status, and what is told of an error. `docs/commands.md` holds the same table."""

import os
import select
import shlex
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepaudit.errors import StorageError, UsageError
from stepaudit.store import writing


@dataclass(frozen=True)
class ExitCode:
    """A status that commands end with.

    Args:
        number: for the shell, `$?`.
        name: in short.
        meaning: what has happened.
        step: what to do next.
    """

    number: int
    name: str
    meaning: str
    step: str

    def __int__(self) -> int:
        return self.number


FINE = ExitCode(0, "fine", "The command did what was asked, and found nothing wrong.", "Nothing.")
FOUND = ExitCode(
    1,
    "found",
    "`check`, `doctor` or `compare` found something, `explain` cannot explain the video, or a job failed: the disk is "
    "full, or a bug ended a stage.",
    "Read the lines that were printed; each problem names its next step.",
)
USAGE = ExitCode(
    2,
    "usage",
    "Bad input: an option, a configuration, a file that is missing or holds something else; or a condition of "
    "`compare` that cannot be told.",
    "Do what the message says, and run again.",
)
BUG = ExitCode(
    70,
    "bug",
    "An error that nobody foresaw, in stepaudit or in a component of your own, ended a command that is no stage.",
    "Look at the log that the message names, or run again with `--debug`.",
)
AGAIN = ExitCode(
    75,
    "again",
    "The job was stopped before its end (SIGTERM, a time limit, too much memory); what is finished is kept.",
    "Run the same command again: it goes on where it stopped.",
)
INTERRUPTED = ExitCode(130, "interrupted", "Ctrl-C.", "Run the same command again: it goes on where it stopped.")
CLOSED = ExitCode(
    141,
    "closed",
    "Whatever read the output has closed it, as `head` does.",
    "Nothing; with `set -o pipefail` a shell takes it for a failure, as of any program.",
)
ALL = (FINE, FOUND, USAGE, BUG, AGAIN, INTERRUPTED, CLOSED)

JOBS = (
    "index",
    "extract",
    "train",
    "predict",
    "attribute",
    "preserve",
    "score",
    "report",
)  # Snakemake keeps their logs
VARIABLE, OPTION = "STEPAUDIT_DEBUG", "--debug"


def table() -> str:
    """Every exit status as a table in Markdown."""
    rows = [f"| {code.number} | {code.name} | {code.meaning} | {code.step} |\n" for code in ALL]
    return "| status | name | meaning | what to do |\n| --- | --- | --- | --- |\n" + "".join(rows)


def ending(error: Exception, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit status of a command that an error ends, and what it prints: one line, or a traceback before it.

    A job of the workflow always tells the traceback of a bug, so that it stands in the job's log file.

    Args:
        arguments: of the command line, without the program's name.
        environment: variables; `STEPAUDIT_DEBUG` asks for tracebacks, as `--debug` does.
    """
    foreseen = _foreseen(error)
    debug = OPTION in arguments or environment.get(VARIABLE, "0") not in ("", "0")
    told = _traceback(error) if debug or (foreseen is None and _is_job(arguments)) else ""
    if foreseen is not None:
        status, text = foreseen
        return int(status), f"{told}stepaudit: {_printable(text)}"
    if told:
        return int(FOUND if _is_job(arguments) else BUG), told.rstrip("\n")
    return int(BUG), f"stepaudit: {_bug(error, arguments)}"


def close_output(error: BrokenPipeError) -> None:
    """Lets what is still to be printed vanish, without a complaint at the program's end.

    Raises:
        RuntimeError: the output is open: the pipe that broke is one of the program's own.
    """
    if not any(_is_closed(descriptor) for descriptor in (1, 2)):
        raise RuntimeError(f"a pipe of the program's own broke: {error}") from error
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _is_closed(descriptor: int) -> bool:
    """Whether a descriptor is a pipe that nobody reads."""
    waiting = select.poll()
    waiting.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in waiting.poll(0))


def _foreseen(error: Exception) -> tuple[ExitCode, str] | None:
    """Status and text of an error whose text says the next step; None for a bug."""
    if isinstance(error, UsageError):
        return USAGE, str(error)
    text = str(error) if isinstance(error, StorageError) else writing.problem(error)
    return None if text is None else (FOUND, text)


def _printable(text: str) -> str:
    """The text without what a terminal would obey: names of files and clips may hold anything."""
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)


def _is_job(arguments: Sequence[str]) -> bool:
    return next((each for each in arguments if not each.startswith("-")), "") in JOBS


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error))


def _bug(error: Exception, arguments: Sequence[str]) -> str:
    """One line; the traceback goes into a file of its own, if there is room for one."""
    first = (str(error).strip().splitlines() or [""])[0][:200]
    what = f"a bug in stepaudit or in a component of yours, {type(error).__name__}{first and ': '}{first}"
    command = f"`{shlex.join(['stepaudit', OPTION, *arguments])}` shows it here"
    try:
        number, path = tempfile.mkstemp(prefix="stepaudit-", suffix=".log")
        with os.fdopen(number, "w") as file:
            file.write(f"{shlex.join(['stepaudit', *arguments])}\n{_traceback(error)}")
    except OSError:
        return f"{what}; {command}"
    return f"{what}; the traceback stands in {path}, and {command}"
