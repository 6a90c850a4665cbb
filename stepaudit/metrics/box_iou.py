"""Box IoU: overlap of the boxes with a frame's most important pixels, as many as the boxes hold."""

import torch
from torch import Tensor

from stepaudit.errors import AuditError, NoAnnotationError
from stepaudit.layers import Box, covered
from stepaudit.metrics._annotation import per_frame

is_share = True


def score(importance: Tensor, boxes: list[list[Box]]) -> list[float | AuditError]:
    """Intersection over union of the boxes of a frame with the equally many most important pixels of the frame.

    Where only some of the pixels that tie at the threshold are needed, it is the mean over all choices of that many of
    them: their number inside the boxes is then hypergeometric. A constant frame gives the mean of a random choice.

    Args:
        importance: [T, H, W].
        boxes: (x0, y0, x1, y1) of each frame, pixels; a pixel belongs to a box that holds its centre.

    Returns:
        T values; a NoAnnotationError where a frame has no box, or its boxes hold no pixel.
    """
    return per_frame(importance, boxes, _frame_iou)


def _frame_iou(frame: Tensor, boxes: list[Box]) -> float | AuditError:
    """IoU of a frame [H, W], the mean over all choices among tied pixels; an error if the boxes hold no pixel."""
    inside = covered(boxes, frame.shape)
    size = int(inside.sum())
    if size == 0:
        return NoAnnotationError("the boxes hold no pixel's centre")
    threshold = frame.flatten().topk(size).values[-1]
    above, tied = frame > threshold, frame == threshold
    counts = (int((tied & inside).sum()), int((tied & ~inside).sum()), size - int(above.sum()))
    hits, probabilities = _hypergeometric(*counts)
    shared = int((above & inside).sum()) + hits
    return (probabilities * (shared / (2 * size - shared))).sum().item()


def _hypergeometric(good: int, bad: int, draws: int) -> tuple[Tensor, Tensor]:
    """Possible numbers of good pixels among `draws` from good and bad ones, and their probabilities."""
    hits = torch.arange(max(0, draws - bad), min(draws, good) + 1, dtype=torch.float64)
    return hits, torch.softmax(_log_choices(good, hits) + _log_choices(bad, draws - hits), dim=0)


def _log_choices(size: int, chosen: Tensor) -> Tensor:
    """Logarithm of the binomial coefficient size over chosen, without the term log(size!)."""
    return -torch.lgamma(chosen + 1) - torch.lgamma(size - chosen + 1)
