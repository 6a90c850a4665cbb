"""Which voxels of a clip the annotation speaks of, and which it marks."""

import torch
from torch import Tensor

from stepaudit.metrics._boxes import Box, covered


def annotated(
    boxes: list[list[Box]], in_action: list[bool] | None, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor]:
    """Which voxels are marked, and which are judged at all: a voxel without annotation is neither in nor out.

    A frame outside the action is judged and not marked. In the others the boxes say it, where there are any; a clip
    with an action but no box is marked in all frames of the action.

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
