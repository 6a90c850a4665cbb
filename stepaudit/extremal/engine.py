"""The optimiser: a queue of clips, each with its own target and ratio, to their seed masks."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from stepaudit.extremal.descent import descended
from stepaudit.extremal.energy import Energy
from stepaudit.extremal.memory import rows_at_once
from stepaudit.extremal.perturbation import Perturbation, blend
from stepaudit.extremal.prepared import prepared
from stepaudit.extremal.rows import Rows
from stepaudit.extremal.settings import Settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.temporal import temporal_gaussian
from stepaudit.layers import frozen, probability_and_rank, target_log_probability


@dataclass(frozen=True)
class Result:
    """What an optimisation gives.

    Args:
        seed_masks: [N, T, h, w] in [0, 1], values of float16, so that storing them loses nothing.
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
        clips: [N, 3, T, H, W] in [0, 1]. Rows of one clip should stand together: its blur is then computed once.
        targets: [N] class indices.
        ratios: [N] preservation ratios, in (0, 1).
        start: [N, T, h, w], seed masks to begin from; by default all ones.
        at_once: rows in a batch; by default as many as fit into memory. A row that has ended makes room for the next.

    Raises:
        TooShortError: the clips have fewer frames than the kernel of L_K as released.
    """
    if settings.area_on == "cropped":  # nothing looks at the margin
        geometry = replace(geometry, padded=False)
    task = _Task(model, clips, targets, ratios.tolist(), settings, perturbation, geometry, start)
    with frozen(model):
        size = min(len(clips), at_once or task.rows_that_fit())
        with torch.no_grad():
            own = torch.cat(_in_parts(lambda rows: model(clips[rows]), len(clips), size))
        with prepared(model):
            ends = task.solved(size)
    seeds, kept, steps = (torch.stack(column) for column in zip(*(vars(end).values() for end in ends), strict=True))
    return Result(seeds, probability_and_rank(own, targets)[0], *probability_and_rank(kept, targets), steps)


@dataclass(frozen=True)
class _End:
    """A row's end: seed mask [T, h, w] as it is stored, the model's answer under it [K], iterations."""

    seed_mask: Tensor
    kept: Tensor
    steps: Tensor


class _Task:
    """The caller's rows and all that their energy is made of."""

    def __init__(
        self,
        model: nn.Module,
        clips: Tensor,
        targets: Tensor,
        ratios: list[float],
        settings: Settings,
        perturbation: Perturbation,
        geometry: SmoothMax,
        start: Tensor | None,
    ):
        self.model, self.clips, self.targets, self.ratios = model, clips, targets, ratios
        self.settings, self.perturbation, self.geometry = settings, perturbation, geometry
        self.start = torch.ones(1, clips.shape[2], *geometry.grid).to(clips) if start is None else start
        self.start = self.start.expand(len(clips), -1, -1, -1)
        self.energy = Energy(settings, geometry, clips.shape[2], clips.device)
        rates = [settings.learning_rate_at(step) for step in range(settings.iterations)]
        self.rates = torch.tensor(rates, device=clips.device)

    def solved(self, size: int) -> list[_End]:
        """The end of every row.

        `size` rows are under way at once, or half as many each time that memory is out; as soon as a row has ended, the
        next takes its place.
        """
        found: dict[int, _End] = {}
        waiting, rows = deque(range(len(self.clips))), self.fresh([])
        while waiting or rows:
            entering = [waiting.popleft() for _ in range(min(len(waiting), size - len(rows)))]
            rows = rows.join(self.fresh(entering)) if entering else rows
            try:
                rows, ended = self.ended(self.iterated(rows))
                found |= self.ends(rows.take(ended)) if ended else {}
            except torch.OutOfMemoryError:
                size = _halved(len(rows))
                waiting.extendleft(reversed(rows.index[size:]))  # to begin anew; memory runs out at the start, if ever
                rows = rows.take(range(size))
                continue
            rows = rows.take([place for place in range(len(rows)) if place not in ended]) if ended else rows
        return [found[row] for row in range(len(self.clips))]

    @torch.no_grad()
    def ends(self, rows: Rows) -> dict[int, _End]:
        """What is kept of rows that have ended, by their places in the caller's batch."""
        seeds = temporal_gaussian(rows.seeds, self.settings.reach).half().float()
        kept = self.model(blend(rows.levels.movedim(1, 0), self.geometry.crop(self.geometry(seeds))))
        return {row: _End(seeds[place], kept[place], rows.steps[place]) for place, row in enumerate(rows.index)}

    def ended(self, rows: Rows) -> tuple[Rows, list[int]]:
        """The rows, and the places of those that have all their iterations behind them, or are on a plateau."""
        ended = {place for place, done in enumerate(rows.done) if done >= self.settings.iterations}
        due = [done % self.settings.plateau_iterations == 0 for done in rows.done]
        if self.settings.plateau and any(due):
            energy = self.final_energy(rows)
            flat = (energy >= (1 - self.settings.plateau) * rows.energy).tolist()
            ended |= {place for place, (now, end) in enumerate(zip(due, flat, strict=True)) if now and end}
            rows = replace(rows, energy=torch.where(torch.tensor(due, device=energy.device), energy, rows.energy))
        return rows, sorted(ended)

    @torch.no_grad()
    def final_energy(self, rows: Rows) -> Tensor:
        """The energy of each row with the weights of the last iteration, [N]."""
        masks = self.masks(rows.seeds)
        last = torch.full_like(rows.steps, self.settings.iterations - 1)
        return self.energy(self.data(rows, self.geometry.crop(masks)), masks, rows.ratios, last)

    def fresh(self, index: Sequence[int]) -> Rows:
        """Rows before their first iteration."""
        chosen = list(index)
        seeds = self.start[chosen]
        return Rows(
            index=chosen,
            done=[0] * len(chosen),
            steps=torch.zeros(len(chosen), dtype=torch.long, device=seeds.device),
            targets=self.targets[chosen],
            ratios=[self.ratios[row] for row in chosen],
            levels=self.levels(chosen),
            seeds=seeds,
            moments=torch.zeros(len(chosen), 2, *seeds.shape[1:], device=seeds.device),
            energy=torch.full((len(chosen),), torch.inf, device=seeds.device),
        )

    def levels(self, index: Sequence[int]) -> Tensor:
        """Levels of the perturbation, [N, L, 3, T, H, W]; each clip is perturbed once."""
        clips, place = torch.unique_consecutive(self.clips[index], dim=0, return_inverse=True)
        return self.perturbation.levels(clips)[:, place].movedim(1, 0)

    def iterated(self, rows: Rows) -> Rows:
        """The rows after one pass through the model and the iterations that follow it.

        The data term enters by its gradient to the masks, held until the next pass: after one iteration that is the
        chain rule, later a linear approximation, which spares a pass for each iteration.
        """
        for again in range(self.settings.iterations_until_next_call(rows.done)):
            seeds = rows.seeds.detach().requires_grad_()
            masks = self.masks(seeds)
            seen = self.geometry.crop(masks)
            if not again:
                slope = self.slope(rows, seen.detach())
            data = (slope * seen).sum(dim=(1, 2, 3))
            (gradient,) = torch.autograd.grad(self.energy(data, masks, rows.ratios, rows.steps).sum(), seeds)
            with torch.no_grad():
                rows = self.descended(rows, gradient)
        return rows

    def slope(self, rows: Rows, masks: Tensor) -> Tensor:
        """Gradient of each row's −log Φ_c to its mask, both [N, T, H, W]."""
        masks = masks.requires_grad_()
        return torch.autograd.grad(self.data(rows, masks).sum(), masks)[0]

    def data(self, rows: Rows, masks: Tensor) -> Tensor:
        """−log Φ_c of each row's clip under its mask, [N]."""
        return -target_log_probability(self.model, blend(rows.levels.movedim(1, 0), masks), rows.targets)

    def descended(self, rows: Rows, gradient: Tensor) -> Rows:
        """The rows after a step of the optimiser."""
        rates = self.rates[rows.steps]
        seeds, moments = descended(rows.seeds, gradient, rows.moments, rows.steps, rates, self.settings)
        return replace(rows, seeds=seeds, moments=moments, steps=rows.steps + 1, done=[done + 1 for done in rows.done])

    def masks(self, seeds: Tensor) -> Tensor:
        """The padded masks of seeds, [N, T, H', W']."""
        return self.geometry(temporal_gaussian(seeds, self.settings.reach))

    def rows_that_fit(self) -> int:
        """Rows that fit into memory."""
        if len(self.clips) == 1:
            return 1
        row = self.fresh([0])
        masks = self.geometry.crop(self.masks(row.seeds)).requires_grad_()
        return rows_at_once(lambda: self.data(row, masks), self.clips.device)


def _in_parts(work: Callable[[slice], Tensor], count: int, size: int) -> list[Tensor]:
    """The work's results for all rows, `size` rows at once, or half as many each time that memory is out."""
    found, start = [], 0
    while start < count:
        try:
            found.append(work(slice(start, min(start + size, count))))
        except torch.OutOfMemoryError:
            size = _halved(min(size, count - start))
            continue
        start += size
    return found


def _halved(size: int) -> int:
    """Half as many rows, after memory ran out. Raises OutOfMemoryError if there was but one."""
    if size == 1:
        raise torch.OutOfMemoryError("one row alone does not fit into memory; choose smaller clips, or `device: cpu`")
    torch.cuda.empty_cache()
    return size // 2
