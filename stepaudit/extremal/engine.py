"""The optimiser: clips, each with its own target and ratio, to their seed masks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from stepaudit.extremal.descent import optimizer_step
from stepaudit.extremal.energy import Energy
from stepaudit.extremal.memory import rows_at_once
from stepaudit.extremal.perturbation import Perturbation, blend
from stepaudit.extremal.prepared import prepared
from stepaudit.extremal.settings import Settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.temporal import temporal_gaussian
from stepaudit.layers import frozen, gradient, probability_and_rank, target_log_probability

T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """Masks of N rows and the target's probability under them.

    Args:
        seed_masks: [N, T, h, w] in [0, 1], smoothed in time where the settings say so; values of float16, so that
            storing them loses nothing.
        target_probability: [N], of the untouched clips.
        kept_probability: [N], of the clips perturbed by the masks of `seed_masks`.
        kept_rank: [N], of the target on these clips; 1 is the most probable class.
        full_probability: [N], of the clips perturbed by the mask of a full grid, which is not quite 1 everywhere.
    """

    seed_masks: Tensor
    target_probability: Tensor
    kept_probability: Tensor
    kept_rank: Tensor
    full_probability: Tensor


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
    """Find the masks that keep the target's probability with a given share of the clip. Li et al. 2021, eqs. 4–9.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K].
        clips: [N, 3, T, H, W] in [0, 1], float32. Rows of one clip should stand together: its blur is computed once.
        targets: [N] class indices.
        ratios: [N] preservation ratios, in (0, 1).
        start: [N, T, h, w] or [1, T, h, w], seed masks to begin from, not yet smoothed in time; by default all ones.
        at_once: rows in a batch; by default as many as fit into memory.

    Raises:
        TooShortError: the clips have fewer frames than the kernel of L_K as released.
    """
    if settings.area_on == "cropped":  # nothing looks at the margin
        geometry = replace(geometry, padded=False)
    if start is None:
        start = torch.ones(1, clips.shape[2], *geometry.grid).to(clips)
    optimiser = _Optimiser(model, clips, targets, ratios.tolist(), settings, perturbation, geometry, start)
    with frozen(model), torch.enable_grad():
        with torch.no_grad():
            untouched = torch.cat(in_parts(lambda rows: model(clips[rows]), len(clips), at_once or len(clips)))
        with prepared(model, clips[:1]):
            parts = in_parts(optimiser.optimised, len(clips), at_once or optimiser.rows_that_fit())
    seeds, masked, full = (torch.cat(column) for column in zip(*parts, strict=True))
    probability, kept, whole = (probability_and_rank(logits, targets) for logits in (untouched, masked, full))
    return Result(seeds, probability[0], *kept, whole[0])


class _Optimiser:
    """The caller's rows, and the energy that their masks minimise."""

    def __init__(
        self,
        model: nn.Module,
        clips: Tensor,
        targets: Tensor,
        ratios: list[float],
        settings: Settings,
        perturbation: Perturbation,
        geometry: SmoothMax,
        start: Tensor,
    ):
        self.model, self.clips, self.targets, self.ratios = model, clips, targets, ratios
        self.settings, self.perturbation, self.geometry = settings, perturbation, geometry
        self.start = start.expand(len(clips), -1, -1, -1)
        self.energy = Energy(settings, geometry, clips.shape[2])

    def optimised(self, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Optimise the masks of some rows.

        The data term enters by its gradient to the masks. It is held from one pass through the model to the next: after
        one iteration that is the chain rule, later a linear approximation.

        Returns:
            Seed masks as they are stored [n, T, h, w]; the model's logits under them and under the full mask [n, K].
        """
        settings, seeds, levels = self.settings, self.start[rows], self.levels(rows)
        moments = torch.zeros(len(seeds), 2, *seeds.shape[1:], device=seeds.device)
        for step in range(settings.iterations):
            seeds = seeds.detach().requires_grad_()
            masks = self.masks(seeds)
            shown = self.geometry.crop(masks)
            if step in settings.steps_with_a_pass:
                slope = self.slope(rows, levels, shown.detach())
            energy = self.energy((slope * shown).sum(dim=(1, 2, 3)), masks, self.ratios[rows], step)
            (gradient,) = torch.autograd.grad(energy.sum(), seeds)
            with torch.no_grad():
                seeds, moments = optimizer_step(seeds, gradient, moments, step, settings)
        with torch.no_grad():
            stored = temporal_gaussian(seeds, settings.reach).half().float()
            full = self.geometry(torch.ones_like(stored[:1])).expand(len(stored), -1, -1, -1)
            kept, whole = (
                self.model(blend(levels, self.geometry.crop(masks))) for masks in (self.geometry(stored), full)
            )
            return stored, kept, whole

    def levels(self, rows: slice) -> Tensor:
        """Levels of the perturbation, [L, n, 3, T, H, W]; each clip is perturbed once."""
        clips, index = torch.unique_consecutive(self.clips[rows], dim=0, return_inverse=True)
        return self.perturbation.levels(clips)[:, index]

    def masks(self, seeds: Tensor) -> Tensor:
        """The padded masks of seeds, [n, T, H', W']."""
        return self.geometry(temporal_gaussian(seeds, self.settings.reach))

    def slope(self, rows: slice, levels: Tensor, masks: Tensor) -> Tensor:
        """Gradient of each row's −log Φ_c to its mask, both [n, T, H, W]."""
        masks = masks.requires_grad_()
        return gradient(self.data(rows, levels, masks), masks)

    def data(self, rows: slice, levels: Tensor, masks: Tensor) -> Tensor:
        """−log Φ_c of each row's clip under its mask, [n]."""
        return -target_log_probability(self.model, blend(levels, masks), self.targets[rows])

    def rows_that_fit(self) -> int:
        """Rows that fit into memory, for the model as it is prepared."""
        if len(self.clips) == 1:
            return 1
        first = slice(0, 1)
        levels = self.levels(first)
        masks = self.geometry.crop(self.masks(self.start[first])).requires_grad_()
        own = levels.nbytes + 2 * levels[0].nbytes  # and what the blend keeps
        return rows_at_once(lambda: self.data(first, levels, masks), own, self.model.parameters(), self.clips.device)


def in_parts(work: Callable[[slice], T], count: int, size: int) -> list[T]:
    """Results of the work for all rows, `size` at a time; the size is halved after each out-of-memory error.

    Raises:
        OutOfMemoryError: one row alone does not fit.
    """
    results: list[T] = []
    start = 0
    while start < count:
        rows = slice(start, min(start + size, count))
        result = _unless_out_of_memory(work, rows)
        if result is not None:
            results.append(result)
            start = rows.stop
        elif rows.stop - start == 1:
            raise torch.OutOfMemoryError(
                "one row alone does not fit into memory; choose smaller clips, or `device: cpu`"
            )
        else:
            size = (rows.stop - start) // 2
            torch.cuda.empty_cache()
    return results


def _unless_out_of_memory(work: Callable[[slice], T], rows: slice) -> T | None:
    """The result, or None. A function by itself, because the error holds all tensors of the attempt."""
    try:
        return work(rows)
    except torch.OutOfMemoryError:
        return None
