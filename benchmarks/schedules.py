"""Passes through the model for a mask: cheaper schedules beside the faithful one."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from benchmarks.audits import Case, cases
from stepaudit.extremal.energy import Energy
from stepaudit.extremal.engine import optimise
from stepaudit.extremal.perturbation import Perturbation, blend
from stepaudit.extremal.settings import Settings, settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.layers import frozen, target_log_probability

CLIPS, RATIO, METHOD, PRESET = 8, 0.1, "step", "corrected"
SCHEDULES = (("paper", None), ("fast", None), ("short", None), ("short", 50))
NOISE = 0.01  # another start: seeds of 1 less a random number up to this


@dataclass(frozen=True)
class Quality:
    """Qualities of masks, each [N].

    Args:
        energy: with the last weights of the faithful schedule.
        kept: probability kept by the mask.
        kept_by_hard_mask: probability kept by its greatest voxels alone.
        area_error: distance of its volume from the ratio.
    """

    energy: Tensor
    kept: Tensor
    kept_by_hard_mask: Tensor
    area_error: Tensor


def schedules() -> list[str]:
    """Each schedule on each model, as differences to the faithful one, clip by clip."""
    lines = [
        f"{METHOD}, preset `{PRESET}`, ratio {RATIO}; means over clips, and of the difference to `paper` clip by clip",
        "the mean and its 95 % interval. Agreement: median soft IoU of masks from two starts.",
        "",
        "| model | schedule | passes | energy | Δ energy, % | Δ kept | Δ kept, hard mask | Δ area error | agreement |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case in cases(CLIPS):
        reference: Quality | None = None
        for schedule, iterations in SCHEDULES:
            chosen = settings(METHOD, PRESET, schedule, iterations)
            seeds, again = (seed_masks(case, chosen, noise) for noise in (0.0, NOISE))
            masks = quality(case, seeds)
            reference = reference or masks
            name = f"{schedule} {iterations or ''}".strip()
            cells = [case.name, name, chosen.calls, f"{masks.energy.mean():.2f}", *differences(masks, reference)]
            lines.append("| " + " | ".join(map(str, [*cells, f"{agreement(case, seeds, again):.2f}"])) + " |")
    return lines


def seed_masks(case: Case, chosen: Settings, noise: float) -> Tensor:
    """Seed masks [N, T, h, w]."""
    geometry = SmoothMax.of(*case.clips.shape[-2:])
    generator = torch.Generator().manual_seed(1)
    start = 1 - noise * torch.rand(len(case.clips), case.clips.shape[2], *geometry.grid, generator=generator)
    ratios = torch.full((len(case.clips),), RATIO)
    work = (case.model, case.clips, case.targets, ratios, chosen, Perturbation(chosen.perturbation), geometry)
    return optimise(*work, start=start).seed_masks


def quality(case: Case, seeds: Tensor) -> Quality:
    """Quality of seed masks on the model of a case."""
    goal, geometry = settings(METHOD, PRESET, "paper", None), SmoothMax.of(*case.clips.shape[-2:])
    levels = Perturbation(goal.perturbation).levels(case.clips)
    with torch.no_grad(), frozen(case.model):
        padded = geometry(seeds)
        masks = geometry.crop(padded)
        soft, hard = (
            target_log_probability(case.model, blend(levels, shown), case.targets) for shown in (masks, _hard(masks))
        )
        energy = Energy(goal, geometry, seeds.shape[1])(-soft, padded, [RATIO] * len(seeds), goal.iterations - 1)
    return Quality(energy, soft.exp(), hard.exp(), (masks.mean(dim=(1, 2, 3)) - RATIO).abs())


def _hard(masks: Tensor) -> Tensor:
    """1 for the greatest voxels, as many as the ratio asks for, 0 for the others."""
    flat = masks.flatten(1)
    greatest = flat.topk(round(RATIO * flat.shape[1]), dim=1).indices
    return torch.zeros_like(flat).scatter_(1, greatest, 1.0).view_as(masks)


def differences(masks: Quality, reference: Quality) -> list[str]:
    """The mean of each quality's differences and its 95 % interval (t), the energy's in percent."""
    cells = []
    for field in fields(Quality):
        one, other = getattr(masks, field.name), getattr(reference, field.name)
        difference = 100 * (one / other - 1) if field.name == "energy" else one - other
        cells.append("" if masks is reference else _interval(difference))
    return cells


def _interval(values: Tensor) -> str:
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * values.std().item() / len(values) ** 0.5
    return f"{values.mean():+.3f} ± {half:.3f}"


def agreement(case: Case, seeds: Tensor, again: Tensor) -> float:
    """Median over clips of Σ min / Σ max of two masks."""
    geometry = SmoothMax.of(*case.clips.shape[-2:])
    one, other = (geometry.crop(geometry(mask)).flatten(1) for mask in (seeds, again))
    return (torch.minimum(one, other).sum(dim=1) / torch.maximum(one, other).sum(dim=1)).median().item()
