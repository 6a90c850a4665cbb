"""Frames and voxels that the annotation marks."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from stepaudit.errors import AuditError, NoAnnotationError
from stepaudit.layers import Box, covered


def frames_of(in_action: list[bool] | None) -> Tensor:
    """[T], bool: true in the frames of the action, at least one and not all.

    Raises:
        NoAnnotationError: no action is annotated, or it covers no frame or all.
    """
    if in_action is None:
        raise NoAnnotationError("no action is annotated")
    if all(in_action) or not any(in_action):
        raise NoAnnotationError(f"the action covers {sum(in_action)} of {len(in_action)} frames")
    return torch.tensor(in_action)


def per_frame(
    importance: Tensor, boxes: list[list[Box]], measure: Callable[[Tensor, list[Box]], float | AuditError]
) -> list[float | AuditError]:
    """A measure of each frame [H, W] and its boxes; a NoAnnotationError where a frame has no box."""
    return [
        measure(frame, of_frame) if of_frame else NoAnnotationError("no box")
        for frame, of_frame in zip(importance, boxes, strict=True)
    ]


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
