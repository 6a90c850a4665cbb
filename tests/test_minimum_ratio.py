"""The minimum preservation ratio of one clip, against curves whose threshold we know."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepaudit.extremal.minimum_ratio import (
    Evaluation,
    Minimum,
    keeps_first_place,
    keeps_probability,
    minimum,
    next_ratio,
)

GRID = [0.02, 0.05, 0.1, 0.2, 0.4, 0.7]
BOUND = keeps_probability(0.5)


def search(
    curve: Callable[[float], float],
    grid: Sequence[float] = GRID,
    tolerance: float = 0.02,
    volume: Callable[[float], float] = lambda ratio: ratio,
) -> tuple[Minimum, list[float]]:
    """Runs the search on a curve of kept probability against ratio. Returns what it finds and the ratios it tried."""
    masks: list[Evaluation] = []
    while (ratio := next_ratio(masks, BOUND, grid, tolerance)) is not None:
        masks.append(Evaluation(ratio, volume(ratio), curve(ratio), 1))
        assert len(masks) < 100
    return minimum(masks, BOUND), [mask.ratio for mask in masks]


def step_at(threshold: float) -> Callable[[float], float]:
    """A probability that jumps to 1 at a ratio."""
    return lambda ratio: float(ratio >= threshold)


def test_a_threshold_between_two_ratios_is_bisected():
    """Between 0.1 and 0.2: 0.15 suffices, 0.125 fails, and 0.15 − 0.125 is at most 0.03."""
    found, tried = search(step_at(0.14), tolerance=0.03)
    assert tried == pytest.approx([0.02, 0.05, 0.1, 0.2, 0.15, 0.125])
    assert (found.ratio, found.lower, found.upper, found.censored) == pytest.approx((0.15, 0.125, 0.15, None))


def test_nothing_is_tried_beyond_the_first_ratio_that_suffices():
    assert max(search(step_at(0.14))[1]) == 0.2


def test_a_clip_that_the_smallest_ratio_preserves_is_left_censored():
    found, tried = search(step_at(0.01))
    assert tried == [0.02]
    assert found == Minimum(ratio=0.02, lower=0.0, upper=0.02, censored="left", kept_probability=1.0)


def test_a_clip_that_no_ratio_preserves_is_right_censored():
    found, tried = search(step_at(0.9))
    assert tried == GRID
    assert found == Minimum(ratio=None, lower=0.7, upper=None, censored="right", kept_probability=None)


def test_the_smallest_sufficient_ratio_counts_where_the_curve_is_not_monotone():
    """0.1 suffices, 0.2 does not any more: a* is the least sufficient one, and the search never looks above it."""
    curve = {0.02: 0.1, 0.05: 0.2, 0.1: 0.9, 0.075: 0.6, 0.0625: 0.7}
    found, tried = search(lambda ratio: curve[round(ratio, 4)], tolerance=0.02)
    assert tried == pytest.approx([0.02, 0.05, 0.1, 0.075, 0.0625])
    assert (found.ratio, found.lower, found.kept_probability) == pytest.approx((0.0625, 0.05, 0.7))


def test_the_bracket_is_that_of_the_volumes_that_the_model_saw():
    """Masks that come out a tenth larger than asked for."""
    found, _ = search(step_at(0.14), tolerance=0.03, volume=lambda ratio: 1.1 * ratio)
    assert (found.ratio, found.lower, found.upper) == pytest.approx((0.165, 0.1375, 0.165))
    assert search(step_at(0.9), volume=lambda ratio: 1.1 * ratio)[0].lower == pytest.approx(0.77)


def test_the_smallest_volume_counts_where_volumes_are_not_in_the_order_of_ratios():
    masks = [Evaluation(0.1, 0.10, 0.1, 1), Evaluation(0.2, 0.22, 0.9, 1), Evaluation(0.15, 0.23, 0.8, 1)]
    found = minimum(masks, BOUND)
    assert (found.ratio, found.lower, found.kept_probability) == (0.22, 0.10, 0.9)


def test_a_failing_mask_that_is_larger_than_a_sufficient_one_bounds_nothing():
    masks = [Evaluation(0.1, 0.24, 0.1, 1), Evaluation(0.2, 0.22, 0.9, 1)]
    assert minimum(masks, BOUND) == Minimum(0.22, 0.0, 0.22, "left", 0.9)


def test_a_probability_that_falls_short_by_rounding_is_kept():
    assert keeps_probability(0.3)(Evaluation(0.1, 0.1, 0.3 * (1 - 5e-7), 1))
    assert not keeps_probability(0.3)(Evaluation(0.1, 0.1, 0.2999, 1))


def test_the_first_place_is_kept_or_not():
    assert keeps_first_place(Evaluation(0.1, 0.1, 0.2, 1))
    assert not keeps_first_place(Evaluation(0.1, 0.1, 0.4, 2))


def test_a_second_bound_goes_on_from_the_masks_of_the_first():
    """Masks are shared: what one bound has tried, the other does not ask for again."""
    masks = [Evaluation(0.02, 0.02, 0.1, 2), Evaluation(0.05, 0.05, 0.9, 2), Evaluation(0.035, 0.035, 0.2, 2)]
    assert next_ratio(masks, BOUND, GRID, 0.02) is None
    assert next_ratio(masks, keeps_first_place, GRID, 0.02) == 0.1


grids = st.lists(st.integers(1, 99), min_size=1, max_size=8, unique=True).map(lambda g: [n / 100 for n in sorted(g)])


@given(grids, st.floats(0.001, 1.2), st.floats(0.004, 0.3))
def test_a_steps_threshold_lies_in_the_bracket_and_the_search_is_short(grid, threshold, tolerance):
    found, tried = search(step_at(threshold), grid, tolerance)
    assert len(set(tried)) == len(tried)
    widest = max((high - low for low, high in pairwise(grid)), default=0.0)
    halvings = max(0, math.ceil(math.log2(widest / tolerance))) if widest else 0
    assert len(tried) <= len(grid) + halvings
    if found.censored == "right":
        assert threshold > grid[-1] == found.lower
        assert (found.ratio, found.upper) == (None, None)
    elif found.censored == "left":
        assert threshold <= grid[0] == found.upper == found.ratio
        assert found.lower == 0
    else:
        assert found.lower < threshold <= found.upper == found.ratio
        assert found.upper - found.lower <= tolerance


@given(grids, st.lists(st.floats(0, 1), min_size=120, max_size=120), st.floats(0.01, 0.3))
def test_on_any_curve_the_answer_is_a_mask_that_suffices_just_above_one_that_does_not(grid, values, tolerance):
    def curve(ratio):
        return values[int(ratio * 100)]

    found, tried = search(curve, grid, tolerance)
    sufficient = [ratio for ratio in tried if curve(ratio) >= 0.5 * (1 - 1e-6)]
    if found.censored == "right":
        assert sufficient == []
        assert tried == grid
    else:
        assert found.ratio == min(sufficient)
        below = [ratio for ratio in tried if ratio < found.ratio]
        assert found.lower == max(below, default=0.0)
        assert (found.censored == "left") == (below == [])
        assert found.censored == "left" or found.upper - found.lower <= tolerance
