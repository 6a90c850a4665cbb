"""Signals that end a job: it says what is kept, and asks to be run again.

Whatever is finished lies on the disk already, so that a job ends at once and saves nothing. A thread does that: Python
calls its own handlers only between two steps of the program, and a pass through a model is one step.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

AGAIN = os.EX_TEMPFAIL  # exit status 75
STATUSES = {signal.SIGTERM: AGAIN, signal.SIGINT: 128 + signal.SIGINT}
WARNING = signal.SIGURG  # Slurm sends it to all processes of a job, and whoever does not know it ignores it
SHOW_CURSOR = "\x1b[?25h\n"  # a progress bar hides it


class _State:
    """What a job has kept, in words, and why it is to stop as soon as its batch is kept."""

    kept = ""
    reason: str | None = None


@contextmanager
def heeded() -> Iterator[None]:
    """SIGTERM and SIGINT end the job at once with status 75 and 130; SIGURG ends it when its batch is kept, with 75.

    What the shell told to ignore a signal goes on ignoring it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (*STATUSES, WARNING)}
    heard, write = os.pipe()
    os.set_blocking(write, False)
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(number, _leave_it_to_the_thread)
    watch = threading.Thread(target=_watch, args=(heard,), daemon=True)
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
        os.close(heard)


def keeps(done: int, asked: int, what: str = "rows") -> None:
    """Notes what is kept, to be told when the job ends before its time. All of all is finished, not kept."""
    _State.kept = f"{done} of {asked} {what} are kept" if done < asked else ""


def kept() -> str:
    """What is kept, in words; empty if nothing needs to be."""
    return _State.kept


def ask(reason: str) -> None:
    """Asks the job to stop as soon as its batch is kept."""
    _State.reason = reason


def pause() -> None:
    """Ends the job with status 75 if it was asked to stop. Called where all that is finished is kept."""
    if _State.reason is not None and _State.kept:
        _say(_State.reason)
        raise SystemExit(AGAIN)


def end(reason: str, status: int = AGAIN) -> NoReturn:
    """Ends the process and all that it started, at once."""
    _end_children()
    _say(reason)
    os._exit(status)


def _leave_it_to_the_thread(*_: object) -> None:
    """Instead of the default, which ends the process, or raises KeyboardInterrupt wherever the program is."""


def _watch(heard: int) -> None:
    while received := os.read(heard, 1):
        number = received[0]
        if number in STATUSES:
            end("stopped", STATUSES[number])
        if number == WARNING:
            ask("stopped before the time limit")


def _say(reason: str) -> None:
    text = "; ".join(part for part in (f"stepaudit: {reason}", _State.kept, "run again") if part)
    terminal = sys.stderr is not None and sys.stderr.isatty()
    with suppress(OSError, ValueError):  # nobody may read it any more
        if select.select([], [2], [], 1)[1]:
            os.write(2, f"{SHOW_CURSOR if terminal else ''}{text}\n".encode())


def _end_children() -> None:
    """Kills the processes that this one started, and theirs, where the system lists them."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parents[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
    doomed, new = set(), {os.getpid()}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - doomed
        doomed |= new
    for child in doomed:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)
