"""The temporal pointing game, worked out by hand."""

import pytest
import torch

from stepaudit.errors import NoAnnotationError, NoPeakError, NotApplicableError
from stepaudit.metrics import temporal_pointing

EARLY = [True, True, False, False]


def frames(*values, pixels=4):
    """A map whose frames are evenly filled. [T, 2, pixels / 2]."""
    return torch.tensor(values)[:, None, None].expand(-1, 2, pixels // 2).clone()


@pytest.mark.parametrize(("values", "hit"), [((0.1, 0.9, 0.2, 0.3), 1), ((0.1, 0.2, 0.2, 0.3), 0)])
def test_the_greatest_frame_decides(values, hit):
    for by in ("sum", "max"):
        assert temporal_pointing.score(frames(*values), EARLY, 4, by=by) == hit


def test_the_sum_and_the_maximum_may_point_elsewhere():
    """One bright pixel in the action, a whole dim frame outside it."""
    importance = torch.zeros(4, 2, 2)
    importance[0, 0, 0] = 1
    importance[3] = 0.5
    assert temporal_pointing.score(importance, EARLY, 4) == temporal_pointing.score(importance, EARLY, 4, by="sum") == 0
    assert temporal_pointing.score(importance, EARLY, 4, by="max") == 1


def test_tied_frames_hit_by_their_share():
    importance = frames(0.0, 1.0, 1.0, 1.0)
    assert temporal_pointing.score(importance, EARLY, 4) == pytest.approx(1 / 3)
    importance[2] += 1e-6  # rounding does not choose
    assert temporal_pointing.score(importance, EARLY, 4) == pytest.approx(1 / 3)


def test_an_extremal_mask_ties_by_its_maximum_wherever_it_keeps_something():
    importance = torch.zeros(4, 2, 2)
    importance[1, 0], importance[2, 0, 0] = 1, 1
    assert temporal_pointing.score(importance, EARLY, 4, by="max") == 0.5
    assert temporal_pointing.score(importance, EARLY, 4, by="sum") == 1


@pytest.mark.parametrize(("in_action", "covers"), [([False] * 4, "0 of 4"), ([True] * 4, "4 of 4")])
def test_an_action_that_cannot_be_missed_or_hit_is_no_question(in_action, covers):
    with pytest.raises(NoAnnotationError, match=f"the action covers {covers} frames"):
        temporal_pointing.score(frames(0.1, 0.9, 0.2, 0.3), in_action, 4)


def test_without_an_annotated_action_there_is_no_question():
    with pytest.raises(NoAnnotationError, match="no action is annotated"):
        temporal_pointing.score(frames(0.1, 0.9, 0.2, 0.3), None, 4)


def test_a_map_of_less_than_one_step_for_two_frames_is_no_answer():
    """Grad-CAM on R(2+1)D has 2 steps for 16 frames; 8 are enough."""
    importance, in_action = torch.rand(16, 2, 2), [True] * 4 + [False] * 12
    with pytest.raises(NotApplicableError, match="7 temporal steps for 16 frames"):
        temporal_pointing.score(importance, in_action, 7)
    assert temporal_pointing.score(importance, in_action, 8) in (0, 1)


def test_a_constant_map_points_nowhere():
    with pytest.raises(NoPeakError, match="the same value everywhere"):
        temporal_pointing.score(torch.full((4, 2, 2), 0.5), EARLY, 4)


def test_frames_that_are_alike_in_a_map_that_is_not_constant_tie():
    """The floor `center`: by expectation it hits by the action's share of the clip."""
    assert temporal_pointing.score(torch.rand(1, 5, 7).expand(4, -1, -1), [True, False, False, False], 4) == 0.25


def test_reversing_time_changes_nothing():
    importance, in_action = torch.rand(6, 3, 3), [True, False, True, True, False, False]
    assert temporal_pointing.score(importance, in_action, 6) == temporal_pointing.score(
        importance.flip(0), in_action[::-1], 6
    )
