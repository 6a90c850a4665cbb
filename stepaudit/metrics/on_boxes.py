"""On boxes: share of the whole map, in space and time, on the boxes, and the same for its peak."""

import torch
from torch import Tensor

from stepaudit.errors import NoAnnotationError
from stepaudit.layers import Box, covered, gaussian_blur
from stepaudit.metrics._peak import require_peak, share, tied

ranges = {"smoothing_px": (0, 1_000)}


def score(importance: Tensor, boxes: list[list[Box]], *, smoothing_px: float = 1.0) -> dict[str, float]:
    """Share of the map's mass in all frames that lies on the boxes, and share of its greatest voxels that does.

    `mass_in_box` asks the annotated frames alone. A map that leaves them empty has no value there and 0 here: with
    `annotation: other`, this is how often a map raises a false alarm on what carries no information.

    Args:
        importance: [T, H, W], not negative.
        boxes: (x0, y0, x1, y1) of each frame, pixels; a pixel belongs to a box that holds its centre.
        smoothing_px: σ of the Gaussian in each frame after which the peak is taken; remaining ties are shared.

    Returns:
        `mass` and `peak`.

    Raises:
        NoAnnotationError: no frame has a box.
        NoPeakError: the map has the same value everywhere.
    """
    if not any(boxes):
        raise NoAnnotationError("no frame has a box")
    require_peak(importance)
    inside = torch.stack([covered(frame_boxes, importance.shape[1:]) for frame_boxes in boxes])
    mass = importance.double()
    peak = share(inside, tied(gaussian_blur(importance, smoothing_px)))
    return {"mass": ((mass * inside).sum() / mass.sum()).item(), "peak": peak}
