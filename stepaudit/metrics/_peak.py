"""Peaks of maps, with ties."""

import torch
from torch import Tensor

from stepaudit.errors import NoPeakError

TIE = 1e-4
ROUNDING = 8 * torch.finfo(torch.float32).eps


def tied(values: Tensor) -> Tensor:
    """True for the values [...] that tie for the greatest: within 0.01 % of the range, or within rounding.

    An extremal mask is about 1 over a whole region, and a smoothed flat frame is flat but for rounding, which must not
    choose.
    """
    top = values.max()
    return values >= top - TIE * (top - values.min()) - ROUNDING * top.abs()


def share(hits: Tensor, peaks: Tensor) -> float:
    """Expected hit when one of the tied peaks is drawn at random: the share of peaks that hit."""
    return (hits & peaks).sum().item() / peaks.sum().item()


def require_peak(importance: Tensor) -> None:
    """Raises NoPeakError for a map that differs from place to place by no more than rounding."""
    least, top = importance.aminmax()
    if top - least <= ROUNDING * top.abs():
        raise NoPeakError("the map has the same value everywhere")
