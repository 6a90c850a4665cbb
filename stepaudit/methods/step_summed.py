"""STEP's masks of several ratios added up to one heat map, as its authors' journal paper of 2021 shows them."""

from typing import Literal

import torch
from torch import Tensor, nn

from stepaudit.extremal.settings import settings
from stepaudit.layers import gaussian_blur
from stepaudit.maps import Maps
from stepaudit.methods._extremal import explain, passes_of
from stepaudit.methods._scale import scaled

ranges = {
    "summed": (0.0001, 0.9999),
    "smoothing_sigma": (0, 1_000),
    "iterations": (1, 100_000),
    "blur_sigma": (0, 1_000),
    "mask_sigma": (0.1, 1_000),
}
BLUR_SHARE = 10 / 112


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: None = None,
    seed: int = 0,
    summed: tuple[float, ...] = (0.05, 0.1, 0.15, 0.5),
    smoothing_sigma: float | None = None,
    preset: Literal["paper", "follow-up", "matched", "corrected"] = "follow-up",
    schedule: Literal["paper", "fast", "short"] = "paper",
    iterations: int | None = None,
    perturbation: Literal["blur", "blur-pyramid", "fade", "freeze", "noise"] | None = None,
    blur_sigma: float | None = None,
    mask_sigma: float | None = None,
) -> Maps:
    """STEP's masks of several ratios added up to one heat map, as its authors' journal paper of 2021 shows them.

    All ratios of all clips are optimised in one batch; the sum is smoothed in each frame and divided by the clip's
    maximum. It is no mask: nothing was measured with it.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        seed: as for `step`.
        summed: preservation ratios, in (0, 1).
        smoothing_sigma: of the heat map's Gaussian, pixels; by default 10 for a shorter side of 112, and in proportion.
        preset, schedule, iterations, perturbation, blur_sigma, mask_sigma: as for `step`.
    """
    count, (frames, height, width) = len(summed), clips.shape[-3:]
    rows = clips.repeat_interleave(count, dim=0), targets.repeat_interleave(count)
    each = torch.tensor(summed, device=clips.device).repeat(len(clips))
    chosen = settings("step", preset, schedule, iterations)
    masks = explain(model, *rows, each, seed, preset, chosen, perturbation, blur_sigma, mask_sigma)
    total = masks.full().view(len(clips), count, frames, height, width).sum(dim=1)
    sigma = BLUR_SHARE * min(height, width) if smoothing_sigma is None else smoothing_sigma
    details = {name: masks.details[name] for name in ("preset", "perturbation", "steps")}
    return Maps(scaled(gaussian_blur(total, sigma)), "nearest", clips.shape[-3:], details)


def passes(
    size: tuple[int, int, int],
    *,
    summed: tuple[float, ...] = (0.05, 0.1, 0.15, 0.5),
    preset: str = "follow-up",
    schedule: str = "paper",
    iterations: int | None = None,
    **_options: object,
) -> int:
    """Forward passes of the model for a row; one with its gradient counts as three."""
    return len(summed) * passes_of("step", size, preset=preset, schedule=schedule, iterations=iterations)
