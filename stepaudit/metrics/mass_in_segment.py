"""Mass in segment: share of the map in the action's frames; a uniform map has their share of all frames."""

from torch import Tensor

from stepaudit.errors import NoPeakError
from stepaudit.metrics._annotation import frames_of

is_share = True


def score(importance: Tensor, in_action: list[bool] | None) -> float:
    """Share of the map's mass that lies in the frames of the action.

    Args:
        importance: [T, H, W], not negative.
        in_action: whether each frame lies in the annotated action.

    Raises:
        NoAnnotationError: no action is annotated, or it covers no frame or all.
        NoPeakError: the map is 0.
    """
    chosen, mass = frames_of(in_action), importance.double().sum(dim=(1, 2))
    inside, outside = mass[chosen].sum(), mass[~chosen].sum()
    if inside + outside <= 0:
        raise NoPeakError("the map is 0 everywhere")
    return (inside / (inside + outside)).item()
