"""Check that a network is all in its weights: built again and filled with them, it must answer as before."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stepaudit.layers import answers, frozen, rounding

SEED = 1_234_567  # of the second network, whose initial weights are others


def difference(model: nn.Module, rebuild: Callable[[], nn.Module], clip: Tensor, gives: str = "softmax") -> float:
    """Greatest difference of answers between a network and one built again with its weights; 0 within rounding.

    Args:
        rebuild: gives the second network.
        clip: [1, 3, T, H, W] in [0, 1], on the devices of both.
        gives: kind of answers, as in the configuration: softmax, sigmoid, logit or regression.
    """
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        other = rebuild()
    one, two = _logits(model, clip), _logits(other, clip)
    if (one - two).abs().max() <= rounding(model) * torch.maximum(one.abs().max(), two.abs().max()):
        return 0.0
    return (answers(one, gives) - answers(two, gives)).abs().max().item()


def _logits(model: nn.Module, clip: Tensor) -> Tensor:
    """Logits with the same random state each time; NaN and infinity are 0."""
    with frozen(model), torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        return model(clip).nan_to_num(0, 0, 0)
