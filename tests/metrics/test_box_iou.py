"""IoU of boxes with as many most important pixels: by hand, over all choices of tied pixels, and with SciPy."""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy.stats import hypergeom

from stepaudit.errors import NoAnnotationError
from stepaudit.metrics import box_iou


def on_one_frame(frame, boxes):
    (value,) = box_iou.score(frame[None], [boxes])
    return value


def pixels_of(boxes, shape):
    """Pixels (y, x) whose centre lies in a box."""
    places = product(range(shape[0]), range(shape[1]))
    return {(y, x) for y, x in places for x0, y0, x1, y1 in boxes if x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1}


def over_all_choices(frame, boxes):
    """The mean IoU over every set of as many pixels as the boxes hold that no left-out pixel exceeds."""
    box = pixels_of(boxes, frame.shape)
    values = {(y, x): frame[y, x].item() for y, x in product(*map(range, frame.shape))}
    threshold = sorted(values.values())[-len(box)]
    sure = {place for place, value in values.items() if value > threshold}
    tied = [place for place, value in values.items() if value == threshold]
    chosen = [sure | set(some) for some in combinations(tied, len(box) - len(sure))]
    return sum(len(box & some) / len(box | some) for some in chosen) / len(chosen)


def test_without_ties_it_is_counted_by_hand():
    frame = torch.arange(12.0).view(2, 6)  # 0 … 5 / 6 … 11
    assert on_one_frame(frame, [(3, 1, 6, 2)]) == 1  # 9, 10, 11
    assert on_one_frame(frame, [(2, 1, 5, 2)]) == 2 / 4  # 8, 9, 10 with 9, 10, 11
    assert on_one_frame(frame, [(0, 0, 3, 1)]) == 0
    assert on_one_frame(frame, [(4, 0, 6, 2)]) == 2 / 6  # 4, 5, 10, 11 with 8, 9, 10, 11


def test_ties_at_the_threshold_are_counted_by_their_expectation():
    frame = torch.tensor([[1.0, 0.5, 0.5, 0.0]])
    # the box holds 1 and one 0.5; the second most important pixel is that one or the other: (2 / 2 + 1 / 3) / 2
    assert on_one_frame(frame, [(0, 0, 2, 1)]) == pytest.approx(2 / 3, abs=1e-15)
    assert on_one_frame(frame, [(1, 0, 3, 1)]) == pytest.approx(1 / 3, abs=1e-15)
    assert on_one_frame(frame, [(0, 0, 3, 1)]) == 1  # all that tie are needed


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("boxes", [[(1, 0, 4, 2)], [(0, 1, 2, 3), (1, 1, 4, 2)], [(4, 2, 5, 3)]])
def test_it_is_the_mean_over_all_choices_of_tied_pixels(boxes, seed):
    frame = torch.randint(0, 3, (3, 5), generator=torch.Generator().manual_seed(seed)) / 2
    assert on_one_frame(frame, boxes) == pytest.approx(over_all_choices(frame, boxes), abs=1e-13)


@pytest.mark.parametrize("edges", [(0, 0, 1, 1), (30, 20, 90, 100), (0, 0, 110, 111)])
def test_a_constant_frame_of_full_size_has_the_mean_of_a_random_choice(edges):
    x0, y0, x1, y1 = edges
    size, pixels = (x1 - x0) * (y1 - y0), 112 * 112
    drawn = hypergeom(pixels, size, size)
    hits = np.arange(size + 1)
    expected = (drawn.pmf(hits) * hits / (2 * size - hits)).sum()
    # gamma functions of 10⁴ have logarithms of 10⁵, exact to 16 digits
    assert on_one_frame(torch.full((112, 112), 0.3), [edges]) == pytest.approx(expected, rel=1e-8)


def test_a_perfect_frame_gives_one_whatever_lies_below():
    frame = 0.5 * torch.rand(6, 20)
    frame[1:4, 12:18] = 0.6
    assert on_one_frame(frame, [(12, 1, 18, 4)]) == 1
    frame[1:4, 12:18] += torch.rand(3, 6)
    assert on_one_frame(frame, [(12, 1, 18, 4)]) == 1


def test_x_and_y_are_not_confused():
    """6 high, 20 wide."""
    frame = torch.zeros(6, 20)
    frame[1, 16:19] = 1
    assert on_one_frame(frame, [(16, 1, 19, 2)]) == 1
    for mirrored in ([(1, 1, 4, 2)], [(16, 4, 19, 5)], [(1, 4, 4, 5)], [(1, 3, 2, 6)]):
        assert on_one_frame(frame, mirrored) == 0


@pytest.mark.parametrize("change", [lambda x: 7 * x - 2, lambda x: x**3, torch.exp])
def test_monotone_changes_of_the_map_change_nothing(change):
    frames = torch.randint(0, 9, (3, 6, 20), generator=torch.Generator().manual_seed(0)) / 9
    boxes = [[(3, 1, 9, 4)], [(0, 0, 5, 5)], [(1, 2, 19, 5)]]
    assert box_iou.score(change(frames), boxes) == box_iou.score(frames, boxes)


def test_overlapping_boxes_count_once_and_each_frame_has_its_own():
    frames = torch.rand(3, 6, 20)
    values = box_iou.score(frames, [[(0, 0, 4, 3), (2, 1, 6, 3)], [], [(3, 1, 9, 4)] * 2])
    assert values[0] == on_one_frame(frames[0], [(0, 0, 4, 3), (4, 1, 6, 3)])
    assert isinstance(values[1], NoAnnotationError)
    assert values[2] == on_one_frame(frames[2], [(3, 1, 9, 4)])


def test_boxes_that_cover_the_frame_leave_nothing_to_miss():
    assert on_one_frame(torch.rand(6, 20), [(0, 0, 20, 6)]) == 1


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([], "no box"),
        ([(30, 0, 40, 6)], "the boxes hold no pixel's centre"),
        ([(1.6, 0.6, 1.9, 0.9)], "the boxes hold no pixel's centre"),
    ],
)
def test_a_frame_without_a_pixel_in_a_box_has_a_reason(boxes, reason):
    missing = on_one_frame(torch.rand(6, 20), boxes)
    assert isinstance(missing, NoAnnotationError)
    assert str(missing) == reason
