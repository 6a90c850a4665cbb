"""Methods that a configuration may name, `faulty_methods:…`: a sound one, and others that go wrong in its place.

Some go wrong at bright clips; a clip's brightness is that of its first frame, on average.
"""

import os
import time

import torch
from torch import Tensor, nn

from stepaudit.maps import Maps

held: list[bytearray] = []  # what `leaking` never gives back


def _brightness(clips: Tensor) -> Tensor:
    return clips[:, :, 0].mean(dim=(1, 2, 3))


def sound(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """The model's gradient, clip by clip, so that no rounding depends on the batch."""
    return Maps(
        torch.cat([_gradient(model, *pair) for pair in zip(clips.split(1), targets.split(1), strict=True)]),
        "nearest",
        tuple(clips.shape[-3:]),
    )


def _gradient(model: nn.Module, clip: Tensor, target: Tensor) -> Tensor:
    """[1, T, H, W], values of float16 up to 1."""
    with torch.enable_grad():
        own = clip.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(model(own).gather(1, target[:, None]).sum(), own)
    grid = gradient.abs().sum(dim=1)
    return (grid / grid.max()).half().float()


def hanging(
    model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0, above: float = 1.0
) -> Maps:
    """Never ends for bright clips, with the model in a state that it would have set back."""
    if (_brightness(clips) > above).any():
        model.train()
        next(model.parameters()).requires_grad_(False)
        while True:
            time.sleep(0.01)
    return sound(model, clips, targets)


def leaving(
    model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0, spoil: bool = False
) -> Maps:
    """Leaves hooks, modes, gradients and random numbers behind, and, if it is to spoil the model, other weights."""
    maps = sound(model, clips, targets)
    next(model.children()).register_forward_hook(lambda _module, _inputs, output: 0 * output)
    model.train().requires_grad_(False)
    torch.manual_seed(os.getpid())
    torch.set_grad_enabled(False)
    if spoil:
        for weights in model.parameters():
            weights.data = weights + 1
            weights.add_(1)
    return maps


def raising(
    model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0, above: float = 1.0
) -> Maps:
    """Has a bug that shows for bright clips."""
    if (_brightness(clips) > above).any():
        raise ZeroDivisionError("a bug")
    return sound(model, clips, targets)


def leaking(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Takes 20 MB more at every call."""
    held.append(bytearray(os.urandom(1) * (20 << 20)))
    return sound(model, clips, targets)


def hungry(
    model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0, most: int = 2
) -> Maps:
    """Has no memory for more than some clips at once."""
    if len(clips) > most:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is")
    return sound(model, clips, targets)
