"""A method and a model that go wrong at one clip, in the way that the environment variable `FAULT` says, or go right.

Copied beside a test audit, which names them `misbehaving:…`.
"""

import os
import time

import torch
from torch import Tensor, nn

from stepaudit.maps import Maps

LEAKED = []
LEAK_MB = 150


def attribute(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """How bright each pixel is; slow enough to be stopped halfway."""
    time.sleep(0.2 * len(clips))
    if any(_is_chosen(clip) for clip in clips):
        _misbehave(os.environ.get("FAULT", ""))
    elif os.environ.get("FAULT") == "leak":
        LEAKED.append(bytearray(os.urandom(1 << 20) * LEAK_MB))
    with torch.no_grad():
        answer = model(clips).softmax(dim=1).gather(1, targets[:, None])[:, 0]
    grid = clips.mean(dim=1) * answer[:, None, None, None]
    if os.environ.get("FAULT") == "hooks":
        _leave_behind(model)
    return Maps(grid.half().float(), "nearest", tuple(clips.shape[-3:]))


def _is_chosen(clip: Tensor) -> bool:
    """One clip in a few, by its content, whatever else is in the batch."""
    return int(clip.double().sum().item() * 1e3) % 3 == 0


def _misbehave(fault: str) -> None:
    if fault == "raise":
        raise ZeroDivisionError("a bug of the plugin")
    if fault == "hang":
        time.sleep(3600)


def _leave_behind(model: nn.Module) -> None:
    """Hooks that double every answer, other modes, weights that were written to."""
    for module in model.modules():
        module.register_forward_hook(lambda module, given, answer: 2 * answer)
    model.train()
    torch.set_grad_enabled(False)
    torch.manual_seed(123)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(2)


class Answers(nn.Module):
    """Logits from the mean colour; NaN for the chosen clips, if it is to go wrong."""

    def __init__(self, classes: int):
        super().__init__()
        self.last = nn.Linear(3, classes)
        with torch.no_grad():
            self.last.weight.copy_(torch.linspace(-1, 1, 3 * classes).view(classes, 3))
            self.last.bias.zero_()

    def forward(self, clips: Tensor) -> Tensor:
        logits = self.last(clips.mean(dim=(2, 3, 4)))
        if os.environ.get("FAULT") == "nan":
            wrong = torch.tensor([_is_chosen(clip) for clip in clips])
            logits = logits.masked_fill(wrong[:, None], float("nan"))
        return logits


def build(classes: int) -> nn.Module:
    """A model of one layer."""
    return Answers(classes)
