"""Where a map is greatest, when many places are equally great."""

import torch
from torch import Tensor

TIE = 1e-4


def tied(values: Tensor) -> Tensor:
    """Which of the values [...] tie for the greatest: those within 0.01 % of the range.

    An extremal mask is about 1 over a whole region, where rounding must not choose.
    """
    top = values.max()
    return values >= top - TIE * (top - values.min())


def share(hits: Tensor, peaks: Tensor) -> float:
    """Expected hit when one of the tied peaks is drawn at random: the share of peaks that hit."""
    return (hits & peaks).sum().item() / peaks.sum().item()


def is_constant(importance: Tensor) -> bool:
    """Whether the map points nowhere."""
    return bool(torch.equal(importance, importance.flatten()[0].expand_as(importance)))
