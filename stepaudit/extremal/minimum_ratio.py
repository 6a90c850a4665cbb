"""The paper's minimum preservation ratio of one clip: ascend a grid, or descend below it, then bisect. Eq. 3."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MIN_RATIO = 0.0025  # about one seed in one frame: no mask of the extremal family is smaller


@dataclass(frozen=True)
class Evaluation:
    """One optimised mask.

    Args:
        ratio: requested.
        volume: reached by the mask that the model saw.
        kept_probability: of the target under the mask.
        kept_rank: of the target under the mask; 1 is the most probable class.
        full_probability: of the target under the full mask.
    """

    ratio: float
    volume: float
    kept_probability: float
    kept_rank: int
    full_probability: float


@dataclass(frozen=True)
class Minimum:
    """a* with its bracket: columns of the table `preservation`."""

    ratio: float | None
    lower: float
    upper: float | None
    censored: str | None
    kept_probability: float | None


Bound = Callable[[Evaluation], bool]


def keeps_probability(share: float) -> Bound:
    """Satisfied by a mask that keeps at least this share of what the full mask keeps; rounding of 1e-6 is forgiven.

    Unlike the paper, which asks for the probability of the clip itself: even the full mask, whose mean is 0.986, fails
    that on most clips.
    """
    return lambda mask: mask.kept_probability >= share * mask.full_probability * (1 - 1e-6)


def keeps_first_place(mask: Evaluation) -> bool:
    """Satisfied by a mask that keeps the target the most probable class."""
    return mask.kept_rank == 1


def next_ratio(masks: Sequence[Evaluation], bound: Bound, grid: Sequence[float], tolerance: float) -> float | None:
    """The ratio to try next, or None when the search has ended.

    The grid is ascended until a mask satisfies the bound. If that of its first ratio does, smaller ratios are tried,
    each half of the one before, until a mask fails. Then the bracket between the largest failing and the smallest
    satisfying ratio is bisected at its geometric mean.

    Args:
        masks: evaluated so far.
        bound: whether a mask is enough.
        grid: ratios, ascending.
        tolerance: the bracket is narrow enough if its upper end is at most 1 + tolerance times its lower end.
    """
    failed, satisfied = _bracket(masks, bound)
    if satisfied is None:
        return next((ratio for ratio in grid if ratio > failed), None)
    if failed == 0.0:
        return max(MIN_RATIO, satisfied / 2) if satisfied > MIN_RATIO else None
    return None if satisfied <= (1 + tolerance) * failed else math.sqrt(failed * satisfied)


def _bracket(masks: Sequence[Evaluation], bound: Bound) -> tuple[float, float | None]:
    """The largest failing ratio below the smallest satisfying one, and that one. 0 and None if there is none."""
    satisfied = min((mask.ratio for mask in masks if bound(mask)), default=None)
    below = [mask.ratio for mask in masks if not bound(mask) and (satisfied is None or mask.ratio < satisfied)]
    return max(below, default=0.0), satisfied


def minimum(masks: Sequence[Evaluation], bound: Bound) -> Minimum:
    """a* = min {volume of a mask that satisfies the bound}, with the largest smaller volume that fails.

    Unlike the paper, whose grids differ by model and whose ratios are nominal, ratios are the volumes of the masks
    that the model saw, and clips without a bracket are censored: 'right' if no mask suffices (a* is above `lower`),
    'left' if no mask of a smaller volume fails (a* is at most `upper`).
    """
    enough = [mask for mask in masks if bound(mask)]
    if not enough:
        return Minimum(None, max(mask.volume for mask in masks), None, "right", None)
    smallest = min(enough, key=lambda mask: mask.volume)
    failing = [mask.volume for mask in masks if not bound(mask) and mask.volume < smallest.volume]
    censored = None if failing else "left"
    return Minimum(smallest.volume, max(failing, default=0.0), smallest.volume, censored, smallest.kept_probability)
