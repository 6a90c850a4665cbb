"""Kept probability on the model whose evidence we placed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from known_answer import Cuboid, model_for, textured_clips
from torch import nn

from stepaudit.errors import NonFiniteError
from stepaudit.extremal.perturbation import LEVELS, hard_mask
from stepaudit.metrics import kept_probability

SHAPE = (8, 32, 32)
CUBOID = Cuboid((2, 6), (8, 24), (8, 24))


@pytest.fixture
def clip():
    return textured_clips(1, *SHAPE)[0]


@pytest.mark.parametrize("perturbation", ["blur", "blur-pyramid", "fade"])
def test_a_map_on_the_evidence_keeps_the_class_and_one_elsewhere_loses_it(perturbation, clip):
    evidence, model = CUBOID.mask(SHAPE), model_for(CUBOID)
    share = evidence.mean().item()

    def kept(importance, share):
        return kept_probability.score(importance, clip, model, 1, share, perturbation=perturbation)

    assert kept(evidence, share) > 0.98
    assert kept(1 - evidence, share) < 0.02
    assert kept(1 - evidence, 1 - share) < 0.02  # however much is kept elsewhere
    assert kept(evidence, 0.99) > 0.98


def test_the_maps_own_ratio_goes_before_the_share(clip):
    evidence, model = CUBOID.mask(SHAPE), model_for(CUBOID)
    assert kept_probability.score(evidence, clip, model, 1, 0.13, share=0.001) > 0.98
    assert kept_probability.score(evidence, clip, model, 1, None, share=0.001) < 0.02
    assert kept_probability.score(evidence, clip, model, 1, None, share=0.13) > 0.98


def test_the_probability_is_the_targets(clip):
    evidence, model = CUBOID.mask(SHAPE), model_for(CUBOID)
    both = [kept_probability.score(evidence, clip, model, target, 0.05) for target in (0, 1)]
    assert sum(both) == pytest.approx(1)


def test_only_the_order_of_the_map_counts(clip):
    importance, model = torch.rand(SHAPE), model_for(CUBOID)
    values = [
        kept_probability.score(scaled, clip, model, 1, 0.5) for scaled in (importance, importance**3, importance / 9)
    ]
    assert values[0] == values[1] == values[2]


@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 7), st.floats(0, 1), st.booleans())
def test_a_hard_mask_has_exactly_the_asked_volume(frames, height, width, share, flat):
    importance = torch.zeros(frames, height, width) if flat else torch.rand(frames, height, width)
    mask = hard_mask(importance, share)
    assert mask.shape == importance.shape
    assert mask.unique().tolist() in ([0], [1], [0, 1])
    assert mask.sum() == round(share * importance.numel())
    if 0 < mask.sum() < mask.numel():
        assert importance[mask == 1].min() >= importance[mask == 0].max()


def test_a_model_that_answers_nan_is_no_number(clip):
    class Nan(nn.Module):
        def forward(self, clips):
            return clips.new_full((len(clips), 2), float("nan"))

    with pytest.raises(NonFiniteError, match="NaN"):
        kept_probability.score(CUBOID.mask(SHAPE), clip, Nan(), 1, 0.1)


@pytest.mark.parametrize("perturbation", LEVELS)
def test_the_model_and_the_clip_are_left_as_they_were(perturbation, clip):
    model, before = model_for(CUBOID).train(), clip.clone()
    kept_probability.score(CUBOID.mask(SHAPE), clip, model, 1, 0.1, perturbation=perturbation)
    assert model.training
    assert torch.equal(clip, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_map_from_a_table_meets_a_clip_on_the_gpu(clip):
    assert kept_probability.score(CUBOID.mask(SHAPE), clip.cuda(), model_for(CUBOID), 1, 0.13) > 0.98
