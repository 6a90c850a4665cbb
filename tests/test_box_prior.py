"""The mean of boxes: counted by hand, and pixel by pixel."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stepaudit.clips.box_prior import mean_boxes

HEIGHT, WIDTH = 5, 8


def test_each_clip_counts_once_in_each_frame():
    clips = [
        [[(0, 0, 4, 2)], [(0, 0, 8, 5)]],
        [[(2, 1, 8, 5), (0, 0, 3, 2)], []],
        [[], [(7, 4, 8, 5)]],
    ]
    first, second = mean_boxes(clips, 2, HEIGHT, WIDTH) * 3
    assert first.tolist() == [
        [2, 2, 2, 1, 0, 0, 0, 0],
        [2, 2, 2, 2, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1, 1, 1],
    ]
    assert second.tolist() == [[1] * 8] * 4 + [[1] * 7 + [2]]


def test_without_clips_nothing_is_covered():
    assert torch.equal(mean_boxes([], 2, HEIGHT, WIDTH), torch.zeros(2, HEIGHT, WIDTH))


def test_a_clip_of_another_length_is_refused():
    with pytest.raises(ValueError, match="zip"):
        mean_boxes([[[], []]], 3, HEIGHT, WIDTH)


edges = st.floats(-3, 11).map(lambda value: round(2 * value) / 2)  # often right on a centre
boxes = st.tuples(edges, edges, edges, edges)


@given(st.lists(st.lists(st.lists(boxes, max_size=3), min_size=2, max_size=2), min_size=1, max_size=3))
def test_a_pixel_belongs_to_the_boxes_that_hold_its_centre(clips):
    found = mean_boxes(clips, 2, HEIGHT, WIDTH)
    for frame in range(2):
        for y in range(HEIGHT):
            for x in range(WIDTH):
                held = [
                    any(x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1 for x0, y0, x1, y1 in clip[frame]) for clip in clips
                ]
                assert found[frame, y, x].item() == pytest.approx(sum(held) / len(clips))
