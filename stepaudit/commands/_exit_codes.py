"""Exit statuses of the command line, and the text printed for an error. docs/commands.md explains each status."""

import locale
import os
import select
import shlex
import sys
import traceback
from collections.abc import Mapping, Sequence
from enum import IntEnum
from io import TextIOWrapper

from stepaudit.errors import StorageError, UsageError, printable
from stepaudit.store import writing


class ExitCode(IntEnum):
    """Exit status of a command, `$?` of a shell."""

    FINE = 0
    FOUND = 1  # a check found something, or a job failed
    USAGE = 2
    BUG = os.EX_SOFTWARE
    AGAIN = os.EX_TEMPFAIL  # stopped before the end; the same command resumes
    INTERRUPTED = 130
    CLOSED = 141  # output that nobody reads


# Commands whose output Snakemake keeps as log files.
JOBS = ("index", "extract", "train", "predict", "attribute", "preserve", "score", "report")
VARIABLE, OPTION = "STEPAUDIT_DEBUG", "--debug"


def in_utf8() -> None:
    """Start Python again in its UTF-8 mode where the locale has another encoding: names and all files are UTF-8.

    Output may still have another one, by PYTHONIOENCODING: characters that it lacks are printed as escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.flags.utf8_mode or locale.getencoding().lower().replace("-", "") == "utf8":
        return
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def ending(error: Exception, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Exit status and text of a command that raised an error: one line, with a traceback above it for debugging.

    A bug in a job of the workflow always prints its traceback, so that it stands in the job's log file.

    Args:
        arguments: of the command line, without the program's name.
        environment: variables; `STEPAUDIT_DEBUG` asks for tracebacks, as `--debug` does.
    """
    job = next((each for each in arguments if not each.startswith("-")), "") in JOBS
    debug = OPTION in arguments or environment.get(VARIABLE, "0") not in ("", "0")
    lines = "".join(traceback.format_exception(error))
    expected = _status_and_text(error)
    if expected is not None:
        status, text = expected
        return int(status), f"{lines if debug else ''}stepaudit: {printable(text)}"
    if debug or job:
        return int(ExitCode.FOUND if job else ExitCode.BUG), lines.rstrip("\n")
    return int(ExitCode.BUG), f"stepaudit: {_bug_text(error, lines, arguments)}"


def close_output(error: BrokenPipeError) -> None:
    """Discards the output still to be printed, after its reader has gone.

    Raises:
        RuntimeError: the output is open: the pipe that broke is one of the program's own.
    """
    if not any(_is_closed(descriptor) for descriptor in (1, 2)):
        raise RuntimeError(f"a pipe of the program's own broke: {error}") from error
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _is_closed(descriptor: int) -> bool:
    """True for a pipe without a reader."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _status_and_text(error: Exception) -> tuple[ExitCode, str] | None:
    """Status and text of an error whose text names the next step; None for a bug."""
    if isinstance(error, UsageError):
        return ExitCode.USAGE, str(error)
    text = str(error) if isinstance(error, StorageError) else writing.problem(error)
    return None if text is None else (ExitCode.FOUND, text)


def _bug_text(error: Exception, lines: str, arguments: Sequence[str]) -> str:
    """One line; the traceback goes into a log file of its own, if there is room for one."""
    first = (str(error).strip().splitlines() or [""])[0][:200]
    summary = f"a bug in stepaudit or in a component of yours, {type(error).__name__}{first and ': '}{first}"
    command = f"`{shlex.join(['stepaudit', OPTION, *arguments])}` shows it here"
    try:
        path = writing.new_file(f"{shlex.join(['stepaudit', *arguments])}\n{lines}", suffix=".log")
    except OSError:
        return f"{summary}; {command}"
    return f"{summary}; the traceback stands in {path}, and {command}"
