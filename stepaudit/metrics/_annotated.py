"""Voxels that the annotation marks, and voxels that it covers at all."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stepaudit.metrics._boxes import Box, covered


def annotated(boxes: list[list[Box]], in_action: list[bool] | None, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Voxels inside the annotation, and voxels with any annotation: others are neither in nor out.

    Frames outside the action count and are not marked. In the others boxes are marked, where there are any; a clip with
    an action but no box is marked in all frames of the action.

    Args:
        boxes: (x0, y0, x1, y1) of each frame, pixels.
        in_action: of each frame; None if no action is annotated.
        shape: (T, H, W).

    Returns:
        Two [T, H, W], bool.
    """
    action = torch.tensor(in_action if in_action is not None else [True] * shape[0])
    boxed = torch.tensor([bool(of_frame) for of_frame in boxes])
    inside = torch.stack([covered(of_frame, shape[1:]) for of_frame in boxes])
    if not boxed.any():
        inside, boxed = torch.ones(shape, dtype=torch.bool), torch.full_like(boxed, in_action is not None)
    marked = inside & (action & boxed)[:, None, None]
    return marked, (boxed | ~action)[:, None, None].expand(shape)
