"""Gradient times clip: each pixel's contribution to the class's logit, to first order. Shrikumar et al. 2016."""

from typing import Literal

from torch import Tensor, nn

from stepaudit.layers import frozen
from stepaudit.maps import Maps
from stepaudit.methods._gradients import contributions, target_gradients
from stepaudit.methods._scale import scaled

explains_output = True


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: None = None,
    seed: int = 0,
    score: Literal["logit", "probability"] = "logit",
    sign: Literal["positive", "absolute"] = "positive",
) -> Maps:
    """The gradient times the clip in [0, 1], summed over the colour channels; scaled to a maximum of 1 in each clip.

    Black pixels have no importance, whatever the model makes of them.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        score: what is differentiated: the class's logit (the paper) or its probability.
        sign: `positive` keeps the evidence for the class, `absolute` also what speaks against it.
    """
    with frozen(model):
        gradients = target_gradients(model, clips, targets, score)
    return Maps(scaled(contributions(gradients * clips, sign)), "nearest", clips.shape[-3:])
