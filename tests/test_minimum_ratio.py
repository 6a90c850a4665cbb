"""The minimum preservation ratio of one clip, against curves whose threshold we know."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepaudit.extremal.minimum_ratio import (
    MIN_RATIO,
    Evaluation,
    Minimum,
    keeps_first_place,
    keeps_probability,
    minimum,
    next_ratio,
)

GRID = [0.02, 0.05, 0.1, 0.2, 0.4, 0.7]
BOUND = keeps_probability(0.5)


def mask(ratio: float, volume: float, kept: float, rank: int = 1, full: float = 1.0) -> Evaluation:
    """A mask of a clip of which the full mask keeps `full`."""
    return Evaluation(ratio, volume, kept, rank, full)


def search(
    curve: Callable[[float], float],
    grid: Sequence[float] = GRID,
    tolerance: float = 0.25,
    volume: Callable[[float], float] = lambda ratio: ratio,
) -> tuple[Minimum, list[float]]:
    """Runs the search on a curve of kept probability against ratio. Returns what it finds and the ratios it tried."""
    masks: list[Evaluation] = []
    while (ratio := next_ratio(masks, BOUND, grid, tolerance)) is not None:
        masks.append(mask(ratio, volume(ratio), curve(ratio)))
        assert len(masks) < 100
    return minimum(masks, BOUND), [each.ratio for each in masks]


def step_at(threshold: float) -> Callable[[float], float]:
    """A probability that jumps to 1 at a ratio."""
    return lambda ratio: float(ratio >= threshold)


def test_a_threshold_between_two_ratios_is_bisected_on_a_log_scale():
    """Between 0.1 and 0.2: √0.02 = 0.1414 suffices, √(0.1 · 0.1414) = 0.1189 fails, and their ratio is 1.19."""
    found, tried = search(step_at(0.14))
    assert tried == pytest.approx([0.02, 0.05, 0.1, 0.2, 0.02**0.5, 0.1 * 2**0.25])
    assert (found.ratio, found.lower, found.upper) == pytest.approx((0.02**0.5, 0.1 * 2**0.25, 0.02**0.5))
    assert found.censored is None


def test_nothing_is_tried_beyond_the_first_ratio_that_suffices():
    assert max(search(step_at(0.14))[1]) == 0.2


def test_below_the_grid_smaller_ratios_are_tried_until_one_fails():
    """0.02 and 0.01 suffice, 0.005 fails; then √(0.005 · 0.01) = 0.0071 fails, and 0.0084 suffices."""
    found, tried = search(step_at(0.008))
    assert tried == pytest.approx([0.02, 0.01, 0.005, 0.00707107, 0.00840896], abs=1e-7)
    assert (found.ratio, found.lower, found.censored) == pytest.approx((0.00840896, 0.00707107, None))


def test_a_clip_that_the_smallest_mask_of_all_preserves_is_left_censored():
    found, tried = search(lambda ratio: 1.0)
    assert tried == [0.02, 0.01, 0.005, MIN_RATIO]
    assert found == Minimum(MIN_RATIO, 0.0, MIN_RATIO, "left", 1.0)


def test_a_clip_that_no_ratio_preserves_is_right_censored():
    found, tried = search(step_at(0.9))
    assert tried == GRID
    assert found == Minimum(ratio=None, lower=0.7, upper=None, censored="right", kept_probability=None)


def test_the_smallest_sufficient_ratio_counts_where_the_curve_is_not_monotone():
    """0.1 suffices, 0.2 does not any more: a* is the least sufficient one, and the search never looks above it."""
    curve = {0.02: 0.1, 0.05: 0.2, 0.1: 0.9, 0.0707: 0.6, 0.0595: 0.7}
    found, tried = search(lambda ratio: curve[round(ratio, 4)])
    assert tried == pytest.approx([0.02, 0.05, 0.1, 0.0707, 0.0595], abs=1e-4)
    assert (found.ratio, found.lower, found.kept_probability) == pytest.approx((0.0595, 0.05, 0.7), abs=1e-4)


def test_the_bracket_is_that_of_the_volumes_that_the_model_saw():
    """Masks that come out a tenth larger than asked for."""
    found, _ = search(step_at(0.14), volume=lambda ratio: 1.1 * ratio)
    assert (found.ratio, found.lower, found.upper) == pytest.approx((0.15556, 0.13081, 0.15556), abs=1e-4)
    assert search(step_at(0.9), volume=lambda ratio: 1.1 * ratio)[0].lower == pytest.approx(0.77)


def test_the_smallest_volume_counts_where_volumes_are_not_in_the_order_of_ratios():
    masks = [mask(0.1, 0.10, 0.1), mask(0.2, 0.22, 0.9), mask(0.15, 0.23, 0.8)]
    found = minimum(masks, BOUND)
    assert (found.ratio, found.lower, found.kept_probability) == (0.22, 0.10, 0.9)


def test_a_failing_mask_that_is_larger_than_a_sufficient_one_bounds_nothing():
    masks = [mask(0.1, 0.24, 0.1), mask(0.2, 0.22, 0.9)]
    assert minimum(masks, BOUND) == Minimum(0.22, 0.0, 0.22, "left", 0.9)


def test_a_probability_that_falls_short_by_rounding_is_kept():
    assert keeps_probability(0.3)(mask(0.1, 0.1, 0.3 * (1 - 5e-7)))
    assert not keeps_probability(0.3)(mask(0.1, 0.1, 0.2999))


def test_the_share_is_of_what_the_full_mask_keeps():
    assert keeps_probability(1.0)(mask(0.1, 0.1, 0.6, full=0.6))
    assert keeps_probability(0.5)(mask(0.1, 0.1, 0.3, full=0.6))
    assert not keeps_probability(0.5)(mask(0.1, 0.1, 0.3, full=0.7))


def test_the_first_place_is_kept_or_not():
    assert keeps_first_place(mask(0.1, 0.1, 0.2))
    assert not keeps_first_place(mask(0.1, 0.1, 0.4, 2))


def test_a_second_bound_goes_on_from_the_masks_of_the_first():
    """Masks are shared: what one bound has tried, the other does not ask for again."""
    masks = [mask(0.02, 0.02, 0.1, 2), mask(0.05, 0.05, 0.9, 2), mask(0.035, 0.035, 0.2, 2)]
    assert next_ratio(masks, BOUND, GRID, 0.5) is None
    assert next_ratio(masks, keeps_first_place, GRID, 0.5) == 0.1


grids = st.lists(st.integers(1, 99), min_size=1, max_size=8, unique=True).map(lambda g: [n / 100 for n in sorted(g)])


@given(grids, st.floats(0.001, 1.2), st.floats(0.02, 3))
def test_a_steps_threshold_lies_in_the_bracket_and_the_search_is_short(grid, threshold, tolerance):
    found, tried = search(step_at(threshold), grid, tolerance)
    assert len(set(tried)) == len(tried)
    widest = max((high / low for low, high in pairwise(grid)), default=1.0)
    below = math.ceil(math.log2(grid[0] / MIN_RATIO))
    halvings = max(0, math.ceil(math.log2(math.log(max(2.0, widest)) / math.log1p(tolerance))))
    assert len(tried) <= len(grid) + below + halvings
    if found.censored == "right":
        assert threshold > grid[-1] == found.lower
        assert (found.ratio, found.upper) == (None, None)
    elif found.censored == "left":
        assert threshold <= MIN_RATIO == found.upper == found.ratio
        assert found.lower == 0
    else:
        assert found.lower < threshold <= found.upper == found.ratio
        assert found.upper <= found.lower * (1 + tolerance)


@given(grids, st.lists(st.floats(0, 1), min_size=120, max_size=120), st.floats(0.02, 3))
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
        assert found.censored == "left" or found.upper <= found.lower * (1 + tolerance)
