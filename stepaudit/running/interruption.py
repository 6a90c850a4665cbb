"""Signals that end a job, with a message about its finished rows and an exit status for "run again".

Finished rows lie on the disk already, so that a job can end at once. A thread ends it: Python calls its own handlers
only between two steps of the program, and a pass through a model is one step.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import psutil

AGAIN = os.EX_TEMPFAIL  # exit status 75
EXIT_STATUSES = {signal.SIGTERM: AGAIN, signal.SIGINT: 128 + signal.SIGINT}
WARNING = signal.SIGURG  # Slurm sends it to all processes of a job, and whoever does not know it ignores it
SHOW_CURSOR = "\x1b[?25h\n"  # a progress bar hides it


class _State:
    """Finished work in words, and the reason to stop after the present batch."""

    finished = ""
    reason: str | None = None


@contextmanager
def heeded() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the job at once with status 75 and 130, and SIGURG after its batch, with 75.

    A signal that the shell has set to be ignored stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (*EXIT_STATUSES, WARNING)}
    read, write = os.pipe()
    os.set_blocking(write, False)
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(number, _leave_it_to_the_thread)
    watch = threading.Thread(target=_watch, args=(read,), daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        os.close(write)
        watch.join()
        os.close(read)


class Stopped(SystemExit):
    """The end of a job that was asked to stop."""


def keeps(done: int, requested: int, unit: str = "rows") -> None:
    """Note the finished work, for the message of a job that ends early."""
    _State.finished = f"{done} of {requested} {unit} are kept" if done < requested else ""


def finished() -> str:
    """Finished work of an unfinished job, in words; else empty."""
    return _State.finished


def ask(reason: str) -> None:
    """Ask the job to stop after its present batch."""
    _State.reason = reason


def pause() -> None:
    """End the job with status 75 if it was asked to stop. Called where all finished rows are on the disk."""
    if _State.reason is not None and _State.finished:
        _write_message(_State.reason)
        raise Stopped(AGAIN)


def end(reason: str, status: int = AGAIN) -> NoReturn:
    """End the process and its children at once."""
    _end_children()
    _write_message(reason)
    os._exit(status)


def _leave_it_to_the_thread(*_: object) -> None:
    """Signal handler that does nothing; the default would end the process anywhere."""


def _watch(signals: int) -> None:
    """Act on the numbers of signals that arrive in a pipe."""
    while received := os.read(signals, 1):
        number = received[0]
        if number in EXIT_STATUSES:
            end("stopped", EXIT_STATUSES[signal.Signals(number)])
        if number == WARNING:
            ask("stopped before the time limit")


def _write_message(reason: str) -> None:
    text = "; ".join(part for part in (f"stepaudit: {reason}", _State.finished, "run again") if part)
    terminal = sys.stderr is not None and sys.stderr.isatty()
    with suppress(OSError, ValueError):  # nobody may read it any more
        if select.select([], [2], [], 1)[1]:  # never wait for a full pipe
            os.write(2, f"{SHOW_CURSOR if terminal else ''}{text}\n".encode())


def _end_children() -> None:
    """Kill the processes that this one started, and theirs."""
    with suppress(psutil.Error, OSError):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
