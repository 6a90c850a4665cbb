"""Temporal pointing game: does the map's greatest frame lie in the action? Li et al. 2021, section 4.1.2."""

from typing import Literal

from torch import Tensor

from stepaudit.errors import NotApplicableError
from stepaudit.metrics._annotation import frames_of
from stepaudit.metrics._peak import require_peak, share, tied

is_share = True


def score(importance: Tensor, in_action: list[bool] | None, steps: int, *, by: Literal["sum", "max"] = "sum") -> float:
    """1 if the frame of the highest importance lies in the action, 0 if not; between 0 and 1 if frames tie.

    Args:
        importance: [T, H, W].
        in_action: whether each frame lies in the annotated action.
        steps: temporal steps of the method's own map.
        by: a frame's importance is the `sum` over its pixels (the release) or the `max` (the paper's words), which ties
            in every frame that an extremal mask keeps a part of.

    Raises:
        NoAnnotationError: no action is annotated, or it covers no frame or all, so that nothing can be missed.
        NotApplicableError: the method's own map has less than one step for two frames.
        NoPeakError: the map is constant.
    """
    frames, inside = len(importance), frames_of(in_action)
    if 2 * steps < frames:
        raise NotApplicableError(f"the method's own map has {steps} temporal steps for {frames} frames")
    require_peak(importance)
    values = importance.flatten(1)
    of_frame = values.sum(dim=1) if by == "sum" else values.amax(dim=1)
    return share(inside, tied(of_frame))
