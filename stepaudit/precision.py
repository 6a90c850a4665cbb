"""In which number format a trained model computes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def computing_in(model: nn.Module, precision: str) -> nn.Module:
    """The same model, from now on computing its convolutions and matrix products in a number format.

    Its logits come out as float32, and so does what methods read at its `activation_layer`, which they weigh and add
    up. Only the `forward` of these two instances changes: class, parts, parameters and hooks are as they were, and a
    copy computes likewise.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K], with float32 parameters.
        precision: `float32` changes nothing; `bfloat16`.
    """
    if precision == "float32":
        return model
    layer = getattr(model, "activation_layer", None)
    if isinstance(layer, nn.Module):
        layer.forward = partial(_in_float32, layer.forward)
    model.forward = partial(_autocast, model.forward, getattr(torch, precision))
    return model


def rounding(model: nn.Module) -> float:
    """How far apart two orders of computing may leave a model's logits, as a share of the greatest."""
    forward = model.forward
    return 0.25 if isinstance(forward, partial) and forward.func is _autocast else 1e-3


def _autocast(forward: Callable[[Tensor], Any], dtype: torch.dtype, clips: Tensor) -> Any:
    with torch.autocast(clips.device.type, dtype=dtype):
        return _in_float32(forward, clips)


def _in_float32(forward: Callable[..., Any], *inputs: Any) -> Any:
    """The output as float32 if it was rounded; whatever else it is, the check of the answer judges it."""
    output = forward(*inputs)
    return output.float() if isinstance(output, Tensor) and output.dtype == torch.bfloat16 else output
