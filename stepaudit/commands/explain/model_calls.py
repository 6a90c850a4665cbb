"""Progress of a method, by the calls of the model: passes so far, and the probability of the target.

Every method calls the model, so that a hook on the model counts the passes of all methods.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from stepaudit.audit.work import FORWARD, WITH_GRADIENT
from stepaudit.layers import hooked

CALLS_BETWEEN_LOOKS = 20  # on a GPU, which has to be waited for

Observer = Callable[[int, float | None], None]


@contextmanager
def observed(model: nn.Module, target: int | None, observer: Observer) -> Iterator[None]:
    """Calls `observer(passes, probability)` after the model's calls. The model stays as it is.

    Args:
        target: class of the probability, the mean over the clips of a call; None for no probability.
        observer: gets the forward passes so far, one a clip, one with its gradient counting as three. Called
            after every call of the model on a CPU, and after every 20th on a GPU, because reading a number waits for
            the GPU.
    """
    passes, calls = 0, 0

    def look(_module: nn.Module, _inputs: Any, logits: Any) -> None:
        nonlocal passes, calls
        if not isinstance(logits, Tensor):
            return
        passes += len(logits) * (WITH_GRADIENT if torch.is_grad_enabled() and logits.requires_grad else FORWARD)
        calls += 1
        if logits.device.type == "cpu" or calls % CALLS_BETWEEN_LOOKS == 0:
            observer(passes, None if target is None else _probability(logits.detach(), target))

    with hooked(model, look):
        yield


def _probability(logits: Tensor, target: int) -> float:
    return logits.float().softmax(dim=1)[:, target].mean().item()
