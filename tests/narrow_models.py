"""The model families in a narrow form, and everything about a model that a method may not leave changed."""

import random
from collections.abc import Callable
from copy import deepcopy
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from stepaudit.models import (
    mc3_18,
    mvit_v2_s,
    planted_white_box,
    r2plus1d_18,
    r3d_18,
    resnet50_lstm,
    s3d,
    swin3d_t,
    vgg16_lstm,
)

CLASSES = 3
FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "r2plus1d_18": lambda: r2plus1d_18.build(CLASSES, width=4),
    "vgg16_lstm": lambda: vgg16_lstm.build(CLASSES, width=4, features=16, hidden=8, batch_norm=True, pooled=1),
    "r3d_18": lambda: r3d_18.build(CLASSES, width=4),
    "mc3_18": lambda: mc3_18.build(CLASSES, width=4),
    "s3d": lambda: with_statistics(s3d.build(CLASSES, width=4)),
    "mvit_v2_s": lambda: mvit_v2_s.build(CLASSES, embed_dim=8, depths=(1, 1, 1), frames=8, size=32),
    "swin3d_t": lambda: swin3d_t.build(CLASSES, embed_dim=12, depths=(2, 2), window=(2, 4, 4)),
    "resnet50_lstm": lambda: with_statistics(resnet50_lstm.build(CLASSES, width=2, depths=(1, 1, 1, 1), hidden=8)),
}

BY_HAND = {"planted_white_box": lambda: planted_white_box.build(CLASSES)}


def narrow(family: str) -> nn.Module:
    """A narrow model of one's own with fixed random weights, in evaluation mode."""
    return deepcopy(_built(family))


@cache
def _built(family: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return (FAMILIES | BY_HAND)[family]().eval()


def some_clips(count: int, frames: int = 8, size: int = 32) -> Tensor:
    """Clips that differ from each other, in [0, 1]. [N, 3, T, H, W]."""
    return torch.rand(count, 3, frames, size, size, generator=torch.Generator().manual_seed(9))


def with_statistics(model: nn.Module) -> nn.Module:
    """Batch normalisation with the statistics of a few clips: fresh ones leave a deep random network constant."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d)]
    momentum = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.97  # all of it would scale rounding up in every layer, too
    with torch.no_grad():
        model.train()(some_clips(4))
    for norm, value in zip(norms, momentum, strict=True):
        norm.momentum = value
    return model


def untidy(model: nn.Module) -> nn.Module:
    """The model partly in training mode and partly frozen, with gradients and a hook: a state worth keeping."""
    model.train()
    next(model.children()).eval()
    for index, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(index % 3 != 0)
        parameter.grad = torch.full_like(parameter, index) if index % 2 else None
    next(iter(model.children())).register_forward_hook(_nothing)
    return model


def _nothing(*arguments: object) -> None:
    """A hook that changes nothing."""


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")


def state(model: nn.Module) -> dict[str, object]:
    """All that a method could change: weights, buffers, gradients, modes, hooks, and the process's random states."""
    found: dict[str, object] = {name: value.clone() for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        found[f"{name} gradient"] = None if parameter.grad is None else parameter.grad.clone()
        found[f"{name} requires_grad"] = parameter.requires_grad
    for name, module in model.named_modules():
        found[f"{name} training"] = module.training
        found[f"{name} hooks"] = {kind: list(getattr(module, kind).values()) for kind in HOOKS}
    numpy_state = np.random.get_state()
    found |= {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": torch.from_numpy(numpy_state[1].copy()),
    }
    found |= {"grad enabled": torch.is_grad_enabled(), "deterministic": torch.are_deterministic_algorithms_enabled()}
    return found


def changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Names of what differs."""
    assert before.keys() == after.keys()
    return [name for name, value in before.items() if not _same(value, after[name])]


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return one == other
