"""Spatial pointing game: does the map's peak in a frame fall on the object? Li et al. 2021, section 4.1.2."""

from torch import Tensor

from stepaudit.errors import AuditError, NoAnnotationError, NoPeakError
from stepaudit.layers import gaussian_blur
from stepaudit.metrics._boxes import Box, meets
from stepaudit.metrics._peak import is_constant, share, tied

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
    if is_constant(importance):
        raise NoPeakError("the map has the same value everywhere")
    smooth = gaussian_blur(importance, smoothing_px)
    return [
        share(meets(frame_boxes, frame.shape, tolerance_px), tied(frame))
        if frame_boxes
        else NoAnnotationError("no box")
        for frame, frame_boxes in zip(smooth, boxes, strict=True)
    ]
