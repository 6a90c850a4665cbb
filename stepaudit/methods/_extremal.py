"""The methods of the extremal family: options in, maps out."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from stepaudit.extremal.answers import Answer
from stepaudit.extremal.engine import optimise
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.readings import read
from stepaudit.extremal.settings import Settings, settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.sufficiency import answers
from stepaudit.maps import Maps, smooth_max_name

NOISE = 0.01


def explain(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    ratios: Tensor,
    seed: int,
    preset: str,
    chosen: Settings,
    perturbation: str | None,
    blur_sigma: float | None,
    mask_sigma: float | None,
) -> Maps:
    """Optimise a mask for each row. The options are those of `step.attribute`.

    Unlike the paper, which has one start, seeds other than 0 start elsewhere, so that an audit can measure how much of
    a mask is chance.

    Args:
        chosen: numbers of the preset under the chosen schedule.
    """
    height, width = clips.shape[-2:]
    removal = Perturbation(perturbation or chosen.perturbation, blur_sigma)
    geometry = SmoothMax.of(height, width, mask_sigma)
    with torch.enable_grad():
        start = _start(seed, (clips.shape[2], *geometry.grid)).to(clips)
        result = optimise(model, clips, targets, ratios, chosen, removal, geometry, start=start)
    details: dict[str, Tensor | str | int] = {
        "preset": preset,
        "perturbation": removal.text(height, width),
        "kept_probability": result.kept_probability,
        "kept_rank": result.kept_rank,
        "full_probability": result.full_probability,
        "steps": chosen.iterations,
    }
    return Maps(result.seed_masks, smooth_max_name(geometry), clips.shape[-3:], details)


def _start(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Initial seed masks [1, T, h, w], the same for all rows: ones, less a little noise for seeds other than 0."""
    noise = NOISE * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) if seed else torch.zeros(shape)
    return (1 - noise)[None]


def passes_of(
    method: str,
    size: tuple[int, int, int],
    *,
    preset: str = "matched",
    schedule: str = "paper",
    iterations: int | None = None,
    **_options: object,
) -> int:
    """Forward passes of the model for a row of an extremal method; one with its gradient counts as three."""
    return 3 * settings(method, preset, schedule, iterations).calls


def sufficiency_of(
    method: str,
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    own: Tensor | None = None,
    backgrounds: Tensor | None = None,
    seed: int = 0,
    controls: bool = False,
    readings: Sequence[str] = (),
    reach: int = 0,
    blur_sigma: float | None = None,
    mask_sigma: float | None = None,
    **_options: object,
) -> tuple[list[Answer], str]:
    """Need of each clip for its target, by a sweep of crisp masks with the terms of a method's energy.

    The sweep has one schedule and three fills of its own; a method's options that name others decide its maps alone.

    Args:
        method: whose energy it is, in its preset `corrected`.
        own, backgrounds, controls: as for `stepaudit.extremal.sufficiency.answers`.
        readings: further ones, of `stepaudit.extremal.readings.READ`.
        seed, reach, blur_sigma, mask_sigma: as for the method's maps.

    Returns:
        An answer for each clip, and the upsampling of its masks.
    """
    height, width = clips.shape[-2:]
    geometry = SmoothMax.of(height, width, mask_sigma)
    chosen = replace(settings(method, "corrected", "paper", None), reach=reach)
    start = _start(seed, (clips.shape[2], *geometry.grid)).to(clips)
    each = answers(
        model,
        clips,
        targets,
        own=own,
        backgrounds=backgrounds,
        settings=chosen,
        geometry=geometry,
        start=start,
        seed=seed,
        blur_sigma=blur_sigma,
        controls=controls,
        further=partial(read, names=readings),
    )
    return each, smooth_max_name(geometry)
