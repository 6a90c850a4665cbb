"""Which pixels belong to boxes."""

import torch
from torch import Tensor

Box = tuple[float, float, float, float]


def covered(boxes: list[Box], shape: tuple[int, int]) -> Tensor:
    """Which pixels' centres lie in a box. Returns [H, W]."""
    ys, xs = torch.arange(shape[0])[:, None] + 0.5, torch.arange(shape[1])[None] + 0.5
    found = torch.zeros(shape, dtype=torch.bool)
    for x0, y0, x1, y1 in boxes:
        found |= (xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1)
    return found


def meets(boxes: list[Box], shape: tuple[int, int], tolerance_px: float) -> Tensor:
    """Which pixels' centres lie within the tolerance of a box. Returns [H, W]."""
    ys, xs = torch.arange(shape[0])[:, None] + 0.5, torch.arange(shape[1])[None] + 0.5
    found = torch.zeros(shape, dtype=torch.bool)
    for x0, y0, x1, y1 in boxes:
        dx, dy = (x0 - xs).clamp(min=0) + (xs - x1).clamp(min=0), (y0 - ys).clamp(min=0) + (ys - y1).clamp(min=0)
        found |= dx**2 + dy**2 <= tolerance_px**2
    return found
