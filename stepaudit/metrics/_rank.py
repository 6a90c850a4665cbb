"""Rank accuracy: the area under the ROC curve."""

import torch
from torch import Tensor


def accuracy(values: Tensor, chosen: Tensor) -> float:
    """Probability that a random chosen place has a greater value than a random other one; equal values count one half.

    It is Mann and Whitney's U / (n · m) with average ranks, the area under the ROC curve, counted in whole numbers: the
    one rounding is that of the quotient.

    Args:
        values: [...].
        chosen: [...], bool; some are and some are not.
    """
    inside, outside = values[chosen], values[~chosen].sort().values
    below, not_above = (torch.searchsorted(outside, inside, right=right) for right in (False, True))
    return (below + not_above).sum().item() / (2 * len(inside) * len(outside))
