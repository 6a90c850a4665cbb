"""Progress: a bar on a terminal, plain lines in a log."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from stepaudit.errors import printable
from stepaudit.store.formats import duration

SECONDS_BETWEEN_LINES = 10.0
PROBABILITIES = {"kept_probability": "kept", "target_probability": "target"}  # of masks; of all else
console = Console(stderr=True)
_listeners: list[Callable[["Count"], None]] = []
_open: list[Callable[..., None]] = []  # `advance` of each progress, the innermost last


class Count:
    """Progress of a job.

    Args:
        total: pieces of work.
        clips: number of clips of all pieces together; None if the work is not on clips.
    """

    def __init__(self, description: str, total: int, clips: int | None = None):
        self.description, self.total, self.clips = description, total, clips
        self.done = self.new = self.failed = 0
        self.note = ""
        self.start = time.monotonic()
        self._sums = dict.fromkeys(PROBABILITIES, (0.0, 0))

    def add(self, pieces: int, note: str, rows: Sequence[Mapping[str, Any]], cached: bool) -> None:
        """Count finished pieces.

        Args:
            rows: of these pieces, each with a `status`.
            cached: they were finished before the job began, and took it no time.
        """
        self.done += pieces
        self.new += 0 if cached else pieces
        self.note = note
        self.failed += sum(row["status"] != "ok" for row in rows)
        for column, (total, count) in self._sums.items():
            values = [row[column] for row in rows if row.get(column) is not None]
            self._sums[column] = (total + sum(values), count + len(values))

    @property
    def seconds(self) -> float:
        """Time since the job began."""
        return time.monotonic() - self.start

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pieces that this job has made; None before the first."""
        return (self.total - self.done) * self.seconds / self.new if self.new else None

    @property
    def clips_per_second(self) -> float | None:
        """Rate; None if the work is not on clips, or before the first piece."""
        if self.clips is None or not self.new or self.seconds <= 0:
            return None
        return self.clips * self.new / self.total / self.seconds

    @property
    def mean_probability(self) -> tuple[str, float] | None:
        """Name and mean probability of the class under the masks, or else of whole clips; None if there is none."""
        for column, (total, count) in self._sums.items():
            if count:
                return PROBABILITIES[column], total / count
        return None

    def text(self) -> str:
        """Rate, time left, probability, failures and the note, without unknown ones."""
        rate, left, mean = self.clips_per_second, self.seconds_left, self.mean_probability
        parts = [
            f"{rate:.3g} clips/s" if rate else "",
            f"{duration(left)} left" if left is not None and self.done < self.total else "",
            f"mean {mean[0]} probability {mean[1]:.2f}" if mean else "",
            f"{self.failed} rows without a value" if self.failed else "",
            self.note,
        ]
        return ", ".join(filter(None, parts))


@contextmanager
def progress(description: str, total: int, clips: int | None = None) -> Iterator[Callable[..., None]]:
    """Function to call after each piece of work, `advance(pieces=1, note="", rows=(), cached=False)`; see `Count`."""
    description = printable(description)
    count = Count(description, total, clips)
    if console.is_terminal:
        columns = [TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()]
        with Progress(*columns, TextColumn("{task.fields[text]}", markup=False), console=console) as bar:
            task = bar.add_task(description, total=total, text="")
            with _as_innermost(
                _advance_function(count, lambda: bar.update(task, completed=count.done, text=count.text()))
            ) as advance:
                yield advance
    else:
        with _as_innermost(_advance_function(count, _Lines(count))) as advance:
            yield advance


@contextmanager
def heard(listener: Callable[[Count], None]) -> Iterator[None]:
    """Call `listener` after every piece of work."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def note(text: str) -> None:
    """Show a text beside the innermost progress, if there is one; a piece of work that takes long is seen to live."""
    if _open:
        _open[-1](0, text)


@contextmanager
def _as_innermost(advance: Callable[..., None]) -> Iterator[Callable[..., None]]:
    """Make `advance` the innermost progress, which `note` writes beside."""
    _open.append(advance)
    try:
        yield advance
    finally:
        _open.pop()


def _advance_function(count: Count, show: Callable[[], None]) -> Callable[..., None]:

    def advance(pieces: int = 1, note: str = "", rows: Sequence[Mapping[str, Any]] = (), cached: bool = False) -> None:
        count.add(pieces, note, rows, cached)
        show()
        for listener in _listeners:
            listener(count)

    return advance


class _Lines:
    """Writes a line at most every ten seconds, and at the end."""

    def __init__(self, count: Count):
        self.count, self.last = count, count.start

    def __call__(self) -> None:
        count, now = self.count, time.monotonic()
        if now - self.last >= SECONDS_BETWEEN_LINES or count.done >= count.total:
            self.last = now
            text = ", ".join(filter(None, [f"{count.done}/{count.total}", f"{count.seconds:.0f} s", count.text()]))
            console.print(f"{count.description}: {text}", highlight=False, markup=False, soft_wrap=True)
