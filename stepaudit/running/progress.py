"""Progress: a bar on a terminal, plain lines in a log."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from stepaudit.store.formats import duration

SECONDS_BETWEEN_LINES = 10.0
PROBABILITIES = {"kept_probability": "kept", "target_probability": "target"}  # of masks; of all else
console = Console(stderr=True)
_listeners: list[Callable[["Count"], None]] = []


class Count:
    """What a job has done so far.

    Args:
        total: pieces of work.
        clips: that all pieces together are about; None if they are no clips.
    """

    def __init__(self, description: str, total: int, clips: int | None = None):
        self.description, self.total, self.clips = description, total, clips
        self.done = self.new = self.failed = 0
        self.note = ""
        self.start = time.monotonic()
        self._sums = dict.fromkeys(PROBABILITIES, (0.0, 0))

    def add(self, pieces: int, note: str, rows: Sequence[Mapping[str, Any]], kept: bool) -> None:
        """Counts pieces that are done.

        Args:
            rows: that they gave, each with a `status`.
            kept: whether they were there before the job began, and took it no time.
        """
        self.done += pieces
        self.new += 0 if kept else pieces
        self.note = note
        self.failed += sum(row["status"] != "ok" for row in rows)
        for column, (total, count) in self._sums.items():
            found = [row[column] for row in rows if row.get(column) is not None]
            self._sums[column] = (total + sum(found), count + len(found))

    @property
    def seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self.start

    @property
    def seconds_left(self) -> float | None:
        """At the pace of the pieces that this job has made; None before the first."""
        return (self.total - self.done) * self.seconds / self.new if self.new else None

    @property
    def clips_per_second(self) -> float | None:
        """None if the pieces are no clips, or before the first."""
        known = self.clips is not None and self.new and self.seconds > 0
        return self.clips * self.new / self.total / self.seconds if known else None

    @property
    def mean_probability(self) -> tuple[str, float] | None:
        """Mean probability of the class under the masks, or else of whole clips, and which; None if there is none."""
        for column, (total, count) in self._sums.items():
            if count:
                return PROBABILITIES[column], total / count
        return None

    def text(self) -> str:
        """Rate, time left, probability, failures and the note, as far as they are known."""
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
    """A function that is called after each piece of work: `advance(pieces=1, note="", rows=(), kept=False)`.

    Args:
        total: pieces of work.
        clips: that all pieces together are about, so that clips per second can be told.
    """
    count = Count(description, total, clips)
    if console.is_terminal:
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        with Progress(*columns, TextColumn("{task.fields[text]}", markup=False), console=console) as bar:
            task = bar.add_task(description, total=total, text="")
            yield _counting(count, lambda: bar.update(task, completed=count.done, text=count.text()))
    else:
        yield _counting(count, _Lines(count))


@contextmanager
def heard(listener: Callable[[Count], None]) -> Iterator[None]:
    """While it lasts, `listener` is told of all progress."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _counting(count: Count, show: Callable[[], None]) -> Callable[..., None]:
    def advance(pieces: int = 1, note: str = "", rows: Sequence[Mapping[str, Any]] = (), kept: bool = False) -> None:
        count.add(pieces, note, rows, kept)
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
            told = ", ".join(filter(None, [f"{count.done}/{count.total}", f"{count.seconds:.0f} s", count.text()]))
            console.print(f"{count.description}: {told}", highlight=False, markup=False, soft_wrap=True)
