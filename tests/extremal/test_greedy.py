"""The search by forward passes alone, against all sets of tubelets, the truth by arithmetic, and gradients."""

from itertools import combinations

import pytest
import torch
from torch import nn

from benchmarks.white_boxes import WhiteBox, found_without_gradients, texture, white_box
from stepaudit.errors import NonFiniteError
from stepaudit.extremal import greedy, sufficiency
from stepaudit.extremal.answers import LEVELS
from stepaudit.extremal.fills import fills_of
from stepaudit.extremal.settings import settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.sufficiency import Question
from stepaudit.extremal.tubelets import cut, first_tubelets, halves, seed_mask, seeds
from stepaudit.layers import without_gradient
from stepaudit.methods import ep3d, step

GRID = (2, 2, 2)  # seeds, each a tubelet: 256 sets


def question(model, **options):
    """A question without gradients about a white box's clip, on a grid of 3 × 2 × 2 seeds."""
    clips, side = model.clip[None], model.clip.shape[-1]
    geometry = SmoothMax(side, side, 0.5 * side, side // 2, padded=False)
    return Question(
        model,
        clips,
        torch.tensor([1]),
        own=torch.tensor([1]),
        fills=fills_of(clips, texture(2, side, 9)[None]),
        settings=settings("ep3d", "corrected", "paper", None),
        geometry=geometry,
        start=torch.ones(1, *GRID),
        by_gradient=False,
        **options,
    )


def quarters(*places, side=16):
    """1 in some quarters (frame, down, across) of the picture, [2, side, side]."""
    half, mask = side // 2, torch.zeros(2, side, side)
    for frame, down, across in places:
        mask[frame, down * half : (down + 1) * half, across * half : (across + 1) * half] = 1
    return mask


def truth(asked, level):
    """Volume of the smallest set of tubelets that keeps the level, of all sets."""
    cells = first_tubelets(GRID)
    for count in range(1, len(cells)):
        sets = list(combinations(cells, count))
        masks = asked.search._crisp_masks(sets, 0)
        shares = asked.shares([0] * len(sets), masks)
        enough = [mask.mean().item() for mask, share in zip(masks, shares, strict=True) if share >= level]
        if enough:
            return min(enough)
    return 1.0


EVIDENCE = {  # places, whether either suffices, and how many times the truth may be found
    "one quarter": (quarters((1, 0, 1))[None], False, 1),
    "two in two frames": (torch.stack([quarters((0, 0, 0)), quarters((1, 1, 1))]), False, 1),
    "either of two": (torch.stack([quarters((0, 1, 0), (1, 1, 0)), quarters((1, 0, 1))]), True, 2),
    "a frame": (quarters(*((1, down, across) for down in (0, 1) for across in (0, 1)))[None], False, 1.3),
}


def known(name):
    """The model of some evidence."""
    return WhiteBox(texture(2, 16, 3), *EVIDENCE[name][:2]).eval()


@pytest.mark.parametrize("name", EVIDENCE)
def test_on_a_tiny_grid_it_finds_the_smallest_of_all_sets(name):
    """Where either of two places suffices, a greedy search may be left with the larger one, which is twice as large."""
    asked = question(known(name))
    (answer,) = asked.answer()
    for level in (0.5, 0.9):
        assert 0.999 < answer.upper(level) / truth(asked, level) < 1.001 * EVIDENCE[name][2]


@pytest.mark.parametrize("name", ["5 % in 8", "two frames far apart"])
def test_on_a_white_box_it_finds_little_more_than_the_search_by_gradients(name):
    model = white_box(name, 16, 48)
    answer = found_without_gradients(model)
    assert answer.search == "tubelets"
    assert 0.85 < answer.upper(0.9) / model.needed(0.9, answer) < 1.35
    for level in (0.5, 0.75, 0.9):
        assert 0.6 * answer.upper(level) < answer.lower(level) < answer.upper(level)
    assert answer.smallest(0.9).crispness > 0.8


class Counting(nn.Module):
    """A model that counts its clips and must not be asked for gradients."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.clip, self.asked, self.with_gradient = inner, inner.clip, 0, 0

    def forward(self, clips):
        self.asked += len(clips)
        self.with_gradient += clips.requires_grad
        return self.inner(clips)


def test_its_passes_are_those_that_it_made_and_within_the_budget():
    model = Counting(known("two in two frames"))
    (answer,) = question(model).answer()
    assert model.asked == pytest.approx(3 * answer.passes)
    assert model.with_gradient == 0
    assert answer.passes <= sufficiency.BUDGET


def test_a_path_ends_where_nothing_is_left_to_hide():
    """One seed is left at the last level, or fewer passes than it may take are spent."""
    asked = question(known("one quarter"))
    (path,) = asked.search.begin({0: [0]})
    asked.search.advance([path], greedy.PASSES)
    assert path.ended
    assert path.step < greedy.PASSES
    assert len(path.tubelets) == 1
    assert path.level == pytest.approx(greedy.LAST_LEVEL)


def test_the_answer_of_a_clip_does_not_depend_on_those_beside_it():
    model = white_box("5 % in 8", 4, 24)
    clips, targets = torch.stack([model.clip, model.clip.flip(1)]), torch.tensor([1, 1])
    with without_gradient(model):
        alone = ep3d.sufficiency(model, clips[:1], targets[:1])[0][0]
        beside = ep3d.sufficiency(model, clips, targets)[0][0]
    assert [mask.volume for mask in alone.masks] == pytest.approx([mask.volume for mask in beside.masks])


def test_readings_are_searched_without_gradients_as_well():
    model = white_box("two frames far apart", 8, 24)
    with without_gradient(model):
        (answer,) = step.sufficiency(
            model, model.clip[None], torch.tensor([1]), readings=["frames", "tube", "disjoint"]
        )[0]
    places = model.places.amax(dim=(0, 2, 3)).nonzero()[:, 0].tolist()
    assert set(answer.readings.frames) <= set(places)
    edge = (model.places[0].sum() / 24**2).item()
    assert 0.3 * edge < answer.readings.tube < 1.5 * edge  # half of what it adds
    assert answer.readings.pieces == 1


def test_nan_on_masked_clips_is_no_model_that_needs_nothing():
    class Nan(WhiteBox):
        def forward(self, clips):
            logits = super().forward(clips)
            share = ((clips - self.clip) ** 2).mean() / ((self.clip - 0.5) ** 2).mean()
            return torch.where((share > 0.1) & (share < 0.7), torch.nan, logits)

    with pytest.raises(NonFiniteError, match="masked clips hold NaN"):
        question(Nan(texture(2, 16, 3), *EVIDENCE["a frame"][:2]).eval()).answer()


def test_the_level_falls_in_the_second_part():
    first = greedy.FALLING * greedy.PASSES
    assert greedy.level_at(0) == greedy.level_at(first) == greedy.FIRST_LEVEL
    assert greedy.level_at((first + greedy.PASSES) / 2) == pytest.approx(0.5)
    assert greedy.level_at(2 * greedy.PASSES) == pytest.approx(greedy.LAST_LEVEL)
    assert min(LEVELS) > greedy.LAST_LEVEL


def test_tubelets_fill_the_grid_and_stay_the_same_seeds_when_they_are_cut():
    size = (16, 7, 5)
    first = first_tubelets(size)
    assert len(first) == 64
    assert sum(map(seeds, first)) == seed_mask(first, size).sum() == 16 * 7 * 5
    some = first[3:9]
    smaller = cut(some, size, 40)
    assert 20 < len(smaller) <= 40
    assert torch.equal(seed_mask(smaller, size), seed_mask(some, size))
    assert cut(first, size, 40) == first  # no room


def test_a_tubelet_is_halved_along_the_axis_of_which_it_covers_most():
    whole = (slice(0, 4), slice(0, 2), slice(0, 5))
    assert halves(whole, (4, 2, 5)) == [(slice(0, 2), *whole[1:]), (slice(2, 4), *whole[1:])]  # time before the picture
    assert halves(whole, (16, 2, 5))[0] == (slice(0, 4), slice(0, 1), slice(0, 5))
    single = (slice(0, 1), slice(1, 2), slice(2, 4))
    assert halves(single, (1, 2, 9)) == [(*single[:2], slice(2, 3)), (*single[:2], slice(3, 4))]
    assert cut([(slice(0, 1),) * 3], (2, 2, 2), 40) == [(slice(0, 1),) * 3]
