"""The optimiser: a batch of clips, each with its own target and ratio, to their seed masks."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stepaudit.errors import TooShortError
from stepaudit.extremal.area import area_loss, area_loss_per_frame
from stepaudit.extremal.core import Core
from stepaudit.extremal.perturbation import Perturbation, blend
from stepaudit.extremal.prepared import prepared
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
    """

    seed_masks: Tensor
    target_probability: Tensor
    kept_probability: Tensor
    kept_rank: Tensor


def optimise(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    ratios: Tensor,
    settings: Settings,
    perturbation: Perturbation,
    geometry: SmoothMax,
) -> Result:
    """Finds the masks that keep the target's probability with a given share of the clip. Li et al. 2021, eqs. 4–9.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K].
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        ratios: [N] preservation ratios, in (0, 1).

    Raises:
        TooShortError: the clips have fewer frames than the kernel of L_K as released.
    """
    energy = energy_function(settings, geometry, ratios, clips)
    seeds = torch.ones(len(clips), clips.shape[2], *geometry.grid, device=clips.device, requires_grad=True)
    with frozen(model):
        with torch.no_grad():
            levels = perturbation.levels(clips)
            target_probability = target_log_probability(model, clips, targets).exp()

        def loss(step: int) -> Tensor:
            masks = geometry(temporal_gaussian(seeds, settings.reach))
            data = -target_log_probability(model, blend(levels, geometry.crop(masks)), targets)
            return energy(data, masks, step).sum()

        with prepared(model):
            _descend(seeds, settings, loss)
        with torch.no_grad():
            final = temporal_gaussian(seeds, settings.reach).half().float()
            kept = model(blend(levels, geometry.crop(geometry(final))))
    return Result(final, target_probability, *probability_and_rank(kept, targets))


def energy_function(settings: Settings, geometry: SmoothMax, ratios: Tensor, clips: Tensor) -> Callable[..., Tensor]:
    """The energy [N] of an iteration as a function of the data term [N], the padded masks and the iteration."""
    frames, core = clips.shape[2], None
    area = {"clip": area_loss, "frame": area_loss_per_frame}[settings.area_per]
    if settings.core != "none":
        shape = (geometry.height, geometry.width, settings.core_frames, settings.core_size)
        core = Core(*shape, released=settings.core == "released")
        if core.released and frames < core.frames:
            raise TooShortError(f"clip of {frames} frames: L_K as released needs {core.frames}; use preset 'corrected'")

    def energy(data: Tensor, masks: Tensor, step: int) -> Tensor:
        seen = geometry.crop(masks) if settings.area_on == "cropped" else masks
        tie = settings.tie_at(step)
        total = settings.data_weight * data + settings.area_weight_at(step) * area(seen, ratios, tie)
        if core is not None and settings.core_weight_at(step):
            total = total + settings.core_weight_at(step) * core(seen, ratios, tie)
        return total

    return energy


def _descend(seeds: Tensor, settings: Settings, loss: Callable[[int], Tensor]) -> None:
    """Runs the optimiser on the seeds, in place; they stay in [0, 1]."""
    optimizer = _optimizer(seeds, settings)
    for step in range(settings.iterations):
        if settings.optimizer == "adam":
            optimizer.param_groups[0]["lr"] = settings.learning_rate * _cosine(step, settings.iterations)
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
        with torch.no_grad():
            seeds.clamp_(0, 1)


def _optimizer(seeds: Tensor, settings: Settings) -> torch.optim.Optimizer:
    if settings.optimizer == "adam":
        return torch.optim.Adam([seeds], lr=settings.learning_rate)
    return torch.optim.SGD([seeds], lr=settings.learning_rate, momentum=settings.momentum, dampening=settings.dampening)


def _cosine(step: int, steps: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / steps))
