"""The spatial pointing game, worked out by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stepaudit.errors import NoAnnotationError, NoPeakError
from stepaudit.metrics import spatial_pointing

EXACT = {"tolerance_px": 0, "smoothing_px": 0}


def one_hot(*peaks, shape=(1, 8, 32)):
    """A map with ones at (frame, y, x)."""
    found = torch.zeros(shape)
    for place in peaks:
        found[place] = 1
    return found


def test_pointing_game_does_not_confuse_x_and_y():  # 8 high, 32 wide
    importance = one_hot((0, 2, 30))
    assert spatial_pointing.score(importance, [[(28, 0, 32, 4)]], tolerance_px=0) == [1]
    assert spatial_pointing.score(importance, [[(0, 0, 4, 8)]], tolerance_px=0) == [0]


def test_a_peak_beside_the_box_misses_by_one_pixel():
    importance = one_hot((0, 3, 10))
    boxes = {"holds it": (10, 3, 11, 4), "left": (9, 3, 10, 4), "right": (11, 3, 12, 4), "above": (10, 2, 11, 3)}
    hits = {name: spatial_pointing.score(importance, [[box]], **EXACT)[0] for name, box in boxes.items()}
    assert hits == {"holds it": 1, "left": 0, "right": 0, "above": 0}


@pytest.mark.parametrize(
    ("box", "distance"),
    [
        ((14, 2, 16, 5), 3.5),  # the centre of pixel x = 10 is at 10.5; the box begins at 14
        ((2, 0, 8, 8), 2.5),
        ((10, 6, 11, 8), 2.5),  # y: from 3.5 to 6
        ((13.5, 7.5, 20, 8), 5),  # 3 across, 4 down
        ((4, 0, 6.5, 0.5), 5),  # 4 across, 3 up
    ],
)
def test_the_circle_meets_the_box_from_their_exact_distance_on(box, distance):
    importance = one_hot((0, 3, 10))
    for tolerance, hit in ((distance, 1), (distance - 1e-3, 0), (distance + 1e-3, 1)):
        assert spatial_pointing.score(importance, [[box]], tolerance_px=tolerance, smoothing_px=0) == [hit]


def test_a_circle_is_no_square():
    """The corner of a box that a square of 7 px would reach: 6 across and 6 down are 8.5 px."""
    importance, box = one_hot((0, 10, 10), shape=(1, 32, 32)), (16.5, 16.5, 20, 20)
    assert math.hypot(6, 6) > 7
    assert spatial_pointing.score(importance, [[box]], smoothing_px=0) == [0]
    assert spatial_pointing.score(importance, [[box]], tolerance_px=8.5, smoothing_px=0) == [1]


def test_any_of_several_boxes_counts():
    importance = one_hot((0, 3, 10))
    assert spatial_pointing.score(importance, [[(0, 0, 2, 2), (10, 3, 11, 4)]], **EXACT) == [1]


def test_tied_peaks_hit_by_their_share():
    importance = one_hot((0, 1, 1), (0, 1, 30), (0, 6, 20), (0, 6, 2))
    assert spatial_pointing.score(importance, [[(0, 0, 8, 8)]], **EXACT) == [0.5]


def test_a_plateau_hits_by_the_share_of_it_that_the_box_holds():
    importance = torch.zeros(1, 8, 32)
    importance[0, :, 8:24] = 1
    assert spatial_pointing.score(importance, [[(20, 0, 32, 8)]], **EXACT) == [4 / 16]
    # Smoothing takes from the plateau's edges, equally on both sides; the frame's own border is continued.
    (smoothed,) = spatial_pointing.score(importance, [[(16, 0, 32, 8)]], tolerance_px=0, smoothing_px=1)
    assert smoothed == 0.5


def test_rounding_does_not_choose_among_the_voxels_of_a_plateau():
    importance = torch.zeros(1, 8, 32)
    importance[0, :, 8:24] = 1 - 1e-6 * torch.rand(8, 16)
    assert spatial_pointing.score(importance, [[(20, 0, 32, 8)]], **EXACT) == [4 / 16]


def test_the_highest_of_unequal_peaks_is_the_one():
    importance = one_hot((0, 1, 1), (0, 6, 30))
    importance[0, 6, 30] = 1.01
    assert spatial_pointing.score(importance, [[(29, 5, 32, 8)]], **EXACT) == [1]


def test_a_broad_hill_beats_a_single_bright_pixel_once_smoothed():
    importance = one_hot((0, 4, 4))
    importance[0, 2:7, 20:25] = 0.9
    box = [[(20, 2, 25, 7)]]
    assert spatial_pointing.score(importance, box, tolerance_px=0, smoothing_px=0) == [0]
    assert spatial_pointing.score(importance, box, tolerance_px=0, smoothing_px=1) == [1]


def test_every_frame_has_its_own_peak_and_a_frame_without_a_box_has_a_reason():
    importance = one_hot((0, 2, 3), (1, 2, 3), (2, 5, 5), shape=(3, 8, 32))
    hit, reason, miss = spatial_pointing.score(importance, [[(3, 2, 4, 3)], [], [(3, 2, 4, 3)]], **EXACT)
    assert (hit, miss) == (1, 0)
    assert isinstance(reason, NoAnnotationError)


def test_a_frame_that_is_flat_within_a_map_that_is_not_hits_by_the_boxs_share():
    importance = one_hot((0, 2, 3), shape=(2, 8, 32))
    importance[1] = 0.3
    assert spatial_pointing.score(importance, [[], [(0, 0, 8, 8)]], tolerance_px=0)[1] == pytest.approx(8 / 32)


def test_rounding_does_not_make_a_peak():
    flat = 0.3 + 1e-7 * torch.rand(2, 8, 32, generator=torch.Generator().manual_seed(0))
    flat[0, 2, 3] = 1
    assert spatial_pointing.score(flat, [[], [(0, 0, 8, 8)]], **EXACT)[1] == pytest.approx(8 / 32)
    with pytest.raises(NoPeakError, match="the same value everywhere"):
        spatial_pointing.score(flat[1:], [[(0, 0, 8, 8)]], **EXACT)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_map_points_nowhere(value):
    with pytest.raises(NoPeakError, match="the same value everywhere"):
        spatial_pointing.score(torch.full((2, 8, 32), value), [[(0, 0, 4, 4)], []])


peaks = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 15), st.integers(1, 9)),
    min_size=1,
    max_size=4,
    unique_by=lambda p: p[2],
)
edges = st.floats(0, 10).map(lambda value: round(value, 1))


@given(
    peaks, edges, edges, st.floats(0.1, 6), st.floats(0.1, 4), st.sampled_from([0, 2.5, 7]), st.sampled_from([0, 1.0])
)
def test_mirroring_map_and_boxes_changes_nothing(peaks, x0, y0, width, height, tolerance, smoothing):
    importance = torch.zeros(1, 10, 16)
    for y, x, value in peaks:
        importance[0, y, x] = value
    box = (x0, y0, x0 + width, y0 + height)
    options = {"tolerance_px": tolerance + 1e-6, "smoothing_px": smoothing}  # no distance equals the tolerance
    (value,) = spatial_pointing.score(importance, [[box]], **options)
    across, down = (16 - box[2], box[1], 16 - box[0], box[3]), (box[0], 10 - box[3], box[2], 10 - box[1])
    assert spatial_pointing.score(importance.flip(2), [[across]], **options) == pytest.approx([value])
    assert spatial_pointing.score(importance.flip(1), [[down]], **options) == pytest.approx([value])
    turned = (box[1], box[0], box[3], box[2])
    assert spatial_pointing.score(importance.transpose(1, 2), [[turned]], **options) == pytest.approx([value])
