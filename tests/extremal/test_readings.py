"""Further readings of what a clip needs, on models whose answers are known by arithmetic."""

import itertools

import pytest
import torch
from torch import nn

from benchmarks.white_boxes import WhiteBox, texture
from stepaudit.extremal import readings, sufficiency
from stepaudit.extremal.answers import FORGIVEN
from stepaudit.extremal.settings import settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.methods import ep3d, step

FRAMES, SIDE = 8, 24


def needs(model, clips, names, method=ep3d, **options):
    targets, backgrounds = torch.ones(len(clips), dtype=torch.long), texture(clips.shape[2], SIDE, 9)[None]
    backgrounds = backgrounds.expand(len(clips), -1, -1, -1, -1)
    return method.sufficiency(model, clips, targets, backgrounds=backgrounds, readings=names, **options)[0]


def place(frames, rows, columns, of=FRAMES):
    """1 in some frames, rows and columns, [1, T, H, W]."""
    made = torch.zeros(1, of, SIDE, SIDE)
    made[:, frames, rows, columns] = 1
    return made


def box(*places, either=False, frames=FRAMES):
    return WhiteBox(texture(frames, SIDE, 3), torch.cat(places), either).eval()


@pytest.fixture
def short(monkeypatch):
    """A sweep that is too short to be good, for readings that do not depend on its masks."""
    monkeypatch.setattr(sufficiency, "ITERATIONS", 24)
    monkeypatch.setattr(sufficiency, "BUDGET", 40)


class SomeFrames(nn.Module):
    """Sure of the second class if enough of the clip's frames from the second on are shown."""

    def __init__(self, clip, enough):
        super().__init__()
        self.clip, self.enough = clip, enough

    def forward(self, clips):
        lost = ((clips - self.clip) ** 2).mean(dim=(1, 3, 4)) / ((self.clip - 0.5) ** 2).mean()
        shown = (1 - lost)[:, 1:].sum(dim=1)
        logit = 12 * (shown - self.enough + 0.5)
        return torch.stack([-logit / 2, logit / 2], dim=1)


@pytest.mark.parametrize("enough", [1, 2, 4])
def test_a_model_of_some_frames_needs_as_many_and_never_the_one_that_it_does_not_see(short, enough):
    model = SomeFrames(texture(FRAMES, SIDE, 3), enough).eval()
    found = needs(model, model.clip[None], ["frames"])[0].readings
    assert len(found.frames) == enough == found.frames_lower + 1
    assert 0 not in found.frames


def test_frames_are_the_fewest_of_all_choices(short):
    """Two places far apart, of different size, in frames of their own: every choice of six frames is asked."""
    frames = 6
    model = box(
        place([1], slice(4, 20), slice(4, 20), frames), place([2, 4], slice(8, 16), slice(0, 12), frames), frames=frames
    )
    truth = []

    def ask_all(question):
        masks = torch.stack([torch.tensor(shown) for shown in itertools.product([0.0, 1.0], repeat=frames)])
        masks = masks[:, :, None, None].expand(-1, -1, SIDE, SIDE)
        alone, more = (question.shares([0] * len(masks), some) for some in (masks, question.with_more(masks)))
        keeping = torch.tensor(alone) >= readings.LEVEL
        lasting = torch.tensor(more) >= readings.LEVEL - FORGIVEN
        truth.append(masks.amax(dim=(2, 3)).sum(dim=1)[keeping & lasting].min().item())
        readings.read(question, ["frames"])

    found = asked(model, ask_all)[0].readings
    assert len(found.frames) == truth[0] == found.frames_lower + 1


def asked(model, further):
    """Answers of the search for the model's clip, with what `further` adds to them."""
    size, geometry = model.clip.shape[1:], SmoothMax.of(SIDE, SIDE)
    return sufficiency.answers(
        model,
        model.clip[None],
        torch.tensor([1]),
        backgrounds=texture(size[0], SIDE, 9)[None],
        settings=settings("ep3d", "corrected", "paper", None),
        geometry=geometry,
        start=torch.ones(1, size[0], *geometry.grid),
        further=further,
    )


def test_of_a_clip_of_many_frames_neighbours_are_shown_together(short):
    """24 frames in 16 groups; one frame is enough, and the first group holds the frames 0 and 1."""
    model = box(place([0], slice(2, 22), slice(2, 22), 24), frames=24)
    found = needs(model, model.clip[None], ["frames"])[0].readings
    assert (found.frames, found.frames_lower) == ([0, 1], 0)


def test_a_search_of_frames_whose_budget_ends_leaves_a_bracket(short, monkeypatch):
    monkeypatch.setattr(readings, "FRAMES_BUDGET", 20)
    model = SomeFrames(texture(FRAMES, SIDE, 3), 4).eval()
    found = needs(model, model.clip[None], ["frames"])[0].readings
    assert found.frames_lower < 3
    assert len(found.frames) >= 4
    assert found.passes <= 20


def test_a_tube_is_as_large_as_what_is_needed_in_the_picture():
    """Evidence of 12 × 12 of 24 × 24 pixels in two frames: about half of it, 12.5 % of the picture, is enough."""
    model = box(place(slice(3, 5), slice(6, 18), slice(4, 16)))
    answer = needs(model, model.clip[None], ["tube"])[0]
    truth = model.needed(0.5, answer) * FRAMES / 2
    assert truth == pytest.approx(0.125, rel=0.02)
    assert 0.8 < answer.readings.tube / truth < 1.25
    assert 0.7 * answer.readings.tube < answer.readings.tube_lower < answer.readings.tube
    assert answer.readings.passes <= sufficiency.BUDGET


def test_two_copies_of_the_evidence_are_two_pieces_and_one_is_one():
    one, other = place(slice(0, 3), slice(2, 10), slice(2, 10)), place(slice(5, 8), slice(13, 21), slice(13, 21))
    for model, pieces in ((box(one), 1), (box(one, other), 1), (box(one, other, either=True), 2)):
        answer = needs(model, model.clip[None], ["disjoint"])[0]
        assert answer.readings.pieces == pieces
        assert answer.readings.passes <= (pieces - 1) * (sufficiency.BUDGET + 2)


def test_no_more_pieces_are_searched_than_is_said(short, monkeypatch):
    """Sure as soon as a fifth of the clip is shown, wherever."""
    monkeypatch.setattr(readings, "MAX_PIECES", 2)
    clip = texture(FRAMES, SIDE, 3)

    class AnyFifth(nn.Module):
        def forward(self, clips):
            shown = 1 - ((clips - clip) ** 2).mean(dim=(1, 2, 3, 4)) / ((clip - 0.5) ** 2).mean()
            logit = (60 * (shown - 0.2)).clamp(-6, 6)
            return torch.stack([-logit / 2, logit / 2], dim=1)

    found = needs(AnyFifth().eval(), clip[None], ["disjoint"])[0]
    assert found.smallest(0.75).volume < 0.4
    assert found.readings.pieces == 2


def test_a_constant_model_has_no_readings_and_costs_no_search():
    class Constant(nn.Module):
        def forward(self, clips):
            return torch.tensor([0.0, 3.0]) + 0 * clips.sum(dim=(1, 2, 3, 4))[:, None]

    answer = needs(Constant(), texture(FRAMES, SIDE, 3)[None], list(readings.READ))[0]
    assert answer.vacuous
    assert answer.readings == type(answer.readings)()


def test_readings_of_a_clip_do_not_depend_on_those_beside_it(short):
    model = box(place(slice(2, 4), slice(6, 18), slice(4, 16), 4), frames=4)
    clips = torch.stack([model.clip, texture(4, SIDE, 7), model.clip.flip(1)])
    alone, beside = (needs(model, some, list(readings.READ), step)[0].readings for some in (clips[:1], clips))
    assert (alone.frames, alone.frames_lower, alone.pieces) == (beside.frames, beside.frames_lower, beside.pieces)
    assert (alone.tube, alone.passes) == (pytest.approx(beside.tube, rel=1e-3), pytest.approx(beside.passes))
