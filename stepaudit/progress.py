"""Progress: a bar on a terminal, plain lines in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0
console = Console(stderr=True)


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[..., None]]:
    """A function that is called after each piece of work: `advance(pieces=1, note="")`."""
    if console.is_terminal:
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as bar:
            task = bar.add_task(description, total=total, note="")
            yield lambda pieces=1, note="": bar.update(task, advance=pieces, note=note)
    else:
        yield _Lines(description, total)


class _Lines:
    """Writes a line at most every ten seconds, and at the end."""

    def __init__(self, description: str, total: int):
        self.description, self.total, self.done = description, total, 0
        self.start = self.last = time.monotonic()

    def __call__(self, pieces: int = 1, note: str = "") -> None:
        self.done += pieces
        now = time.monotonic()
        if now - self.last >= SECONDS_BETWEEN_LINES or self.done >= self.total:
            self.last = now
            line = f"{self.description}: {self.done}/{self.total}, {now - self.start:.0f} s {note}"
            console.print(line.rstrip(), highlight=False, markup=False, soft_wrap=True)
