"""Working with a model without leaving a trace: freezing, reading activations, smoothing maps."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """The model in evaluation mode and without parameter gradients; both are restored, also after an error."""
    training = {module: module.training for module in model.modules()}
    trainable = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        yield model.eval().requires_grad_(False)
    finally:
        for module, mode in training.items():
            module.training = mode
        for parameter, mode in trainable.items():
            parameter.requires_grad_(mode)


@contextmanager
def recorded(layer: nn.Module) -> Iterator[list[Tensor]]:
    """A list that receives the layer's output at every forward pass."""
    outputs: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


def target_log_probability(model: nn.Module, clips: Tensor, targets: Tensor) -> Tensor:
    """log Φ_c of each clip's target.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.

    Returns:
        [N], at most 0.
    """
    return functional.log_softmax(model(clips), dim=1).gather(1, targets[:, None])[:, 0]


def probability_and_rank(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax probability of each target, and its rank: 1 + how many classes are more probable.

    Args:
        logits: [N, K].
        targets: [N].

    Returns:
        [N] and [N].
    """
    own = logits.gather(1, targets[:, None])
    probability = logits.softmax(dim=1).gather(1, targets[:, None])[:, 0]
    return probability, 1 + (logits > own).sum(dim=1)


def gaussian_kernel(sigma: float, device: torch.device | None = None) -> Tensor:
    """Gaussian weights at whole pixels up to 3σ, normalised. Returns [2r + 1]."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device=device)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    return weights / weights.sum()


def gaussian_blur(frames: Tensor, sigma: float, *, padding: str = "replicate") -> Tensor:
    """Blurs each frame with a Gaussian.

    Args:
        frames: [..., H, W].
        sigma: pixels; 0 returns the frames.
        padding: `replicate` continues the border, `zeros` fades to 0.
    """
    if sigma == 0:
        return frames
    down, across = (_blur_matrix(size, sigma, padding).to(frames) for size in frames.shape[-2:])
    return down @ frames @ across.T


def _blur_matrix(size: int, sigma: float, padding: str) -> Tensor:
    """How much of each pixel (columns) a blurred pixel (rows) takes along a side, [size, size].

    For a wide Gaussian the product with it is several times faster than a convolution.
    """
    kernel = gaussian_kernel(sigma)
    radius = len(kernel) // 2
    source = torch.arange(size)[:, None] + torch.arange(-radius, radius + 1)
    inside = (source >= 0) & (source < size) if padding == "zeros" else torch.ones_like(source, dtype=torch.bool)
    return torch.zeros(size, size).scatter_add_(1, source.clamp(0, size - 1), kernel * inside)
