"""The loop over the batches of a shard: a finished batch is skipped, another is made and kept."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from stepaudit.audit import decides
from stepaudit.audit.jobs import WRITES, Job
from stepaudit.running.parts import Parts
from stepaudit.running.progress import progress

Item = TypeVar("Item")


def batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Consecutive items, `size` at a time."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def parts_of(job: Job, batches: Sequence[Sequence], *more: object, rows_per_item: int = 1) -> Parts:
    """The finished batches of the table that a job writes, of an earlier run that was stopped.

    Args:
        more: JSON of what decides the rows besides the job's settings and input files.
    """
    table = WRITES[job.stage][0]
    sizes = [rows_per_item * len(batch) for batch in batches]
    return Parts(table, job.file(table), decides.rows(job, *more), sizes)


def fill(
    parts: Parts,
    batches: Sequence[Sequence[Item]],
    make: Callable[[int, Sequence[Item]], list[dict]],
    title: str,
    clips: int,
    guard: AbstractContextManager | None = None,
) -> None:
    """Writes the table of `parts`, whose rows `make` gives for each batch and its number; resumes where it stopped.

    Args:
        clips: number of clips that all batches together are about.
        guard: is entered around all calls of `make`.
    """
    with progress(title, sum(map(len, batches)), clips) as advance, guard or nullcontext():
        for number, batch in enumerate(batches):
            if number in parts:
                advance(len(batch), cached=True)
            else:
                rows = make(number, batch)
                parts.add(number, rows)
                advance(len(batch), rows=rows)
    parts.finish(len(batches))
