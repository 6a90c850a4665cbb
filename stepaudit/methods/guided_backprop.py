"""Guided backpropagation: a ReLU hands on only positive gradients of active units. Springenberg et al. 2015."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from stepaudit.errors import NotApplicableError
from stepaudit.layers import frozen
from stepaudit.maps import Maps
from stepaudit.methods._gradients import strongest_channel, target_gradients
from stepaudit.methods._scale import rectified, scaled

# Units that the rule does not know, by the name of their function; fused recurrent layers hide their own.
OTHER_UNITS = {
    *("celu", "elu", "gelu", "hardshrink", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish", "prelu"),
    *("relu6", "rrelu", "selu", "silu", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold"),
    *("gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"),
}
explains_output = True


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: None = None,
    seed: int = 0,
    score: Literal["logit", "probability"] = "logit",
) -> Maps:
    """Absolute guided gradient, the greatest of the colour channels, scaled to a maximum of 1 in each clip.

    Every ReLU is guided, whether a module or a function. A sigmoid or softmax is differentiated as it is: in these
    networks it weighs what passes (the gates of an LSTM, the mean of step probabilities) and is no unit to guide. So
    VGG16LSTM, which has ReLU in place of each tanh, can be explained, and an LSTM with tanh cannot.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        score: what is differentiated: the class's logit (the paper's single unit) or its probability.

    Raises:
        NotApplicableError: the model has other units than ReLU, or none.
    """

    def forward(inputs: Tensor) -> Tensor:
        with _GuidedUnits() as units:
            logits = model(inputs)
        if not units.guided:
            raise NotApplicableError("the model calls no ReLU, the only unit that guided backpropagation knows")
        return logits

    with frozen(model):
        gradients = target_gradients(forward, clips, targets, score)
    return Maps(scaled(strongest_channel(gradients)), "nearest", clips.shape[-3:])


class _GuidedUnits(TorchFunctionMode):
    """Mode with guided ReLUs. It stands between PyTorch and its caller, so the model needs no hooks."""

    guided = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name.removesuffix("_") in OTHER_UNITS:
            raise NotApplicableError(f"the model calls {name}; guided backpropagation is defined for ReLU alone")
        if name not in GUIDED:
            return func(*args, **kwargs)
        self.guided = True
        return GUIDED[name](*args, **kwargs)


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs: Tensor) -> Tensor:
        ctx.save_for_backward(inputs > 0)
        return inputs.relu()

    @staticmethod
    def backward(ctx, gradients: Tensor) -> Tensor:
        (active,) = ctx.saved_tensors
        return torch.where(active, rectified(gradients), 0)


def _guided(input: Tensor, inplace: bool = False) -> Tensor:  # named as the arguments of PyTorch's own
    outputs = _GuidedReLU.apply(input)
    return input.copy_(outputs) if inplace else outputs


GUIDED: dict[str, Callable[..., Tensor]] = {"relu": _guided, "relu_": partial(_guided, inplace=True)}
