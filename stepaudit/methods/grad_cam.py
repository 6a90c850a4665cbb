"""Grad-CAM on the model's last convolution. Selvaraju et al. 2017."""

from typing import Literal

import torch
from torch import Tensor, nn

from stepaudit.errors import NotApplicableError
from stepaudit.layers import frozen, recorded
from stepaudit.maps import Maps
from stepaudit.methods._scale import scaled


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: None = None,
    seed: int = 0,
    score: Literal["logit", "probability"] = "logit",
) -> Maps:
    """Activations weighted by their channel's mean gradient, rectified, scaled to a maximum of 1 in each clip.

    A 3-D convolution's gradient is averaged over space and time, a per-frame convolution's over each frame's space.
    A map without positive evidence is all zeros.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        score: what is differentiated: the class's logit (the method's paper) or its probability.

    Raises:
        NotApplicableError: the model names no `activation_layer`.
    """
    layer = getattr(model, "activation_layer", None)
    if layer is None:
        raise NotApplicableError(f"{type(model).__name__} names no activation_layer, which Grad-CAM reads")
    activations, gradients = _activations_and_gradients(model, layer, clips, targets, score)
    axes = tuple(range(2, activations.ndim))
    weighted = (gradients.mean(dim=axes, keepdim=True) * activations).sum(dim=1).relu()
    return Maps(scaled(weighted.reshape(len(clips), -1, *weighted.shape[-2:])), "trilinear", clips.shape[-3:])


def _activations_and_gradients(
    model: nn.Module, layer: nn.Module, clips: Tensor, targets: Tensor, score: str
) -> tuple[Tensor, Tensor]:
    with frozen(model), recorded(layer) as outputs, torch.enable_grad():
        logits = model(clips.detach().requires_grad_())
        values = logits if score == "logit" else logits.softmax(dim=1)
        chosen = values.gather(1, targets[:, None]).sum()
        (gradients,) = torch.autograd.grad(chosen, outputs[0])
    return outputs[0].detach(), gradients
