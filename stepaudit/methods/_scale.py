"""Scaling of attributions of any sign and size to [0, 1]."""

import torch
from torch import Tensor


def rectified(values: Tensor) -> Tensor:
    """Values with 0 in the place of negative ones. Values that are not finite stay so, −∞ too."""
    return torch.where(values.isfinite(), values.clamp(min=0), values)


def scaled(importance: Tensor) -> Tensor:
    """Each clip's importance over its greatest value, exact in float16; zeros where there is none.

    Args:
        importance: [N, t, h, w], not negative. What is not finite stays so.

    Returns:
        [N, t, h, w] in [0, 1].
    """
    peak = importance.amax(dim=(1, 2, 3), keepdim=True)
    return torch.where(peak == 0, importance, importance / peak).half().float()
