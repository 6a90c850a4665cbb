"""Integrated gradients from a baseline to the clip; they add up to the difference. Sundararajan et al. 2017."""

from typing import Literal

import torch
from torch import Tensor, nn

from stepaudit.layers import frozen
from stepaudit.maps import Maps
from stepaudit.methods._fill import filling
from stepaudit.methods._gradients import contributions, mean_gradients
from stepaudit.methods._options import at_least_one
from stepaudit.methods._scale import scaled

ranges = {"steps": (1, 10_000), "blur_sigma": (0, 1_000)}
explains_output = True


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: None = None,
    seed: int = 0,
    steps: int = 32,
    baseline: Literal["black", "blur", "fade", "freeze"] = "black",
    blur_sigma: float | None = None,
    score: Literal["logit", "probability"] = "probability",
    sign: Literal["positive", "absolute"] = "positive",
) -> Maps:
    """Clip minus baseline times the path's mean gradient, summed over the colour channels; scaled to a maximum of 1.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        steps: points on the straight path, each in the middle of an equal part of it (eq. 3 takes the parts' ends).
        baseline: where the path starts: a `black` clip (the paper), or the clip blurred (`blur`), of its mean colour
            (`fade`) or of its mean frame (`freeze`).
        blur_sigma: of the baseline `blur`, pixels; by default 20 for a shorter side of 112, and in proportion.
        score: what is differentiated: the class's probability (the paper's F, from 0 to 1) or its logit.
        sign: `positive` keeps the evidence for the class, `absolute` also what speaks against it.
    """
    at_least_one(steps=steps)
    start, name = filling(clips, baseline, blur_sigma)
    points = (torch.lerp(start, clips, (step + 0.5) / steps) for step in range(steps))
    with frozen(model):
        mean = mean_gradients(model, points, clips, targets, score)
    importance = contributions((clips - start) * mean, sign)
    return Maps(scaled(importance), "nearest", clips.shape[-3:], {"perturbation": name})


def passes(size: tuple[int, int, int], *, steps: int = 32, **_options: object) -> int:
    """Forward passes of the model for a row; one with its gradient counts as three."""
    return 3 * steps
