"""The spatial pointing game as the paper's authors released it, to compare with published numbers and for nothing else.

It differs from `spatial_pointing` in four ways: x and y of the peak are swapped, a frame without a box is a miss, the
tolerance is a square, and of equal peaks the first counts. A pointer that is always right does not reach 100 %.
"""

from torch import Tensor

from stepaudit.layers import Box
from stepaudit.metrics._peak import require_peak

ranges = {"tolerance_px": (0, 1_000)}
is_share = True


def score(importance: Tensor, boxes: list[list[Box]], *, tolerance_px: float = 7.0) -> list[float]:
    """Hit of every frame under the released evaluation of Li et al. 2021: 1 or 0, and 0 without a box.

    Args:
        importance: [T, H, W].
        boxes: (x0, y0, x1, y1) of each frame, pixels.
        tolerance_px: half the side of the square; the release takes 7 for R(2+1)D and 15 for VGG16LSTM.

    Returns:
        T values. The release averages them over the frames of each class, then over the classes.

    Raises:
        NoPeakError: the map is constant over the whole clip.
    """
    require_peak(importance)
    return [
        float(_hits(_swapped_peak(frame), frame_boxes, tolerance_px))
        for frame, frame_boxes in zip(importance, boxes, strict=True)
    ]


def _swapped_peak(frame: Tensor) -> tuple[float, float]:
    """Row and column of the first greatest pixel's centre; the release uses them as x and y."""
    row, column = divmod(int(frame.argmax()), frame.shape[1])
    return row + 0.5, column + 0.5


def _hits(point: tuple[float, float], boxes: list[Box], tolerance_px: float) -> bool:
    """True if a square around the point, edges included, meets a box."""
    x, y = point
    return any(
        x0 - tolerance_px <= x <= x1 + tolerance_px and y0 - tolerance_px <= y <= y1 + tolerance_px
        for x0, y0, x1, y1 in boxes
    )
