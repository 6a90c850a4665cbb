"""Saliency Tubes: the last activations of a 3-D CNN, weighted as its final layer weights them. Stergiou et al. 2019."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.errors import NotApplicableError
from stepaudit.layers import frozen, hooked
from stepaudit.maps import Maps
from stepaudit.methods._scale import scaled

ROUNDING = 1e-2  # of the greatest term; a GPU's TF32 rounds by 1e-3, another kind of model is wrong altogether
CONSTANT = 1e-6  # of the greatest value: float32 rounds sums by that much
NOT_LINEAR = (
    "Saliency Tubes need logits that are one linear layer over averages of activation_layer's output; "
    "with this model's last linear layer that does not give its logits"
)
Classifier = nn.Linear | nn.Conv3d
explains_output = True


def attribute(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Σ_c w_c · activation_c at each position, scaled from 0 (clip minimum) to 1 (maximum). Stergiou et al. 2019.

    As in the authors' code weights keep their sign, nothing is rectified, and 0 is the least of the clip. Unlike their
    code, which scales after a cubic interpolation, the map is scaled before it is interpolated linearly. The pooling
    may be any fixed average over the positions: S3D's, whose windows overlap, too. A constant map is all zeros.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.

    Raises:
        NotApplicableError: the logits are not one linear layer over averages of a 3-D convolution's activations.
    """
    layer = getattr(model, "activation_layer", None)
    if layer is None:
        raise NotApplicableError(
            f"{type(model).__name__} names no activation_layer, which Saliency Tubes read; set the model's `layer:`"
        )
    if getattr(model, "activation_grid", None) is not None:
        raise NotApplicableError(
            f"{type(model).__name__} has tokens, among which attention still moves values behind activation_layer; "
            "use grad_cam or attention_rollout"
        )
    tubes = _weighted_activations(model, layer, clips, targets)
    above = tubes - tubes.amin(dim=(1, 2, 3), keepdim=True)
    constant = above.amax(dim=(1, 2, 3), keepdim=True) <= CONSTANT * tubes.abs().amax(dim=(1, 2, 3), keepdim=True)
    return Maps(scaled(above.masked_fill(constant, 0.0)), "trilinear", clips.shape[-3:])


def _weighted_activations(model: nn.Module, layer: nn.Module, clips: Tensor, targets: Tensor) -> Tensor:
    """Σ_c w_c · activation_c, [N, t, h, w]; not finite if the logit is not."""
    with (
        frozen(model),
        _called_classifiers(model) as classifiers,
        _differentiable(layer) as outputs,
        torch.enable_grad(),
    ):
        logits = model(clips.detach()).gather(1, targets[:, None])[:, 0]
        if not (outputs and logits.requires_grad):
            raise NotApplicableError("Saliency Tubes find no gradient from the logits to activation_layer")
        classifier, classified = _last_classifier(classifiers, outputs[-1].shape[1])
        gradients, slopes = torch.autograd.grad(logits.sum(), [outputs[-1], classified], materialize_grads=True)
    activations, logits = outputs[-1].detach(), logits.detach()
    weights, biases = _target_weights(classifier, slopes)
    weights = weights[..., None, None, None]
    _require_linear(gradients, weights, activations, logits, biases)
    return (weights * activations).sum(dim=1) + 0 * logits[:, None, None, None]


def _last_classifier(classifiers: list[tuple[Classifier, Tensor]], channels: int) -> tuple[Classifier, Tensor]:
    """The final layer and its output. Raises NotApplicableError unless it takes as many channels."""
    given = classifiers[-1][0].weight.shape[1] if classifiers else "no"
    if given != channels:
        raise NotApplicableError(
            f"Saliency Tubes need a linear layer over the {channels} channels of activation_layer; "
            f"the last one that the model calls has {given} inputs"
        )
    return classifiers[-1]


def _target_weights(classifier: Classifier, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """The final layer's weights [N, C] and biases [N] of the targets.

    A target's row need not have its number: outputs may be chosen, or put into another order, behind the layer.

    Args:
        slopes: gradient of the targets' logits to the layer's output, [N, K, ...].
    """
    weight, bias = classifier.weight.detach().flatten(1), classifier.bias
    slopes = slopes.float().flatten(2).sum(dim=2) if slopes.ndim > 2 else slopes.float()
    if len(weight) == 1 and not slopes.any(dim=1).all():
        raise NotApplicableError("Saliency Tubes explain the class that the model's one value speaks for")
    rows = slopes.argmax(dim=1)
    if not (slopes - functional.one_hot(rows, len(weight))).abs().max() <= ROUNDING:
        raise NotApplicableError(NOT_LINEAR)
    return weight[rows], torch.zeros_like(rows) if bias is None else bias.detach()[rows]


def _require_linear(gradients: Tensor, weights: Tensor, activations: Tensor, logits: Tensor, biases: Tensor) -> None:
    """Raise NotApplicableError unless logit = bias + Σ_v π(v) Σ_c w_c · activation_c(v) for some pooling π(v) ≥ 0.

    Its gradient is w π then.
    """
    pooling = (gradients * weights).sum(dim=1, keepdim=True) / (weights**2).sum(dim=1, keepdim=True).clamp(min=1e-30)
    expected = weights * pooling.clamp(min=0)
    apart, size = (values.abs().flatten(1).amax(dim=1) for values in (gradients - expected, gradients))
    terms = torch.cat([(expected * activations).flatten(1), biases[:, None]], dim=1)
    missing = (terms.sum(dim=1) - logits).abs()
    if (apart > ROUNDING * size).any() or (missing > ROUNDING * terms.abs().sum(dim=1)).any():
        raise NotApplicableError(NOT_LINEAR)


@contextmanager
def _called_classifiers(model: nn.Module) -> Iterator[list[tuple[Classifier, Tensor]]]:
    """A list that fills with the linear layers and 1 × 1 × 1 convolutions that gradients flow through, as the model
    calls them, and with their outputs.
    """
    called: list[tuple[Classifier, Tensor]] = []

    def record(layer: Any, _inputs: object, output: Tensor) -> Tensor:
        if output.requires_grad:
            called.append((layer, output))
        return output.clone()  # which the model may change in place

    with ExitStack() as stack:
        for part in model.modules():
            if isinstance(part, nn.Linear) or (isinstance(part, nn.Conv3d) and part.kernel_size == (1, 1, 1)):
                stack.enter_context(hooked(part, record))
        yield called


@contextmanager
def _differentiable(layer: nn.Module) -> Iterator[list[Tensor]]:
    """A list of the layer's outputs so far, as autograd leaves."""
    outputs: list[Tensor] = []

    def replace(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        if output.ndim != 5:
            raise NotApplicableError(
                "Saliency Tubes read a 3-D convolution over the whole clip, [N, C, t, h, w]; activation_layer gives "
                f"{output.ndim} dimensions: a CNN-RNN's frames pass one by one"
            )
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()  # which the model may change in place

    with hooked(layer, replace):
        yield outputs
