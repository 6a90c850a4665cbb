"""Where a map is greatest, when many places are equally great."""

import torch
from torch import Tensor

TIE = 1e-4
ROUNDING = 8 * torch.finfo(torch.float32).eps


def tied(values: Tensor) -> Tensor:
    """Which of the values [...] tie for the greatest: those within 0.01 % of the range, or within rounding.

    An extremal mask is about 1 over a whole region, and a smoothed flat frame is flat but for rounding, which must not
    choose.
    """
    top = values.max()
    return values >= top - TIE * (top - values.min()) - ROUNDING * top.abs()


def share(hits: Tensor, peaks: Tensor) -> float:
    """Expected hit when one of the tied peaks is drawn at random: the share of peaks that hit."""
    return (hits & peaks).sum().item() / peaks.sum().item()


def is_constant(importance: Tensor) -> bool:
    """Whether the map points nowhere: it differs from place to place by no more than rounding."""
    least, top = importance.aminmax()
    return bool(top - least <= ROUNDING * top.abs())
