"""Where the whole map lies, in space and time: on boxes, and on the voxels that a model's answer depends on."""

import pytest
import torch
from known_answer import Cuboid, model_for, textured_clips
from torch import nn

from stepaudit.errors import NoAnnotationError, NonFiniteError, NoPeakError
from stepaudit.metrics import mass_in_box, on_boxes, support

SHAPE = (4, 8, 12)
BOX = (2.0, 1.0, 6.0, 5.0)


def at(*voxels):
    importance = torch.zeros(SHAPE)
    for frame, y, x, value in voxels:
        importance[frame, y, x] = value
    return importance


def test_mass_counts_all_frames_where_mass_in_box_asks_the_annotated_ones():
    importance = at((0, 2, 3, 1.0), (0, 7, 7, 1.0), (2, 2, 3, 2.0))  # on the box; beside it; in a frame without a box
    assert on_boxes.score(importance, [[BOX], [], [], []])["mass"] == 0.25
    assert mass_in_box.score(importance, [[BOX], [], [], []]) == 0.5


def test_a_map_that_leaves_the_boxes_frames_empty_raises_no_false_alarm():
    found = on_boxes.score(at((2, 2, 3, 1.0)), [[BOX], [BOX], [], []])
    assert found == {"mass": 0, "peak": 0}


def test_the_peak_is_that_of_the_whole_clip_and_ties_are_shared():
    boxes = [[BOX], [], [], [BOX]]
    alike = [(0, 3, 3, 1.0), (1, 3, 3, 1.0), (3, 3, 4, 1.0), (3, 3, 10, 1.0)]
    assert on_boxes.score(at(*alike), boxes, smoothing_px=0)["peak"] == 0.5
    assert on_boxes.score(at((0, 3, 3, 0.9), (1, 3, 3, 1.0)), boxes)["peak"] == 0
    assert on_boxes.score(at((0, 3, 3, 1.0), (1, 3, 3, 0.9)), boxes)["peak"] == 1


def test_what_has_no_box_or_no_peak_says_so():
    with pytest.raises(NoAnnotationError):
        on_boxes.score(at((0, 1, 1, 1.0)), [[]] * 4)
    with pytest.raises(NoPeakError):
        on_boxes.score(torch.ones(SHAPE), [[BOX]] * 4)


def test_the_support_of_a_model_with_placed_evidence_is_the_cuboid():
    cuboid = Cuboid((1, 3), (2, 6), (4, 8))
    model, clip = model_for(cuboid), textured_clips(1, *SHAPE)[0]
    found = support.support(model, clip)
    assert torch.equal(found, cuboid.mask(SHAPE).bool())
    assert not clip.requires_grad


def test_mass_and_share_of_the_support_are_counted_in_voxels():
    cuboid = Cuboid((1, 3), (2, 6), (4, 8))  # 2 · 4 · 4 of 4 · 8 · 12 voxels: a twelfth
    model, clip = model_for(cuboid), textured_clips(1, *SHAPE)[0]
    share = 32 / 384
    for importance, mass in (
        (cuboid.mask(SHAPE), 1),
        (1 - cuboid.mask(SHAPE), 0),
        (torch.ones(SHAPE), share),
        (at((1, 2, 4, 3.0), (0, 2, 4, 1.0)), 0.75),
    ):
        assert support.score(importance, clip, model) == pytest.approx({"mass": mass, "share": share})


def test_an_empty_map_has_no_mass_but_the_model_has_its_support():
    found = support.score(torch.zeros(SHAPE), textured_clips(1, *SHAPE)[0], model_for(Cuboid((0, 4), (0, 8), (0, 12))))
    assert isinstance(found["mass"], NoPeakError)
    assert found["share"] == 1


class Opposite(nn.Module):
    """Two logits that are each other's negative: added up they would leave nothing."""

    def forward(self, clips):
        value = clips[:, :, 0].mean(dim=(1, 2, 3))
        return torch.stack([value, -value], dim=1)


def test_logits_do_not_make_up_for_each_other():
    assert support.support(Opposite(), torch.rand(3, *SHAPE)).float().mean() == 0.25


class Broken(nn.Module):
    def forward(self, clips):
        return clips.mean(dim=(2, 3, 4)) * torch.nan


def test_a_gradient_that_is_no_number_is_a_failure():
    with pytest.raises(NonFiniteError):
        support.score(torch.rand(SHAPE), torch.rand(3, *SHAPE), Broken())
