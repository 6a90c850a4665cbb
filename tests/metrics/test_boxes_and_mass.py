"""Mass in box and box share, worked out by hand."""

import pytest
import torch

from stepaudit.errors import NoAnnotationError, NoPeakError
from stepaudit.metrics import box_share, mass_in_box


def test_mass_in_box_is_the_boxs_part_of_the_sum():
    importance = torch.arange(8.0).view(1, 2, 4)  # 0 1 2 3 / 4 5 6 7, in all 28
    assert mass_in_box.score(importance, [[(1, 0, 3, 2)]]) == pytest.approx((1 + 2 + 5 + 6) / 28)
    assert mass_in_box.score(importance, [[(3, 0, 4, 1)]]) == pytest.approx(3 / 28)
    assert mass_in_box.score(importance, [[(0, 1, 1, 2)]]) == pytest.approx(4 / 28)


def test_only_annotated_frames_count():
    importance = torch.ones(3, 2, 4)
    importance[1] = 100
    assert mass_in_box.score(importance, [[(0, 0, 1, 2)], [], [(0, 0, 3, 2)]]) == pytest.approx((2 + 6) / 16)
    assert box_share.score(importance, [[(0, 0, 1, 2)], [], [(0, 0, 3, 2)]]) == pytest.approx((2 + 6) / 16)


def test_overlapping_boxes_count_once():
    boxes = [[(0, 0, 3, 1), (1, 0, 4, 1)]]
    assert box_share.score(torch.ones(1, 2, 4), boxes) == pytest.approx(4 / 8)
    assert mass_in_box.score(torch.ones(1, 2, 4), boxes) == pytest.approx(4 / 8)


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        ((0, 0, 4, 2), 8),
        ((0.5, 0, 4, 2), 8),  # a pixel belongs to the box that holds its centre: 0.5 is in
        ((0.6, 0, 4, 2), 6),
        ((0, 0, 3.5, 2), 6),  # and the right edge is exclusive
        ((0, 0.6, 4, 2), 4),
        ((-5, -5, 50, 50), 8),
        ((1.6, 0.6, 1.9, 0.9), 0),  # too small to hold a centre
        ((40, 0, 50, 2), 0),
    ],
)
def test_a_pixel_belongs_to_a_box_that_holds_its_centre(box, pixels):
    assert box_share.score(torch.rand(1, 2, 4), [[box]]) == pytest.approx(pixels / 8)


def test_a_uniform_map_has_the_boxs_share_as_its_mass():
    boxes = [[(2, 1, 7, 4)], [], [(0, 0, 3, 3), (5, 5, 9, 6)]]
    uniform = torch.full((3, 6, 9), 0.2)
    assert mass_in_box.score(uniform, boxes) == pytest.approx(box_share.score(uniform, boxes))


def test_a_map_of_zeros_in_the_annotated_frames_has_no_mass():
    importance = torch.zeros(2, 2, 4)
    importance[1] = 1
    with pytest.raises(NoPeakError, match="0 in all annotated frames"):
        mass_in_box.score(importance, [[(0, 0, 1, 1)], []])


@pytest.mark.parametrize("metric", [mass_in_box, box_share])
def test_without_a_box_there_is_nothing_to_measure(metric):
    with pytest.raises(NoAnnotationError, match="no frame has a box"):
        metric.score(torch.ones(2, 2, 4), [[], []])
