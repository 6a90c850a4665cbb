"""STEP's masks of several ratios added up to one heat map, as its authors' journal paper of 2021 shows them."""

from typing import Literal

import torch
from torch import Tensor, nn

from stepaudit.extremal.settings import settings
from stepaudit.layers import gaussian_blur
from stepaudit.maps import Maps
from stepaudit.methods._extremal import calls, explain

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
        seed: 0 starts from the whole clip, another one from that less noise of up to 1 %.
        summed: preservation ratios, in (0, 1).
        smoothing_sigma: of the heat map's Gaussian, pixels; by default 10 for a shorter side of 112, and in proportion.
        preset: the weights of the energy (`stepaudit.extremal.settings`).
        schedule: the optimiser: `paper` is the preset's own, `fast` and `short` take fewer passes through the model.
        iterations: by default the schedule's own number.
        perturbation: what stands in the place of removed pixels; by default the preset's.
        blur_sigma: of the perturbation's blur, pixels; by default 20 for a shorter side of 112, and in proportion.
        mask_sigma: of the smooth maximum, pixels; by default 11 for a shorter side of 112, and in proportion.
    """
    count, (frames, height, width) = len(summed), clips.shape[-3:]
    masks = explain(
        model,
        clips.repeat_interleave(count, dim=0),
        targets.repeat_interleave(count),
        torch.tensor(summed, device=clips.device).repeat(len(clips)),
        preset=preset,
        settings=settings("step", preset, schedule, iterations),
        perturbation=perturbation,
        blur_sigma=blur_sigma,
        mask_sigma=mask_sigma,
        seed=seed,
    )
    total = masks.full().view(len(clips), count, frames, height, width).sum(dim=1)
    sigma = BLUR_SHARE * min(height, width) if smoothing_sigma is None else smoothing_sigma
    heat = gaussian_blur(total, sigma)
    peak = heat.amax(dim=(1, 2, 3), keepdim=True)
    grid = torch.where(peak == 0, torch.zeros_like(heat), heat / peak).half().float()
    steps = masks.details["steps"].view(len(clips), count).amax(dim=1)
    details = {"preset": preset, "perturbation": masks.details["perturbation"], "steps": steps}
    return Maps(grid, "nearest", (frames, height, width), details)


def passes(size: tuple[int, int, int], *, summed: tuple[float, ...] = (0.05, 0.1, 0.15, 0.5), **options: object) -> int:
    """Forward passes of the model for a row; one with its gradient counts as three."""
    return len(summed) * calls("step", **{"preset": "follow-up", **options})
