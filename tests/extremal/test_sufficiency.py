"""Search of the smallest sufficient masks, on models whose answer is known by arithmetic."""

import math

import pytest
import torch
from known_answer import textured_clips
from torch import nn

from benchmarks.white_boxes import found, texture, white_box
from stepaudit.errors import NonFiniteError
from stepaudit.extremal import sufficiency
from stepaudit.extremal.answers import LEVELS
from stepaudit.methods import ep3d

FRAMES, SIDE = 16, 48
NAMES = ["0.5 % in 2 of 16 frames", "10 % in all", "two of 3 %, either", "four of 1 %, all"]


class TwoClasses(nn.Module):
    """Logit of the second class by a function of the clips; with a gradient for whatever does not depend on them."""

    def __init__(self, logit):
        super().__init__()
        self.logit = logit

    def forward(self, clips):
        logit = self.logit(clips) + 0 * clips.sum(dim=(1, 2, 3, 4))
        return torch.stack([-logit / 2, logit / 2], dim=1)


def needs(model, clips, backgrounds=None, **options):
    targets = torch.ones(len(clips), dtype=torch.long)
    return ep3d.sufficiency(model, clips, targets, backgrounds=backgrounds, **options)[0]


@pytest.fixture(scope="module", params=NAMES)
def box(request):
    """A white box, and what is found of it."""
    model = white_box(request.param, FRAMES, SIDE)
    return model, found(model)


def test_a_white_box_knows_its_clip_and_not_the_empty_one(box):
    _, answer = box
    assert answer.probability > 0.99
    assert max(answer.fill_probabilities.values()) < 0.05


def test_what_is_found_is_what_is_needed(box):
    """Borders show voxels in part (below 1); masks that hold when they are moved need a margin (above 1)."""
    model, answer = box
    assert 0.85 < answer.upper(0.9) / model.needed(0.9, answer) < 1.2
    truth = sum(math.log2(model.needed(level, answer)) for level in LEVELS) / len(LEVELS)
    assert answer.log2_area == pytest.approx(truth, abs=0.25)  # octaves


def test_what_is_found_is_bracketed_by_a_crisp_mask_and_one_that_fails(box):
    _, answer = box
    for level in (0.5, 0.75, 0.9):
        assert 0.7 * answer.upper(level) < answer.lower(level) < answer.upper(level)
    assert answer.smallest(0.9).crispness > 0.8
    assert answer.search == "gradients"


def test_the_search_stays_within_its_budget(box):
    assert 100 < box[1].passes <= sufficiency.BUDGET


def test_step_finds_a_compact_place_as_well():
    model = white_box("5 % in 8", FRAMES, SIDE)
    answer = found(model, "step")
    assert 0.85 < answer.upper(0.9) / model.needed(0.9, answer) < 1.2


def test_random_pieces_and_the_mask_elsewhere_do_not_do():
    model = white_box("5 % in 8", FRAMES, SIDE)
    answer = needs(model, model.clip[None], texture(FRAMES, SIDE, 9)[None], controls=True)[0]
    assert answer.random.upper(0.5) >= 8 * answer.upper(0.5)
    assert answer.elsewhere < 0.05


def test_a_constant_model_needs_nothing_and_costs_no_search():
    answer = needs(TwoClasses(lambda clips: torch.full((len(clips),), 3.0)), textured_clips(1, 4, 24, 24))[0]
    assert (answer.vacuous, answer.upper(0.9), answer.masks) == (True, 0.0, [])
    assert answer.passes < 3


def test_a_model_of_the_mean_colour_is_asked_nothing_by_fills_of_this_colour():
    """The logit runs from −4 on grey to 4 on the clip, evenly in the share shown: it is 1/2 + log(p / (1 − p)) / 8."""
    clips = (0.7 + 0.2 * (textured_clips(1, 8, 24, 24) - 0.5)).clamp(0, 1)
    own = clips.mean().item()
    answer = needs(TwoClasses(lambda batch: 8 * ((batch.mean(dim=(1, 2, 3, 4)) - 0.5) / (own - 0.5) - 0.5)), clips)[0]
    assert answer.asks == ["grey"]
    for level in (0.5, 0.9):
        kept = answer.fill_probabilities["grey"] + level * (answer.probability - answer.fill_probabilities["grey"])
        truth = 0.5 + math.log(kept / (1 - kept)) / 8
        assert answer.upper(level) == pytest.approx(truth, rel=0.15)


class LayoutAndDetail(nn.Module):
    """Needs fine texture in a small place, and the clip's coarse colours everywhere, which a blur leaves."""

    def __init__(self, clip, place):
        super().__init__()
        self.clip, self.place = clip, place
        self.coarse = self._coarse(clip[None])

    @staticmethod
    def _coarse(clips):
        return nn.functional.avg_pool3d(clips, (1, 24, 24))

    def forward(self, clips):
        fine = 1 - ((clips - self.clip) ** 2 * self.place).sum(dim=(1, 2, 3, 4)) / (0.15**2 * 3 * self.place.sum())
        far = (self._coarse(clips) - self.coarse) ** 2
        layout = 1 - far.sum(dim=(1, 2, 3, 4)) / ((self.coarse - 0.5) ** 2).sum()
        logit = 12 * (torch.minimum(fine, layout) - 0.5)
        return torch.stack([-logit / 2, logit / 2], dim=1)


@pytest.fixture(scope="module")
def leaking():
    """A clip of 8 frames, bright on the left and dark on the right, its model, and a background without this layout."""
    light = torch.where(torch.arange(SIDE) < SIDE // 2, 0.15, -0.15)
    clip = texture(8, SIDE, 3) * 0.5 + 0.25 + light
    place = torch.zeros(8, SIDE, SIDE)
    place[2:4, 8:18, 8:18] = 1
    return clip[None], LayoutAndDetail(clip, place).eval(), texture(8, SIDE, 9)[None]


def test_masks_made_on_a_blur_alone_are_tiny_and_false_and_verification_throws_them_out(leaking, monkeypatch):
    """On fills with the clip's colours the place, 1 % of the clip, is enough; on another background it is not."""
    clips, model, backgrounds = leaking
    monkeypatch.setattr(sufficiency, "SEARCH", ("blur",))
    answer = needs(model, clips, backgrounds)[0]
    tiny = [mask.share for mask in answer.masks if mask.volume < 0.05]
    assert max(tiny) == pytest.approx(2 / 3, abs=0.1)  # kept on half the blur and moved on the blur, not on the third
    assert answer.upper(0.9) > 0.3


def test_a_level_that_no_mask_of_the_run_keeps_is_asked_of_its_first_and_larger_ones(leaking, monkeypatch):
    """The run on a blur alone is soon below a tenth of the clip; the whole clip would be too high an end."""
    clips, model, backgrounds = leaking
    monkeypatch.setattr(sufficiency, "SEARCH", ("blur",))
    answer = needs(model, clips, backgrounds)[0]
    assert 0.2 < answer.lower(0.9) < answer.smallest(0.9).volume < 0.6


def test_with_all_fills_the_search_does_not_follow_the_blur(leaking):
    clips, model, backgrounds = leaking
    answer = needs(model, clips, backgrounds)[0]
    assert 0.2 < answer.upper(0.9) < 0.9
    assert answer.lower(0.5) > 0.05


class Spoilt(nn.Module):
    """Evidence in one box, which texture in the rest of the clip spoils, unless a third place is shown as well."""

    def __init__(self, clip, box, cure):
        super().__init__()
        self.clip, self.places = clip, torch.stack([box, cure, (1 - box) * (1 - cure)])

    def forward(self, clips):
        lost = ((clips - self.clip) ** 2).mean(dim=1)[:, None] * self.places
        box, cure, rest = (1 - lost.sum(dim=(2, 3, 4)) / (0.09 * self.places.sum(dim=(1, 2, 3)))).unbind(dim=1)
        logit = 12 * (box - 10 * (rest - cure).clamp(min=0) - 0.5)
        return torch.stack([-logit / 2, logit / 2], dim=1)


def test_a_mask_whose_answer_vanishes_when_more_is_shown_does_not_count():
    frames, side = 8, 32
    box, cure = torch.zeros(2, frames, side, side)
    box[2:6, 8:20, 8:20] = 1
    cure[:, 20:, :] = 1
    model = Spoilt(texture(frames, side, 3), box, cure * (1 - box)).eval()
    answer = needs(model, model.clip[None], texture(frames, side, 9)[None])[0]
    alone = min(mask.volume for mask in answer.masks if mask.share >= 0.75)
    false = next(mask for mask in answer.masks if mask.volume == alone)
    assert alone < box.mean() < 1.2 * answer.upper(0.75)
    assert false.with_more < 0.1
    assert answer.upper(0.75) > 1.3 * alone


def test_the_answer_of_a_clip_does_not_depend_on_those_beside_it():
    """Sums in another order round differently; a volume may differ by a thousandth of itself."""
    model = white_box("5 % in 8", 4, 24)
    clips = torch.stack([model.clip, texture(4, 24, 7), model.clip.flip(1)])
    alone, beside = needs(model, clips[:1])[0], needs(model, clips)[0]
    assert [mask.volume for mask in alone.masks] == pytest.approx([mask.volume for mask in beside.masks], rel=1e-3)
    assert alone.log2_area == pytest.approx(beside.log2_area, abs=1e-3)


@pytest.mark.parametrize("where", ["empty", "masked"])
def test_a_model_that_gives_nan_on_what_is_hidden_is_no_model_that_needs_nothing(where):
    """NaN on the grey clip, or on clips that are neither whole nor empty."""
    clip = texture(FRAMES, SIDE, seed=3)[None]

    def logit(clips):
        share = ((clips - clip) ** 2).mean(dim=(1, 2, 3, 4)) / ((clip - 0.5) ** 2).mean()
        unsound = share > 0.9 if where == "empty" else (share > 0.05) & (share < 0.6)
        return torch.where(unsound, torch.nan, 12 * (0.5 - share))

    with pytest.raises(NonFiniteError, match="masked clips hold NaN"):
        needs(TwoClasses(logit), clip)
