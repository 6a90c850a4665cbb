"""Gradients with respect to the clip, shared by several methods."""

from collections.abc import Callable

import torch
from torch import Tensor

from stepaudit.layers import gradient
from stepaudit.methods._scale import rectified


def target_gradients(forward: Callable[[Tensor], Tensor], clips: Tensor, targets: Tensor, score: str) -> Tensor:
    """Gradient of each target's logit or probability with respect to its own clip; not finite if the score is not.

    Args:
        forward: clips [N, 3, T, H, W] to logits [N, K]: a model, frozen by the caller.
        targets: [N] class indices.
        score: `logit` or `probability`.

    Returns:
        [N, 3, T, H, W].

    Raises:
        NotApplicableError: no gradient reaches the clips.
    """
    inputs = clips.detach().requires_grad_()
    with torch.enable_grad():
        logits = forward(inputs)
        values = logits if score == "logit" else logits.softmax(dim=1)
        own = values.gather(1, targets[:, None])
        gradients = gradient(own, inputs)
    return gradients + 0 * own.detach()[..., None, None, None]  # NaN plus a constant has a finite gradient


def strongest_channel(gradients: Tensor) -> Tensor:
    """Greatest absolute value over the colour channels. [N, 3, T, H, W] to [N, T, H, W]. Simonyan et al. 2014, 3.1."""
    return gradients.abs().amax(dim=1)


def contributions(products: Tensor, sign: str) -> Tensor:
    """`positive` part or `absolute` value of the sum over the colour channels.

    Args:
        products: [N, 3, T, H, W], parts of the score that add up.

    Returns:
        [N, T, H, W], not negative.
    """
    total = products.sum(dim=1)
    return total.abs() if sign == "absolute" else rectified(total)
