"""The gradient of the class's logit to the clip. Simonyan et al. 2014."""

from typing import Literal

from torch import Tensor, nn

from stepaudit.layers import frozen
from stepaudit.maps import Maps
from stepaudit.methods._gradients import strongest_channel, target_gradients
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
) -> Maps:
    """Absolute gradient, the greatest of the colour channels, scaled to a maximum of 1 in each clip.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        score: what is differentiated: the class's logit (the paper, because a probability also rises when the other
            classes fall) or its probability.
    """
    with frozen(model):
        gradients = target_gradients(model, clips, targets, score)
    return Maps(scaled(strongest_channel(gradients)), "nearest", clips.shape[-3:])
