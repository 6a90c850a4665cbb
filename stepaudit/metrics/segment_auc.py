"""Rank accuracy of segments: probability that a frame of the action outranks one outside it; chance is 0.5."""

from torch import Tensor

from stepaudit.metrics._annotation import frames_of
from stepaudit.metrics._rank import accuracy

is_share = True


def score(importance: Tensor, in_action: list[bool] | None) -> float:
    """Probability that a random frame of the action has a greater mass than a random frame outside it.

    Equal masses count one half, so that a map that does not change over time gives 0.5.

    Args:
        importance: [T, H, W]; a frame's mass is the sum over its pixels.
        in_action: whether each frame lies in the annotated action.

    Raises:
        NoAnnotationError: no action is annotated, or it covers no frame or all.
    """
    return accuracy(importance.double().sum(dim=(1, 2)), frames_of(in_action))
