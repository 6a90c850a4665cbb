"""Spatial pointing game: does the map's peak in a frame fall on the object? Li et al. 2021, section 4.1.2."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stepaudit.errors import AuditError
from stepaudit.layers import Box, gaussian_blur
from stepaudit.metrics._annotation import per_frame
from stepaudit.metrics._peak import require_peak, share, tied

ranges = {"tolerance_px": (0, 1_000), "smoothing_px": (0, 1_000)}
is_share = True


def score(
    importance: Tensor, boxes: list[list[Box]], *, tolerance_px: float = 7.0, smoothing_px: float = 1.0
) -> list[float | AuditError]:
    """Hit of each annotated frame: 1 if a circle around the peak meets a box; between 0 and 1 if peaks tie.

    Args:
        importance: [T, H, W].
        boxes: (x0, y0, x1, y1) of each frame, pixels.
        tolerance_px: radius of the circle.
        smoothing_px: σ of the Gaussian after which the peak is taken; remaining ties are shared.

    Returns:
        T values; a NoAnnotationError where a frame has no box.

    Raises:
        NoPeakError: the map is constant over the whole clip.
    """
    require_peak(importance)
    smooth = gaussian_blur(importance, smoothing_px)
    return per_frame(smooth, boxes, lambda frame, near: share(_meets(near, frame.shape, tolerance_px), tied(frame)))


def _meets(boxes: list[Box], shape: Sequence[int], tolerance_px: float) -> Tensor:
    """[H, W], bool: pixels whose centre lies within the tolerance of a box."""
    ys, xs = torch.arange(shape[0])[:, None] + 0.5, torch.arange(shape[1])[None] + 0.5
    inside = torch.zeros(shape, dtype=torch.bool)
    for x0, y0, x1, y1 in boxes:
        dx, dy = (x0 - xs).clamp(min=0) + (xs - x1).clamp(min=0), (y0 - ys).clamp(min=0) + (ys - y1).clamp(min=0)
        inside |= dx**2 + dy**2 <= tolerance_px**2
    return inside
