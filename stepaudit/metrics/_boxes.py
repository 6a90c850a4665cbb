"""Pixels inside boxes, or near to them."""

from collections.abc import Sequence

import torch
from torch import Tensor

Box = tuple[float, float, float, float]


def covered(boxes: list[Box], shape: Sequence[int]) -> Tensor:
    """[H, W], bool: pixels whose centre lies in a box."""
    ys, xs = torch.arange(shape[0])[:, None] + 0.5, torch.arange(shape[1])[None] + 0.5
    inside = torch.zeros(shape, dtype=torch.bool)
    for x0, y0, x1, y1 in boxes:
        inside |= (xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1)
    return inside


def meets(boxes: list[Box], shape: Sequence[int], tolerance_px: float) -> Tensor:
    """[H, W], bool: pixels whose centre lies within the tolerance of a box."""
    ys, xs = torch.arange(shape[0])[:, None] + 0.5, torch.arange(shape[1])[None] + 0.5
    inside = torch.zeros(shape, dtype=torch.bool)
    for x0, y0, x1, y1 in boxes:
        dx, dy = (x0 - xs).clamp(min=0) + (xs - x1).clamp(min=0), (y0 - ys).clamp(min=0) + (ys - y1).clamp(min=0)
        inside |= dx**2 + dy**2 <= tolerance_px**2
    return inside
