"""Mass in segment, worked out by hand."""

import math

import pytest
import torch

from stepaudit.errors import NoAnnotationError, NoPeakError
from stepaudit.metrics import mass_in_segment

EARLY = [True, True, False, False]


def test_it_is_the_actions_part_of_the_sum():
    importance = torch.arange(8.0).view(4, 1, 2)  # 0 1 / 2 3 / 4 5 / 6 7, in all 28
    assert mass_in_segment.score(importance, EARLY) == 6 / 28
    assert mass_in_segment.score(importance, [False, True, False, True]) == 18 / 28
    assert mass_in_segment.score(importance, [True, False, False, False]) == 1 / 28


def test_a_uniform_map_has_the_actions_share_of_the_frames():
    importance = torch.full((16, 7, 9), 0.1)
    for frames in range(1, 16):
        share = mass_in_segment.score(importance, [True] * frames + [False] * (16 - frames))
        assert share == pytest.approx(frames / 16, abs=1e-15)


def test_all_and_nothing():
    importance = torch.zeros(4, 3, 5)
    importance[1] = torch.rand(3, 5)
    assert mass_in_segment.score(importance, EARLY) == 1
    assert mass_in_segment.score(importance, [True, False, False, True]) == 0


def test_sums_are_those_of_exact_arithmetic():
    """At full size: float32 sums of 200 704 pixels would be off by far more."""
    importance = torch.rand(16, 112, 112, generator=torch.Generator().manual_seed(0))
    frames = [math.fsum(frame.flatten().tolist()) for frame in importance]
    expected = math.fsum(frames[3:9]) / math.fsum(frames)
    in_action = [3 <= frame < 9 for frame in range(16)]
    assert mass_in_segment.score(importance, in_action) == pytest.approx(expected, rel=1e-14)


def test_action_and_background_add_up_to_one_and_scale_and_the_order_of_time_change_nothing():
    importance = torch.rand(4, 3, 5)
    share = mass_in_segment.score(importance, EARLY)
    assert share + mass_in_segment.score(importance, EARLY[::-1]) == pytest.approx(1, abs=1e-15)
    assert mass_in_segment.score(0.25 * importance, EARLY) == share
    assert mass_in_segment.score(importance.flip(0), EARLY[::-1]) == pytest.approx(share, abs=1e-15)


def test_a_map_without_mass_has_none_to_share():
    with pytest.raises(NoPeakError, match="0 everywhere"):
        mass_in_segment.score(torch.zeros(4, 2, 2), EARLY)


@pytest.mark.parametrize(
    ("in_action", "reason"),
    [
        (None, "no action is annotated"),
        ([False] * 4, "the action covers 0 of 4 frames"),
        ([True] * 4, "the action covers 4 of 4 frames"),
    ],
)
def test_an_action_that_no_map_can_miss_or_hit_is_no_question(in_action, reason):
    with pytest.raises(NoAnnotationError, match=reason):
        mass_in_segment.score(torch.rand(4, 2, 2), in_action)
