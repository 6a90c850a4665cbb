"""The floor that always points at the frame's centre."""

import torch
from torch import Tensor, nn

from stepaudit.maps import Maps

ranges = {"width": (0.001, 10)}
ignores_model = True


def attribute(
    model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0, width: float = 0.25
) -> Maps:
    """A Gaussian around the centre of every frame, for any clip and model.

    Args:
        clips: [N, 3, T, H, W].
        width: standard deviation, in shares of the frame's height and width.
    """
    frames, height, rows = clips.shape[2], _bell(clips.shape[3], width), _bell(clips.shape[4], width)
    bell = (height[:, None] * rows[None]).half().float()
    grid = bell.expand(len(clips), frames, -1, -1).to(clips.device)
    return Maps(grid, "nearest", clips.shape[-3:])


def _bell(size: int, width: float) -> Tensor:
    """A Gaussian around the middle of an axis of `size` pixels, `width` in shares of it; [size]."""
    offsets = (torch.arange(size) + 0.5) / size - 0.5
    return torch.exp(-(offsets**2) / (2 * width**2))
