"""Box share: share of the annotated frames that the object covers, the `mass_in_box` of a uniform map."""

import torch
from torch import Tensor

from stepaudit.errors import NoAnnotationError
from stepaudit.layers import Box, covered

ignores_map = True
is_share = True


def score(importance: Tensor, boxes: list[list[Box]]) -> float:
    """Share of the pixels of the annotated frames that lie inside the boxes.

    Args:
        importance: [T, H, W]; its values do not matter.
        boxes: (x0, y0, x1, y1) of each frame, pixels; a pixel belongs to a box that holds its centre.

    Raises:
        NoAnnotationError: no frame has a box.
    """
    annotated = [frame_boxes for frame_boxes in boxes if frame_boxes]
    if not annotated:
        raise NoAnnotationError("no frame has a box")
    return torch.stack([covered(frame_boxes, importance.shape[1:]) for frame_boxes in annotated]).float().mean().item()
