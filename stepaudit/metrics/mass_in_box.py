"""Mass in box: share of the map on the object. Read it beside `box_share`."""

import torch
from torch import Tensor

from stepaudit.errors import NoAnnotationError, NoPeakError
from stepaudit.layers import Box, covered

is_share = True


def score(importance: Tensor, boxes: list[list[Box]]) -> float:
    """Share of the map's mass in the annotated frames that lies inside the boxes.

    Args:
        importance: [T, H, W], not negative.
        boxes: (x0, y0, x1, y1) of each frame, pixels; a pixel belongs to a box that holds its centre.

    Raises:
        NoAnnotationError: no frame has a box.
        NoPeakError: the map is 0 in all annotated frames.
    """
    annotated = [index for index, frame_boxes in enumerate(boxes) if frame_boxes]
    if not annotated:
        raise NoAnnotationError("no frame has a box")
    inside = torch.stack([covered(boxes[index], importance.shape[1:]) for index in annotated])
    mass = importance[annotated]
    if mass.sum() <= 0:
        raise NoPeakError("the map is 0 in all annotated frames")
    return (mass * inside).sum().item() / mass.sum().item()
