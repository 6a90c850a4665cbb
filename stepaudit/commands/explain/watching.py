"""Watching a method at work: how often it has asked the model, and what the model says of the target by then.

Every method asks the model by calling it, so that a hook on the model tells it of all of them, and none has to know.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

FORWARD, WITH_GRADIENT = 1, 3  # a backward pass costs as much as two forward ones
CALLS_BETWEEN_LOOKS = 20  # on a GPU, which has to be waited for

Tell = Callable[[int, float | None], None]


@contextmanager
def watched(model: nn.Module, target: int | None, tell: Tell) -> Iterator[None]:
    """While it lasts, `tell(passes, probability)` hears of the calls of a model. Nothing of the model's changes.

    Args:
        target: class whose probability is told, the mean over the clips of a call; None tells none.
        tell: gets the forward passes so far, one a clip, one with its gradient counting as three. It is called after
            every call of the model on a CPU, and after every 20th on a GPU, since a number of a GPU makes it wait.
    """
    passes, calls = 0, 0

    def look(_module: nn.Module, _inputs: Any, logits: Any) -> None:
        nonlocal passes, calls
        if not isinstance(logits, Tensor):
            return
        passes += len(logits) * (WITH_GRADIENT if torch.is_grad_enabled() and logits.requires_grad else FORWARD)
        calls += 1
        if logits.device.type == "cpu" or calls % CALLS_BETWEEN_LOOKS == 0:
            tell(passes, None if target is None else _probability(logits.detach(), target))

    handle = model.register_forward_hook(look)
    try:
        yield
    finally:
        handle.remove()


def _probability(logits: Tensor, target: int) -> float:
    return logits.float().softmax(dim=1)[:, target].mean().item()
