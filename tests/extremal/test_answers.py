"""Brackets of given masks, worked out by hand."""

import math

import pytest
import torch

from stepaudit.extremal.answers import LEVELS, Answer, Control, Mask
from stepaudit.extremal.sweep import Snapshot


def mask(volume, share, with_more=1.0):
    return Mask(Snapshot(torch.zeros(1, 1, 1), volume), volume, 0.9, share, with_more)


def answer(*masks, probability=0.8, reference=0.8, asks=("blur",)):
    return Answer(probability, reference, {"blur": 0.1}, list(asks), list(masks))


def test_a_level_lies_between_the_greatest_mask_that_fails_and_the_smallest_that_keeps_it():
    found = answer(mask(0.3, 0.95), mask(0.1, 0.7), mask(0.06, 0.4), mask(0.02, 0.1))
    assert (found.lower(0.5), found.upper(0.5)) == (0.06, 0.1)
    assert (found.lower(0.9), found.upper(0.9)) == (0.1, 0.3)


def test_a_larger_mask_that_fails_does_not_raise_the_lower_end():
    found = answer(mask(0.3, 0.4), mask(0.1, 0.7), mask(0.06, 0.4))
    assert (found.lower(0.5), found.upper(0.5)) == (0.06, 0.1)


def test_a_mask_that_loses_the_answer_when_more_is_shown_does_not_count():
    """0.39 is more than 0.1 below the level of 0.5; 0.41 is not."""
    assert answer(mask(0.3, 0.9), mask(0.05, 0.9, with_more=0.39)).upper(0.5) == 0.3
    assert answer(mask(0.3, 0.9), mask(0.05, 0.9, with_more=0.41)).upper(0.5) == 0.05


def test_a_mask_that_was_not_asked_with_more_neither_keeps_nor_fails():
    """0.05 may be enough: it is no upper end, and no lower one."""
    found = answer(mask(0.3, 0.9), mask(0.05, 0.9, with_more=None), mask(0.02, 0.1))
    assert (found.lower(0.5), found.upper(0.5), found.candidate(0.5).volume) == (0.02, 0.3, 0.05)


def test_a_run_goes_on_until_a_mask_below_the_candidate_fails():
    unasked = mask(0.05, 0.9, with_more=None)
    assert answer(mask(0.3, 0.2), unasked).is_open_below(0.5)  # the failing one is larger
    assert not answer(mask(0.02, 0.2), unasked).is_open_below(0.5)


def test_a_level_that_no_mask_keeps_needs_the_whole_clip_of_its_own_class_and_is_open_for_another():
    assert answer(mask(0.6, 0.4)).upper(0.5) == 1.0
    assert answer(mask(0.6, 0.4), probability=0.2).upper(0.5) is None


def test_a_clip_of_which_no_fill_asks_anything_needs_nothing():
    found = answer(asks=())
    assert (found.vacuous, found.upper(0.9), found.log2_area) == (True, 0.0, None)


def test_the_area_is_the_mean_of_log_2_over_the_levels():
    """Seven levels: 0.3 and 0.4 are kept by an eighth of the clip, 0.5 to 0.8 by a quarter, 0.9 by the whole alone."""
    found = answer(mask(0.125, 0.45), mask(0.25, 0.85))
    assert len(LEVELS) == 7
    assert found.log2_area == pytest.approx((2 * -3 + 4 * -2 + 0) / 7)
    assert found.log2_area_lower is None  # nothing below an eighth was tried


def test_the_lower_area_takes_the_masks_that_fail():
    """0.01 fails everywhere; 0.125 fails from 0.5 on."""
    found = answer(mask(0.01, 0.2), mask(0.125, 0.45), mask(0.25, 0.95))
    assert found.log2_area_lower == pytest.approx((2 * math.log2(0.01) + 5 * -3) / 7)


def test_the_curve_is_in_order_of_volume():
    assert answer(mask(0.3, 0.9), mask(0.1, 0.5)).curve() == [(0.1, 0.5), (0.3, 0.9)]


def test_random_masks_keep_a_level_from_where_all_larger_ones_do():
    """0.1 keeps 0.6 by chance and 0.2 does not: the level of 0.5 is kept from 0.4 on."""
    control = Control([0.1, 0.2, 0.4, 0.8], [0.6, 0.3, 0.7, 0.8])
    assert (control.upper(0.5), control.upper(0.9)) == (0.4, 1.0)
    levels = [math.log2(value) for value in (0.1, 0.4, 0.4, 0.4, 0.4, 0.8, 1.0)]  # 0.3, 0.4 … 0.7, 0.8, 0.9
    assert control.log2_area == pytest.approx(sum(levels) / 7)
