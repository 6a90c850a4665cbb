"""Checks of a model's output: every error names the next step."""

import math

import pytest
import torch
from narrow_models import FAMILIES, narrow, some_clips
from torch import nn

from stepaudit import adapters
from stepaudit.errors import UsageError

LOGITS = torch.tensor([[0.5, -1.0, 2.0], [0.1, 0.2, 0.3]])
WRONG = {
    "tuple": ((LOGITS, LOGITS), r"Net returns a tuple of \[2, 3\], \[2, 3\], not logits.*which to `take`"),
    "dict": ({"verb": LOGITS, "noun": 1}, r"Net returns a dict of 'verb', 'noun', not logits"),
    "nothing": (None, "Net returns a NoneType, not logits"),
    "one axis too many": (LOGITS[:, :, None], r"shape \[2, 3, 1\] for 2 clips, not \[2, 3\].*average over other axes"),
    "one axis too few": (LOGITS[:, 0], r"Net returns one value for each clip, .* gives=\"logit\", or gives=\"prob"),
    "one column": (LOGITS[:, :1], "as binary classifiers do.*; set `gives: logit` of the model, or `gives: regr"),
    "a row for each frame": (LOGITS.repeat(8, 1), r"shape \[16, 3\] for 2 clips"),
    "other classes": (torch.rand(2, 400), r"returns 400 values for each clip of a data set with 3 classes; give its"),
    "whole numbers": (LOGITS.argmax(1, keepdim=True).expand(2, 3), r"returns torch.int64, not logits; leave argmax"),
    "probabilities": (LOGITS.softmax(1), r"Net returns probabilities.*leave its softmax out, or wrap.*gives=\"prob"),
    "probabilities in half precision": (LOGITS.softmax(1).half(), "Net returns probabilities"),
}


@pytest.mark.parametrize(("output", "text"), WRONG.values(), ids=WRONG)
def test_what_is_no_logits_says_what_to_do(output, text):
    with pytest.raises(UsageError, match=text):
        adapters.check_logits(output, 2, 3, "Net")


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        LOGITS.log_softmax(1),
        LOGITS.half(),
        torch.zeros(2, 3),
        torch.cat([LOGITS.softmax(1)[:1], LOGITS[1:]]),  # one row may sum to 1 by chance
        torch.full((2, 3), math.nan),  # the failure of these clips, not of the model
        torch.tensor([[0.2, 0.9, 0.5]] * 2),  # sigmoids cannot be told from logits
    ],
    ids=["logits", "log-probabilities", "half", "zeros", "one row", "nan", "sigmoids"],
)
def test_logits_pass(output):
    adapters.check_logits(output, 2, 3, "Net")


def test_a_single_class_has_a_probability_of_1_whatever_the_clip():
    with pytest.raises(UsageError, match="Net has one class, whose softmax is 1 for any clip"):
        adapters.check_logits(torch.ones(2, 1), 2, 1, "Net")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_passes_and_its_answer_comes_back(family):
    model, clips = narrow(family), some_clips(2)
    with torch.no_grad():
        assert torch.equal(adapters.logits_of(model, clips, 3), model(clips))


def test_an_error_of_the_model_tells_what_it_was_given():
    with pytest.raises(RuntimeError) as caught:
        adapters.logits_of(nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), some_clips(2), 3)
    (note,) = caught.value.__notes__
    assert "Sequential was given clips of shape [2, 3, 8, 32, 32]; if it takes another length or size, set" in note


def test_logits_that_nearly_sum_to_one_are_no_probabilities():
    logits = torch.tensor([[0.4102, 0.5921]])
    adapters.check_logits(logits, 1, 2, "Net")
    with pytest.raises(UsageError, match="probabilities"):
        adapters.check_logits((logits * 7).softmax(dim=1), 1, 2, "Net")
    with pytest.raises(UsageError, match="probabilities"):
        adapters.check_logits(torch.randn(3, 400).softmax(dim=1).bfloat16().float(), 3, 400, "Net")
