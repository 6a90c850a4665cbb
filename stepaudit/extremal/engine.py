"""The optimiser: a queue of clips, each with its own target and ratio, to their seed masks."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor, nn

from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.prepared import prepared
from stepaudit.extremal.rows import Rows
from stepaudit.extremal.settings import Settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.task import End, Task
from stepaudit.layers import frozen, probability_and_rank


@dataclass(frozen=True)
class Result:
    """What an optimisation gives.

    Args:
        seed_masks: [N, T, h, w] in [0, 1], smoothed in time where the settings say so; values of float16, so that
            storing them loses nothing.
        target_probability: [N], of the untouched clips.
        kept_probability: [N], of the clips perturbed by the masks of `seed_masks`.
        kept_rank: [N], of the target on these clips; 1 is the most probable class.
        steps: [N], iterations that each row took.
    """

    seed_masks: Tensor
    target_probability: Tensor
    kept_probability: Tensor
    kept_rank: Tensor
    steps: Tensor


def optimise(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    ratios: Tensor,
    settings: Settings,
    perturbation: Perturbation,
    geometry: SmoothMax,
    *,
    start: Tensor | None = None,
    at_once: int | None = None,
) -> Result:
    """Finds the masks that keep the target's probability with a given share of the clip. Li et al. 2021, eqs. 4–9.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K].
        clips: [N, 3, T, H, W] in [0, 1], float32. Rows of one clip should stand together: its blur is computed once.
        targets: [N] class indices.
        ratios: [N] preservation ratios, in (0, 1).
        start: [N, T, h, w], seed masks to begin from, not yet smoothed in time; by default all ones.
        at_once: rows in a batch; by default as many as fit into memory. A row that has ended makes room for the next.

    Raises:
        TooShortError: the clips have fewer frames than the kernel of L_K as released.
    """
    if settings.area_on == "cropped":  # nothing looks at the margin
        geometry = replace(geometry, padded=False)
    task = Task(model, clips, targets, ratios.tolist(), settings, perturbation, geometry, start)
    with frozen(model), torch.enable_grad():
        with torch.no_grad():
            own = torch.cat(_in_parts(lambda rows: model(clips[rows]), len(clips), at_once or len(clips)))
        with prepared(model, clips[:1]):
            ends = _solved(task, min(len(clips), at_once or task.rows_that_fit()))
    seeds, kept, steps = (torch.stack(column) for column in zip(*(vars(end).values() for end in ends), strict=True))
    return Result(seeds, probability_and_rank(own, targets)[0], *probability_and_rank(kept, targets), steps)


def _solved(task: Task, size: int) -> list[End]:
    """The end of every row.

    `size` rows are under way at once, or half as many each time that memory is out; as soon as a row has ended, the
    next takes its place.
    """
    found: dict[int, End] = {}
    waiting, rows = deque(range(len(task.clips))), task.fresh([])
    while waiting or rows:
        entering = list(islice(waiting, size - len(rows)))
        advanced = _advanced(task, rows, entering)
        if advanced is None:
            size = _halved(len(rows) + len(entering))
            waiting.extendleft(reversed(rows.index[size:]))  # these begin anew
            rows = rows.take(range(min(size, len(rows))))
            continue
        waiting = deque(islice(waiting, len(entering), None))
        rows, ended = advanced
        found |= ended
    return [found[row] for row in range(len(task.clips))]


def _advanced(task: Task, rows: Rows, entering: list[int]) -> tuple[Rows, dict[int, End]] | None:
    """The rows, and those that enter, after a pass through the model: which go on, and which have ended.

    None if memory is out: the rows are then as they were, and what was begun is held no longer.
    """
    try:
        rows = rows.join(task.fresh(entering)) if entering else rows
        rows, ended = _ended(task, task.iterated(rows), rows.done)
        if not ended:
            return rows, {}
        return rows.take([place for place in range(len(rows)) if place not in ended]), task.ends(rows.take(ended))
    except torch.OutOfMemoryError:
        return None


def _ended(task: Task, rows: Rows, before: list[int]) -> tuple[Rows, list[int]]:
    """The rows, and the places of those that have all their iterations behind them, or are on a plateau.

    Args:
        before: how many iterations each had behind it when it was last asked.
    """
    settings = task.settings
    ended = {place for place, done in enumerate(rows.done) if done >= settings.iterations}
    due = [
        place
        for place, (was, done) in enumerate(zip(before, rows.done, strict=True))
        if place not in ended and done // settings.plateau_iterations > was // settings.plateau_iterations
    ]
    if settings.plateau and due:
        energy, places = task.final_energy(rows.take(due)), torch.tensor(due, device=rows.energy.device)
        flat = (energy >= (1 - settings.plateau) * rows.energy[places]).tolist()
        ended |= {place for place, end in zip(due, flat, strict=True) if end}
        rows = replace(rows, energy=rows.energy.index_copy(0, places, energy))
    return rows, sorted(ended)


def _in_parts(work: Callable[[slice], Tensor], count: int, size: int) -> list[Tensor]:
    """The work's results for all rows, `size` rows at once, or half as many each time that memory is out."""
    found, start = [], 0
    while start < count:
        rows = slice(start, min(start + size, count))
        try:
            found.append(work(rows))
            start = rows.stop
        except torch.OutOfMemoryError:
            found.append(None)
        if found[-1] is None:  # outside the handler, which holds what failed
            found.pop()
            size = _halved(rows.stop - rows.start)
    return found


def _halved(size: int) -> int:
    """Half as many rows, after memory ran out. Raises OutOfMemoryError if there was but one."""
    if size == 1:
        raise torch.OutOfMemoryError("one row alone does not fit into memory; choose smaller clips, or `device: cpu`")
    torch.cuda.empty_cache()
    return size // 2
