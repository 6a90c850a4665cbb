"""Where the boxes of many clips lie: the map of a pointer that has seen the annotation, and no clip."""

from math import ceil

import torch
from torch import Tensor

from stepaudit.clips.geometry import Box


def mean_boxes(clips: list[list[list[Box]]], frames: int, height: int, width: int) -> Tensor:
    """Share of the clips that have a box on a voxel.

    Args:
        clips: (x0, y0, x1, y1) of each frame of each clip, pixels; a pixel belongs to a box that holds its centre.
        frames: of each clip.

    Returns:
        [T, H, W] in [0, 1]; 0 everywhere if there are no clips.
    """
    total = torch.zeros(frames, height, width)
    for clip in clips:
        total += _union(clip, total.shape)
    return total / max(len(clips), 1)


def _union(clip: list[list[Box]], shape: torch.Size) -> Tensor:
    """1 on the voxels that any box covers, 0 elsewhere."""
    inside = torch.zeros(shape)
    for frame, boxes in zip(inside, clip, strict=True):
        for x0, y0, x1, y1 in boxes:
            frame[_first(y0) : _first(y1), _first(x0) : _first(x1)] = 1
    return inside


def _first(edge: float) -> int:
    """The first pixel whose centre does not lie before an edge."""
    return max(ceil(edge - 0.5), 0)
