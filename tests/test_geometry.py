"""Geometry: numbers worked out by hand, and what holds for every source, box and clip length."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepaudit.clips.geometry import Geometry, middle_frames, nearest_frame, random_frames
from stepaudit.errors import TooShortError

sizes = st.integers(16, 400)
fits = st.sampled_from(["stretch", "crop"])
edges = st.tuples(*[st.floats(-500, 500)] * 4)


def test_stretching_moves_a_box_by_both_scales():  # 320 wide, 240 high: ×0.35 and ×0.4667
    to = Geometry(source_height=240, source_width=320, height=112, width=112)
    assert to.move((100, 60, 200, 180)) == pytest.approx((35, 28, 70, 84))


def test_cropping_keeps_the_shape_and_the_centre():  # 240 → 112 high, 320 → 149 wide, 37 too many, 18 on the left
    to = Geometry(240, 320, 112, 112, "crop")
    assert (to.scaled_height, to.scaled_width, to.top, to.left) == (112, 149, 0, 18)
    assert to.move((160, 60, 170, 180)) == pytest.approx((160 * 149 / 320 - 18, 28, 170 * 149 / 320 - 18, 84))


def test_cropping_a_tall_source_cuts_rows():
    to = Geometry(320, 240, 112, 112, "crop")
    assert (to.scaled_height, to.scaled_width, to.top, to.left) == (149, 112, 18, 0)


def test_a_box_does_not_confuse_x_and_y():  # a clip 8 high and 32 wide
    to = Geometry(source_height=16, source_width=64, height=8, width=32)
    assert to.move((60, 0, 64, 4)) == (30, 0, 32, 2)


def test_a_box_that_leaves_the_clip_is_cut_and_one_outside_is_dropped():
    to = Geometry(240, 320, 112, 112, "crop")
    assert to.move((0, 0, 60, 240))[0] == 0
    assert to.move((0, 0, 18 * 320 / 149, 240)) is None
    assert to.move((310, 0, 320, 240)) is None
    assert Geometry(240, 320, 112, 112).move((300, 200, 400, 300)) == pytest.approx((105, 200 * 112 / 240, 112, 112))


def test_a_source_of_the_clips_size_stays_as_it_is():
    for fit in ("stretch", "crop"):
        assert Geometry(112, 96, 112, 96, fit).move((10, 20, 30, 40)) == (10, 20, 30, 40)


@given(sizes, sizes, sizes, sizes, fits, edges)
def test_a_moved_box_lies_inside_the_clip(source_height, source_width, height, width, fit, box):
    to = Geometry(source_height, source_width, height, width, fit)
    assert to.scaled_height >= height
    assert to.scaled_width >= width
    if moved := to.move(box):
        assert 0 <= moved[0] < moved[2] <= width
        assert 0 <= moved[1] < moved[3] <= height


def test_sixteen_frames_are_all_taken():
    assert middle_frames(0, 16, 16) == list(range(16))


def test_the_middle_of_parts_of_three_frames_is_their_second():
    assert middle_frames(10, 22, 4) == [11, 14, 17, 20]


@given(st.integers(0, 1000), st.integers(1, 64), st.integers(0, 1000), st.integers(0, 5))
def test_each_equal_part_gives_one_frame(start, count, more, seed):
    stop = start + count + more
    parts = [(start + k * (stop - start) / count, start + (k + 1) * (stop - start) / count) for k in range(count)]
    for frames in (middle_frames(start, stop, count), random_frames(start, stop, count, Random(seed))):
        assert frames == sorted(set(frames))
        # A part's edge may fall within a frame, which then belongs to the part that its end lies in.
        assert all(first - 1 < frame < last for frame, (first, last) in zip(frames, parts, strict=True))


def test_random_frames_reach_every_frame_of_a_part():
    drawn = [random_frames(0, 32, 4, Random(seed)) for seed in range(300)]
    assert {frames[1] for frames in drawn} == set(range(8, 16))
    assert random_frames(0, 32, 4, Random(7)) == random_frames(0, 32, 4, Random(7))


def test_fewer_frames_than_parts_are_too_short():
    with pytest.raises(TooShortError, match="15 frames, a clip takes 16"):
        middle_frames(5, 20, 16)


def test_the_nearest_annotated_frame_is_taken_within_the_distance():
    annotated = {0, 30, 60}
    assert nearest_frame(30, annotated, 0) == 30
    assert nearest_frame(31, annotated, 0) is None
    assert nearest_frame(33, annotated, 3) == 30
    assert nearest_frame(34, annotated, 3) is None
    assert nearest_frame(45, annotated, 20) == 30  # as near as 60; the earlier one
