"""Time limit for calls of code that may hang: an error is raised in the call, or else the process ends.

A signal interrupts Python code and system calls. A thread ends the process if a call into C goes on. If that call also
blocks Python's threads, `faulthandler` ends it, which needs none. Every call is noted before it begins, so that the
next process does not hang at the same place.
"""

import faulthandler
import logging
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stepaudit.errors import TimedOutError
from stepaudit.running import interruption
from stepaudit.running.ledger import NOTES
from stepaudit.store import writing

GRACE = 30.0  # seconds that an interrupted call has to end
CHECKS = 10  # of the clock, within the limit
MAX_SECONDS_BETWEEN_CHECKS, MIN_SECONDS_BETWEEN_CHECKS = 1.0, 0.02  # seconds between two checks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Call:
    key: str
    deadline: float


class Watchdog:
    """Limits the time of calls, one at a time, in the main thread. In other threads it limits nothing.

    Args:
        seconds: the limit; None: no limit.
        folder: for the notes of calls that did not end.
    """

    def __init__(self, seconds: float | None, folder: Path, *, grace: float = GRACE):
        self.seconds, self.grace = math.inf if seconds is None else seconds, grace
        self._under_way, self._hung = (folder / name for name in NOTES)
        self._keys = self._noted() if folder.is_dir() else set()
        self._call: _Call | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Watchdog":
        if self.seconds < math.inf and threading.current_thread() is threading.main_thread():
            writing.make_folder(self._under_way.parent)
            self._note = writing.emptied(self._under_way)
            self._main = threading.get_ident()
            self._before = signal.signal(signal.SIGALRM, self._interrupt)
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
            self._last_resort()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if self._thread is not None:
            self._closed.set()
            self._thread.join()
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGALRM, self._before)
            self._note.close()
            writing.remove(self._under_way)
        if kind is None:
            writing.remove(self._hung)

    @contextmanager
    def limited(self, key: str) -> Iterator[None]:
        """Limit the time of a call.

        Args:
            key: identifies the call, the same in every process.

        Raises:
            TimedOutError: it took too long, or it hung in an earlier process and is not tried again.
        """
        if self._thread is None:
            yield
            return
        key = f"{key} within {self.seconds:g} s"  # with a higher limit it is tried again
        if key in self._keys:
            raise TimedOutError(f"not done within {self.seconds:g} s in an earlier try, which had to be ended for it")
        self._note.write(key.encode() + b"\n")
        self._call = _Call(key, time.monotonic() + self.seconds)
        try:
            yield
        finally:
            self._call = None
            self._note.seek(0)
            self._note.truncate()

    def _interrupt(self, *_: object) -> None:
        """Signal handler: raise TimedOutError in a call that is over its deadline."""
        call = self._call
        if call is not None and time.monotonic() >= call.deadline:
            raise TimedOutError(f"not done within {self.seconds:g} s; if it is only slow, raise `batch_seconds`")

    def _watch(self) -> None:
        """Loop of the watching thread: interrupt calls over their deadline; after a grace period end the process."""
        pause = min(MAX_SECONDS_BETWEEN_CHECKS, max(MIN_SECONDS_BETWEEN_CHECKS, self.seconds / CHECKS))
        while not self._closed.wait(pause):
            self._last_resort()
            call, now = self._call, time.monotonic()
            if call is None or now < call.deadline:
                continue
            if now >= call.deadline + self.grace:
                self._end_process()
            signal.pthread_kill(self._main, signal.SIGALRM)  # again and again: it may be caught

    def _last_resort(self) -> None:
        """End the process with status 1 unless this is called again in time."""
        faulthandler.dump_traceback_later(self.seconds + 2 * self.grace, file=self._note, exit=True)

    def _end_process(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        faulthandler.dump_traceback(self._note)
        interruption.end(
            f"a call did not end within {self.seconds:g} s, nor {self.grace:g} s after it was interrupted; the next "
            "try leaves it out"
        )

    def _noted(self) -> set[str]:
        """Keys of calls that ended a process: the noted ones, and one under way, if its traceback was written."""
        known, noted = (
            path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
            for path in (self._hung, self._under_way)
        )
        key, trace = "".join(noted[:1]), noted[1:]
        if key and trace:
            log.warning("the last try was ended in a call that did not end:\n%s", "\n".join(trace))
            known.append(key)
            writing.write_text(self._hung, "".join(f"{each}\n" for each in known))
        return set(known)


def forget(folder: Path) -> None:
    """Remove the folder of the notes if it is empty."""
    writing.remove_empty(folder)
