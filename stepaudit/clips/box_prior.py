"""Mean position of the boxes of many clips: the map of a pointer that knows the annotation, but no clip."""

from math import ceil

import torch
from torch import Tensor

from stepaudit.clips.geometry import Box


def mean_boxes(clips: list[list[list[Box]]], frames: int, height: int, width: int) -> Tensor:
    """Share of the clips with a box on each voxel.

    Args:
        clips: boxes of each frame of each clip, pixels; a pixel belongs to a box that contains its centre.
        frames: of each clip.

    Returns:
        [T, H, W] in [0, 1]; 0 everywhere if there are no clips.
    """
    total = torch.zeros(frames, height, width)
    for clip in clips:
        total += _union(clip, total.shape)
    return total / max(len(clips), 1)


def _union(clip: list[list[Box]], shape: torch.Size) -> Tensor:
    """1 on the voxels inside any box, 0 elsewhere."""
    inside = torch.zeros(shape)
    for frame, boxes in zip(inside, clip, strict=True):
        for x0, y0, x1, y1 in boxes:
            frame[_first(y0) : _first(y1), _first(x0) : _first(x1)] = 1
    return inside


def _first(edge: float) -> int:
    """First pixel with its centre at or after an edge."""
    return max(ceil(edge - 0.5), 0)
