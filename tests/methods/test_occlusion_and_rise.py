"""Occlusion against Captum, RISE against the paper's sum, both against slow literal forms and on a known answer."""

import itertools
import math

import pytest
import torch
from captum.attr import Occlusion
from known_answer import Cuboid, model_for, textured_clips
from narrow_models import narrow, some_clips
from odd_models import Brightness, NanAbove
from torch import Tensor, nn

from stepaudit.errors import UsageError
from stepaudit.layers import gaussian_blur
from stepaudit.methods import occlusion, rise

FAMILIES = ("r2plus1d_18", "vgg16_lstm")
TARGETS = torch.tensor([0, 1, 2])
ROUNDING = {"atol": 1e-3, "rtol": 0}  # float16 rounds by 5e-4
METHODS = {"occlusion": (occlusion, {}), "rise": (rise, {"masks": 20})}
every_method = pytest.mark.parametrize(("method", "options"), METHODS.values(), ids=METHODS)


def relative(importance: Tensor) -> Tensor:
    """The positive part over the clip's greatest value; zeros where all speaks against the class."""
    positive = importance.relu().float()
    peak = positive.amax(dim=(1, 2, 3), keepdim=True)
    assert (peak > 0).any()  # the premise: there is something to compare
    return positive / peak.clamp(min=1e-12)


class Recording(nn.Module):
    """A model that keeps every batch of clips that it was asked about."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, clips: Tensor) -> Tensor:
        self.seen.append(clips)
        return self.inner(clips)


FILLS = {
    "black": torch.zeros_like,
    "blur": lambda clips: gaussian_blur(clips, 20 / 112 * 32),
    "fade": lambda clips: clips.mean(dim=(2, 3, 4), keepdim=True).expand_as(clips),
    "freeze": lambda clips: clips.mean(dim=2, keepdim=True).expand_as(clips),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("stride", "score"), [(1.0, "probability"), (0.5, "log_probability")])
@pytest.mark.parametrize("fill", FILLS)
def test_occlusion_equals_captums(family, stride, score, fill):
    model, clips = narrow(family).double(), some_clips(3).double()  # a fall is a small difference of large numbers
    scale = {"probability": torch.softmax, "log_probability": torch.log_softmax}[score]
    with torch.no_grad():
        theirs = Occlusion(lambda x: scale(model(x), 1)).attribute(
            clips,
            sliding_window_shapes=(3, 4, 16, 16),
            strides=(3, int(4 * stride), int(16 * stride), int(16 * stride)),
            baselines=FILLS[fill](clips),
            target=TARGETS,
        )
    assert torch.equal(theirs[:, 0], theirs[:, 1])  # the premise: a tubelet hides all colours
    options = {"frames": 4, "side": 0.5, "stride": stride, "score": score, "fill": fill}
    maps = occlusion.attribute(model, clips, TARGETS, **options)
    torch.testing.assert_close(maps.full(), relative(theirs[:, 0]), **ROUNDING)
    assert maps.grid.shape == (3, 2 / stride, 2 / stride, 2 / stride)
    assert maps.details == {"perturbation": "blur:sigma=5.71429" if fill == "blur" else fill}


def cells(size: int, extent: float, stride: float) -> tuple[list[range], list[tuple[int, int]]]:
    """By whole numbers: the pixels of each cell of an axis, and the first and last cell of each tubelet."""
    count = min(size, max(1, round(size / (extent * stride))))
    pixels = [range(-(-cell * size // count), -(-(cell + 1) * size // count)) for cell in range(count)]
    lengths = [abs(sum(map(len, pixels[:n])) / n * n - extent) for n in range(1, count + 1)]
    span = min(count, max(1, round(extent * count / size)))
    assert lengths[span - 1] <= min(lengths) + size / count  # the tubelet is as long as asked, to a cell
    return pixels, [(first, first + span) for first in range(count - span + 1)]


@pytest.mark.parametrize(
    ("frames", "side", "stride"), [(3, 0.3, 0.5), (2, 0.4, 1.0), (1, 0.5, 0.5), (9, 1.0, 0.25), (4, 0.15, 0.7)]
)
def test_sizes_that_do_not_divide_the_clip_equal_a_slow_literal_form(frames, side, stride):
    """A clip of 7 × 23 × 18: the fall behind each tubelet, averaged at every voxel over those that hide it."""
    clip, size = some_clips(1, frames=7, size=23)[..., :18], (7, 23, 18)
    weights = torch.rand(1, 3, *size)
    model = Weighted(weights)
    axes = [cells(*pair, stride) for pair in zip(size, (frames, side * 23, side * 18), strict=True)]
    total, hidden = torch.zeros(size), torch.zeros(size)
    with torch.no_grad():
        whole = model(clip).softmax(1)[0, 0]
        for spans in itertools.product(*(spans for _, spans in axes)):
            mask = torch.zeros(size)
            pairs = zip((pixels for pixels, _ in axes), spans, strict=True)
            mask[tuple(slice(pixels[first].start, pixels[stop - 1].stop) for pixels, (first, stop) in pairs)] = 1
            total += mask * (whole - model(clip * (1 - mask)).softmax(1)[0, 0])
            hidden += mask
    options = {"frames": frames, "side": side, "stride": stride, "fill": "black"}
    maps = occlusion.attribute(model, clip, torch.tensor([0]), **options)
    torch.testing.assert_close(maps.full(), relative((total / hidden)[None]), **ROUNDING)


class Weighted(nn.Module):
    """Two logits: the clip's sum under fixed weights, over their number, and 0."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = weights

    def forward(self, clips: Tensor) -> Tensor:
        logit = (clips * self.weights).mean(dim=(1, 2, 3, 4)) * 10
        return torch.stack([logit, 0 * logit], dim=1)


def test_occlusion_by_hand():
    """Halves of a clip with a brightness of 1 and 0, hidden by black: the logit 5, without the first half 0."""
    clip = torch.zeros(1, 3, 2, 4, 4)
    clip[..., :2] = 1
    maps = occlusion.attribute(
        Weighted(torch.ones(1)), clip, torch.tensor([0]), frames=2, side=0.5, stride=1.0, fill="black"
    )
    assert maps.grid.tolist() == [[[[1, 0], [1, 0]]]]
    half = torch.tensor([5.0, 2.5]).sigmoid()
    assert half[0] > half[1]  # the premise: a quarter of the clip hidden is half of what is seen


@pytest.mark.parametrize("method", METHODS)
def test_most_importance_lies_on_the_evidence_that_was_placed(method):
    cuboid, clips = Cuboid((2, 6), (0, 12), (12, 24)), textured_clips(2, 8, 24, 24)
    truth = cuboid.mask((8, 24, 24)).bool()
    options = {"rise": {"masks": 400, "cells": 4}, "occlusion": {}}[method]
    maps = METHODS[method][0].attribute(model_for(cuboid), clips, torch.tensor([1, 1]), **options).full()
    for importance in maps:
        hardest = importance.flatten().topk(int(truth.sum())).indices
        assert truth.flatten()[hardest].float().mean() > 0.6  # by chance 0.125
        assert truth.flatten()[importance.argmax()]
    if method == "occlusion":  # tubelets of 4 × 6 × 6 every 2, 3 and 3: those that cover row 15 hide nothing of it
        assert maps[:, :, :12].count_nonzero() > 0
        assert maps[:, :, 15:].count_nonzero() == 0


@every_method
def test_a_model_that_does_not_look_at_the_clip_has_a_map_of_zeros(method, options):
    class Blind(nn.Module):
        def forward(self, clips):
            return torch.tensor([[0.1, 0.7, 0.3]]).expand(len(clips), -1)

    maps = method.attribute(Blind(), some_clips(3), TARGETS, **options)
    assert torch.equal(maps.full(), torch.zeros(3, 8, 32, 32))


@every_method
@pytest.mark.parametrize("family", FAMILIES)
def test_a_fill_that_changes_nothing_leaves_nothing_to_show(method, options, family):
    """The mean frame of a clip that stands still is its every frame, whatever rounding makes of it."""
    clips = some_clips(2)[:, :, :1].expand(-1, -1, 8, -1, -1)
    for at_once in (3, 8):
        maps = method.attribute(narrow(family), clips, TARGETS[:2], fill="freeze", at_once=at_once, **options)
        assert torch.equal(maps.full(), torch.zeros(2, 8, 32, 32))


@every_method
def test_evidence_against_the_class_is_left_out(method, options):
    """Class 0 loses with brightness: hiding anything helps it, wherever it is."""
    clips = torch.ones(1, 3, 8, 16, 16)
    towards, against = (
        method.attribute(Brightness(2), clips, torch.tensor([target]), fill="black", **options).full()
        for target in (1, 0)
    )
    assert towards.max() == 1
    if method is occlusion:
        assert torch.equal(against, torch.zeros_like(against))
        assert towards.min() > 0
    else:  # about the mean: what one class gains the other loses
        assert ((towards > 0.01) & (against > 0.01)).sum() == 0


@every_method
def test_a_call_of_the_model_holds_no_more_clips_than_allowed_and_their_number_changes_nothing(method, options):
    clips, found = some_clips(2, size=16), []
    for at_once in (1, 7, 1000):
        model = Recording(Brightness(3))
        found.append(method.attribute(model, clips, TARGETS[:2], at_once=at_once, **options).grid)
        assert max(map(len, model.seen)) <= at_once
        assert len(model.seen) > 2 or at_once == 1000
    for other in found[1:]:
        torch.testing.assert_close(found[0], other, atol=2e-3, rtol=0)  # a batch of another size rounds otherwise


@every_method
def test_an_answer_that_is_not_finite_is_not_passed_off_as_no_importance(method, options):
    maps = method.attribute(NanAbove(3, -1.0), some_clips(1, size=8), torch.tensor([0]), **options)
    assert not maps.grid.isfinite().all()


def masks_seen(size: tuple[int, int, int] = (8, 20, 20), rows: int = 1, **options: object) -> Tensor:
    """The masks themselves: what a model sees of white clips behind black. [rows, masks, T, H, W]."""
    model = Recording(Brightness(2))
    rise.attribute(model, torch.ones(rows, 3, *size), torch.zeros(rows, dtype=torch.long), fill="black", **options)
    seen = torch.cat(model.seen)
    assert torch.equal(seen[:, 0], seen[:, 2])
    return seen[:, 0].unflatten(0, (rows, -1))


@pytest.mark.parametrize("family", FAMILIES)
def test_rise_is_the_papers_sum_less_its_value_for_a_model_that_always_gives_the_mean(family):
    """Literally: Σ Φ(m ⊗ x)·m over the number of masks and the share kept, mask by mask, in double precision."""
    model, clips, count, keep = narrow(family).double(), some_clips(3).double(), 40, 0.3
    options = {"masks": count, "keep": keep, "cells": 5, "time_cells": 3, "seed": 8}
    masks = masks_seen((8, 32, 32), **options)[0].double()
    importance = torch.zeros(3, 8, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        for row, (clip, target) in enumerate(zip(clips, TARGETS, strict=True)):
            colour = clip.mean(dim=(1, 2, 3), keepdim=True)
            scores = [model((m * clip + (1 - m) * colour)[None]).softmax(1)[0, target].item() for m in masks]
            assert max(scores) - min(scores) > 1e-4  # the premise: masks matter
            for score, mask in zip(scores, masks, strict=True):
                importance[row] += (score - sum(scores) / count) * mask / (count * keep)
    maps = rise.attribute(model, clips, TARGETS, **options)
    torch.testing.assert_close(maps.full(), relative(importance), **ROUNDING)
    assert maps.details == {"perturbation": "fade"}


def test_a_mask_is_a_coarse_grid_upsampled_in_three_directions_and_cut_at_a_random_place():
    """Every value by the formula of linear interpolation between the centres of cells."""
    size, count = (5, 9, 12), 6
    grids, shifts = rise._draw(3, count, 0.5, (2, 4, 4), size)
    assert set(grids.unique().tolist()) == {0, 1}
    lengths = (3, 3, 3)  # 5 frames in 2 cells, 9 rows and 12 columns in 4: rounded up
    masks = masks_seen(size, masks=count, cells=4, time_cells=2, seed=3, at_once=4)[0]
    for number, place in itertools.product(range(count), itertools.product(*map(range, size))):
        corners = []
        for index, shift, length, total in zip(place, shifts[number].tolist(), lengths, (2, 4, 4), strict=True):
            assert 0 <= shift < length
            # (total + 1) · length places show `total` cells.
            at = max(0.0, (index + shift + 0.5) * total / ((total + 1) * length) - 0.5)
            low = min(int(at), total - 1)
            corners.append(((low, 1 - (at - low)), (min(low + 1, total - 1), at - low)))
        value = sum(
            math.prod(weight for _, weight in corner) * grids[number][tuple(cell for cell, _ in corner)].item()
            for corner in itertools.product(*corners)
        )
        assert masks[number][place].item() == pytest.approx(value, abs=1e-5)


def test_every_row_sees_the_same_masks_and_another_seed_draws_others():
    one = masks_seen(rows=3, masks=12, at_once=5)
    assert torch.equal(one[0], one[1])
    assert torch.equal(one[0], one[2])
    assert torch.equal(one[0], masks_seen(masks=12, at_once=12)[0])
    assert not torch.allclose(one[0], masks_seen(masks=12, seed=1)[0], atol=0.1)


@pytest.mark.parametrize("keep", [0.2, 0.5])
def test_every_voxel_is_kept_with_the_probability_asked_for(keep):
    masks = masks_seen(masks=3000, keep=keep, size=(6, 10, 10), cells=3, time_cells=2, at_once=500)[0]
    # A binary value of probability p has a standard deviation of ½ at most; 3000 have a mean to 0.01.
    assert (masks.mean(dim=0) - keep).abs().max() < 0.045
    assert masks.amin() == 0
    assert masks.amax() == 1


@every_method
def test_options_out_of_their_range_are_refused(method, options):
    clips, targets = some_clips(1), TARGETS[:1]
    wrong = {"occlusion": {"frames": 0, "side": 1.5, "stride": 0.0}, "rise": {"masks": 0, "cells": 0, "keep": 0.0}}
    for name, value in wrong[method.__name__.rpartition(".")[2]].items():
        with pytest.raises(UsageError, match=f"option '{name}' is {value}; set it"):
            method.attribute(Brightness(3), clips, targets, **{name: value})
