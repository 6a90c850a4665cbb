"""Grad-CAM on the model's last convolution. Selvaraju et al. 2017."""

from typing import Literal

import torch
from torch import Tensor, nn

from stepaudit.errors import NotApplicableError
from stepaudit.layers import frozen, recorded
from stepaudit.maps import Maps
from stepaudit.methods._scale import scaled

PADDING = 16  # pixels by which a map may be larger than the frame
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
    """Activations weighted by their channel's mean gradient, rectified, scaled to a maximum of 1 in each clip.

    A 3-D convolution's gradient is averaged over space and time, a per-frame convolution's over each frame's space.
    A map without positive evidence is all zeros. Of a transformer the tokens of its grid take the place of positions;
    a class token is left out.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        score: what is differentiated: the class's logit (the method's paper) or its probability.

    Raises:
        NotApplicableError: the model names no `activation_layer`, it has no map for each channel, or no gradient.
    """
    layer = getattr(model, "activation_layer", None)
    if layer is None:
        raise NotApplicableError(
            f"{type(model).__name__} names no activation_layer, which Grad-CAM reads; set the model's `layer:`"
        )
    pairs = zip(clips.split(1), targets.split(1), strict=True)
    maps = torch.cat([_clip_map(model, layer, clip, target, score) for clip, target in pairs])
    return Maps(scaled(maps), "trilinear", clips.shape[-3:])


def _clip_map(model: nn.Module, layer: nn.Module, clip: Tensor, target: Tensor, score: str) -> Tensor:
    """Map [1, t, h, w] of a clip by itself: a layer of single frames may take those of several in any order."""
    pairs = [_on_grid(model, pair, clip) for pair in _activations_and_gradients(model, layer, clip, target, score)]
    _require_places(pairs[0][0], clip.shape[-2:])
    grids = [_weighted_activations(*pair) for pair in pairs]
    return torch.cat([grid.reshape(1, -1, *grid.shape[-2:]) for grid in grids], dim=1)


def _on_grid(model: nn.Module, pair: tuple[Tensor, Tensor], clips: Tensor) -> tuple[Tensor, Tensor]:
    """Activations and gradients, those of tokens in the places that the model gives them (`activation_grid`)."""
    arrange = getattr(model, "activation_grid", None)
    if arrange is None:
        return pair
    size = tuple(clips.shape[-3:])
    return arrange(pair[0], size), arrange(pair[1], size)


def _require_places(activations: Tensor, size: tuple[int, ...]) -> None:
    """Raise NotApplicableError unless a layer's output is [n, C, h, w] or [N, C, t, h, w]."""
    shape = list(activations.shape)
    if len(shape) not in (4, 5):
        what = "tokens, [N, L, C]" if len(shape) == 3 else "no maps"
        raise NotApplicableError(f"activation_layer gives {shape}, {what}: Grad-CAM needs [N, C, t, h, w]")
    if any(cells > pixels + PADDING for cells, pixels in zip(shape[-2:], size, strict=True)):
        raise NotApplicableError(
            f"activation_layer gives {shape} for frames of {' × '.join(map(str, size))} pixels: are its channels the "
            "last dimension? Grad-CAM needs [N, C, t, h, w]"
        )


def _weighted_activations(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_c of activations times their channel's mean gradient, rectified: [n, C, …] to [n, …]."""
    return (gradients.mean(dim=tuple(range(2, activations.ndim)), keepdim=True) * activations).sum(dim=1).relu()


def _activations_and_gradients(
    model: nn.Module, layer: nn.Module, clips: Tensor, targets: Tensor, score: str
) -> list[tuple[Tensor, Tensor]]:
    """The layer's outputs and their gradients: of one call, or of a call for each frame, in order."""
    with frozen(model), recorded(layer) as outputs, torch.enable_grad():
        logits = model(clips.detach().requires_grad_())
        values = logits if score == "logit" else logits.softmax(dim=1)
        own = values.gather(1, targets[:, None])
        if len(outputs) != 1 and {each.ndim for each in outputs} != {4}:
            raise NotApplicableError(
                f"{type(model).__name__} calls its activation_layer {len(outputs)} times, not once"
            )
        gradients = torch.autograd.grad(own.sum(), outputs, allow_unused=True) if own.requires_grad else [None]
    if all(each is None for each in gradients):
        raise NotApplicableError(f"no gradient reaches activation_layer from the logits of {type(model).__name__}")
    slopes = [torch.zeros_like(one) if slope is None else slope for one, slope in zip(outputs, gradients, strict=True)]
    return [(one.detach(), slope) for one, slope in zip(outputs, slopes, strict=True)]
