"""Rank accuracy of boxes: probability that a pixel on the object outranks one beside it; chance is 0.5."""

from torch import Tensor

from stepaudit.errors import AuditError, NoAnnotationError
from stepaudit.layers import Box, covered
from stepaudit.metrics._annotation import per_frame
from stepaudit.metrics._rank import accuracy

is_share = True


def score(importance: Tensor, boxes: list[list[Box]]) -> list[float | AuditError]:
    """Probability that a random pixel inside the boxes of a frame has a greater importance than a random one outside.

    Equal importances count one half, so that a constant frame gives 0.5. Only the order of the importances matters.

    Args:
        importance: [T, H, W].
        boxes: (x0, y0, x1, y1) of each frame, pixels; a pixel belongs to a box that holds its centre.

    Returns:
        T values; a NoAnnotationError where a frame has no box, or its boxes cover no pixel or all.
    """
    return per_frame(importance, boxes, _frame_auc)


def _frame_auc(frame: Tensor, boxes: list[Box]) -> float | AuditError:
    """AUC of a frame [H, W]; an error if all or none of its pixels lie in the boxes."""
    inside = covered(boxes, frame.shape)
    if inside.all() or not inside.any():
        return NoAnnotationError(f"the boxes cover {inside.sum()} of {inside.numel()} pixels")
    return accuracy(frame, inside)
