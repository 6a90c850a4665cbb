"""Rank accuracy of boxes and of segments: by hand, pair by pair, and as SciPy's Mann-Whitney statistic."""

import math
from itertools import product

import pytest
import torch
from scipy.stats import mannwhitneyu

from stepaudit.errors import NoAnnotationError
from stepaudit.metrics import box_auc, segment_auc

WIDE = (6, 20)  # height, width


def pair_by_pair(inside, outside):
    """The definition, literally."""
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(inside, outside)]
    return sum(wins) / len(wins)


def split(frame, boxes):
    """The values inside the boxes and outside them, pixel by pixel."""
    inside, outside = [], []
    for y, x in product(range(frame.shape[0]), range(frame.shape[1])):
        hit = any(x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1 for x0, y0, x1, y1 in boxes)
        (inside if hit else outside).append(frame[y, x].item())
    return inside, outside


def coarse(seed, shape=WIDE, levels=6):
    """A frame with many ties, most of them at 0, as an extremal mask has them."""
    values = torch.randint(-3, levels, shape, generator=torch.Generator().manual_seed(seed))
    return values.clamp(min=0) / levels


def on_one_frame(frame, boxes):
    (value,) = box_auc.score(frame[None], [boxes])
    return value


def test_pairs_counted_by_hand():
    frame = torch.tensor([[0.0, 0.2, 0.5, 0.2]])
    assert on_one_frame(frame, [(1, 0, 3, 1)]) == (1 + 0.5 + 1 + 1) / 4  # 0.2 beats 0 and ties 0.2; 0.5 beats both
    assert on_one_frame(frame, [(0, 0, 1, 1)]) == 0
    assert on_one_frame(frame, [(2, 0, 3, 1)]) == 1


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("boxes", [[(3, 1, 9, 4)], [(0, 0, 4, 3), (2, 1, 12.7, 5.2)], [(19, 5, 20, 6)]])
def test_boxes_by_definition_and_by_scipy(boxes, seed):
    frame = coarse(seed)
    inside, outside = split(frame, boxes)
    value = on_one_frame(frame, boxes)
    assert value == pytest.approx(pair_by_pair(inside, outside), abs=1e-15)
    statistic = mannwhitneyu(inside, outside, method="asymptotic").statistic
    assert value == pytest.approx(statistic / len(inside) / len(outside), abs=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_segments_by_definition_and_by_scipy(seed):
    generator = torch.Generator().manual_seed(seed)
    importance = torch.rand((16, *WIDE), generator=generator)
    importance[torch.randperm(16, generator=generator)[:6]] = 0  # frames that tie
    in_action = (torch.rand(16, generator=generator) < 0.4).tolist()
    masses = [math.fsum(frame.flatten().tolist()) for frame in importance]
    inside = [mass for mass, within in zip(masses, in_action, strict=True) if within]
    outside = [mass for mass, within in zip(masses, in_action, strict=True) if not within]
    value = segment_auc.score(importance, in_action)
    assert value == pytest.approx(pair_by_pair(inside, outside), abs=1e-15)
    statistic = mannwhitneyu(inside, outside, method="asymptotic").statistic
    assert value == pytest.approx(statistic / len(inside) / len(outside), abs=1e-12)


def test_frames_of_the_action_by_hand():
    importance = torch.tensor([0.3, 0.1, 0.1, 0.0])[:, None, None].expand(-1, 2, 3)
    assert segment_auc.score(importance, [True, True, False, False]) == (1 + 1 + 0.5 + 1) / 4
    assert segment_auc.score(importance, [False, False, True, True]) == 0.5 / 4


def test_a_frames_mass_is_the_sum_and_not_the_greatest_pixel():
    importance = torch.zeros(2, 2, 3)
    importance[0, 0, 0] = 1
    importance[1] = 0.5
    assert segment_auc.score(importance, [False, True]) == 1


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1.0])
def test_a_constant_map_gives_exactly_one_half(value):
    importance = torch.full((5, *WIDE), value)
    assert box_auc.score(importance, [[(2, 1, 7, 4)]] * 5) == [0.5] * 5
    assert segment_auc.score(importance, [True, False, False, True, True]) == 0.5


def test_a_map_that_does_not_change_over_time_gives_exactly_one_half_of_the_segment():
    """The floor `center`; sums of equal frames must not differ by rounding."""
    frame = torch.rand(113, 111, generator=torch.Generator().manual_seed(0))
    for importance in (frame.expand(16, -1, -1), frame.repeat(16, 1, 1)):
        assert segment_auc.score(importance, [True] * 5 + [False] * 11) == 0.5


def test_one_pixel_that_differs_is_not_enough():
    """The floor `random_pixel` in a box of 6 pixels of 120: (1 · 114 + 5 · 114 / 2) / (6 · 114)."""
    frame = torch.zeros(WIDE)
    frame[2, 12] = 1
    assert on_one_frame(frame, [(11, 1, 14, 3)]) == pytest.approx(0.5 + 1 / 12)
    assert on_one_frame(frame, [(0, 1, 3, 3)]) == pytest.approx(0.5 - 1 / 228)


def test_a_perfect_map_gives_one_and_its_opposite_none():
    perfect = torch.zeros(WIDE)
    perfect[1:4, 12:18] = 0.3
    assert on_one_frame(perfect, [(12, 1, 18, 4)]) == 1
    assert on_one_frame(1 - perfect, [(12, 1, 18, 4)]) == 0
    importance = torch.stack([perfect, 0.5 * perfect, 0 * perfect])
    assert segment_auc.score(importance, [True, True, False]) == 1
    assert segment_auc.score(importance, [False, False, True]) == 0


def test_x_and_y_are_not_confused():
    """6 high, 20 wide: the box's rows are not its columns, and nothing is read from another side."""
    frame = torch.zeros(WIDE)
    frame[1, 16:19] = 1
    assert on_one_frame(frame, [(16, 1, 19, 2)]) == 1
    for mirrored in ([(1, 1, 4, 2)], [(16, 4, 19, 5)], [(1, 4, 4, 5)], [(1, 3, 2, 6)]):
        assert on_one_frame(frame, mirrored) < 0.5


@pytest.mark.parametrize("change", [lambda x: 7 * x - 2, lambda x: x**3, torch.exp, lambda x: torch.log(x + 0.01)])
def test_monotone_changes_of_the_map_change_nothing(change):
    """What grows with the importance leaves the ranks of pixels, and of frames that are evenly filled."""
    frames, boxes = torch.stack([coarse(seed) for seed in range(3)]), [[(3, 1, 9, 4)]] * 3
    assert box_auc.score(change(frames), boxes) == box_auc.score(frames, boxes)
    even = torch.tensor([0.1, 0.7, 0.3, 0.7, 0.0, 0.2])[:, None, None].expand(-1, *WIDE)
    in_action = [True, True, False, False, True, False]
    assert segment_auc.score(change(even), in_action) == segment_auc.score(even, in_action) == (0 + 2.5 + 0) / 9


def test_a_map_and_its_opposite_add_up_to_one_and_so_do_what_is_inside_and_outside():
    frame, half = coarse(3), [(0, 0, 7, 6)]
    assert on_one_frame(frame, half) + on_one_frame(-frame, half) == pytest.approx(1, abs=1e-15)
    assert on_one_frame(frame, half) + on_one_frame(frame, [(7, 0, 20, 6)]) == pytest.approx(1, abs=1e-15)


def test_mirrored_frames_with_mirrored_boxes_and_reversed_time_change_nothing():
    frame = coarse(5)
    assert on_one_frame(frame.flip(1), [(11, 1, 17, 4)]) == on_one_frame(frame, [(3, 1, 9, 4)])
    assert on_one_frame(frame.T, [(1, 3, 4, 9)]) == on_one_frame(frame, [(3, 1, 9, 4)])
    importance, in_action = torch.rand(6, *WIDE), [True, False, True, True, False, False]
    assert segment_auc.score(importance.flip(0), in_action[::-1]) == segment_auc.score(importance, in_action)


def test_overlapping_boxes_count_once_and_each_frame_has_its_own():
    frames = torch.stack([coarse(1), coarse(2), coarse(3)])
    twice = box_auc.score(frames, [[(0, 0, 4, 3), (2, 1, 6, 3)], [], [(3, 1, 9, 4)] * 2])
    assert twice[0] == on_one_frame(frames[0], [(0, 0, 4, 3), (4, 1, 6, 3)])
    assert str(twice[1]) == "no box"
    assert twice[2] == on_one_frame(frames[2], [(3, 1, 9, 4)])


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([], "no box"),
        ([(0, 0, 20, 6)], "the boxes cover 120 of 120 pixels"),
        ([(-3, 0, 11, 9), (11, 0, 30, 6)], "the boxes cover 120 of 120 pixels"),
        ([(30, 0, 40, 6)], "the boxes cover 0 of 120 pixels"),
        ([(1.6, 0.6, 1.9, 0.9)], "the boxes cover 0 of 120 pixels"),  # too small to hold a centre
    ],
)
def test_a_frame_in_which_no_box_can_be_told_from_the_rest_has_a_reason(boxes, reason):
    missing = on_one_frame(coarse(0), boxes)
    assert isinstance(missing, NoAnnotationError)
    assert str(missing) == reason


@pytest.mark.parametrize(
    ("in_action", "reason"),
    [
        (None, "no action is annotated"),
        ([False] * 4, "the action covers 0 of 4 frames"),
        ([True] * 4, "the action covers 4 of 4 frames"),
    ],
)
def test_a_clip_in_which_no_action_can_be_told_from_the_rest_has_a_reason(in_action, reason):
    with pytest.raises(NoAnnotationError, match=reason):
        segment_auc.score(torch.rand(4, 2, 2), in_action)
