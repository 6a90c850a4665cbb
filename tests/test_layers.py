"""Looking into a model without leaving a trace, and Gaussian smoothing."""

import pytest
import torch
from narrow_models import changes, narrow, some_clips, state, untidy
from scipy.ndimage import gaussian_filter
from torch import nn

from stepaudit import layers
from stepaudit.errors import NotApplicableError


def test_a_frozen_model_is_in_evaluation_mode_without_gradients_and_then_as_it_was():
    model = untidy(narrow("vgg16_lstm"))
    before = state(model)
    with layers.frozen(model) as inner:
        assert inner is model
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())
        model(some_clips(1))
    assert changes(before, state(model)) == []


def test_a_frozen_model_is_as_it_was_after_an_error_too():
    model = untidy(narrow("r2plus1d_18"))
    before = state(model)
    with pytest.raises(ValueError, match="a bug"), layers.frozen(model):
        raise ValueError("a bug")
    assert changes(before, state(model)) == []


def test_outputs_are_recorded_while_it_is_asked_for():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with layers.recorded(model[0]) as outputs:
        model(torch.ones(1, 2))
        model(torch.zeros(1, 2))
    model(torch.ones(1, 2))
    assert len(outputs) == 2
    torch.testing.assert_close(outputs[1][0], model[0].bias)
    with pytest.raises(ValueError, match="a bug"), layers.recorded(model[0]):
        raise ValueError("a bug")
    assert not model[0]._forward_hooks


def test_probability_and_rank_by_hand():
    logits = torch.tensor([[1.0, 3.0, 2.0], [0.0, 0.0, 0.0], [5.0, 1.0, 1.0]])
    probability, rank = layers.probability_and_rank(logits, torch.tensor([2, 1, 0]))
    powers = torch.tensor([[1.0, 3.0, 2.0], [0.0, 0.0, 0.0], [5.0, 1.0, 1.0]]).exp()
    expected = [powers[row, target] / powers[row].sum() for row, target in ((0, 2), (1, 1), (2, 0))]
    torch.testing.assert_close(probability, torch.stack(expected))
    assert rank.tolist() == [2, 1, 1]


@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.5])
def test_blur_equals_scipys(sigma):
    frames = torch.rand(2, 3, 21, 17, dtype=torch.float64)
    radius = max(1, round(3 * sigma))
    expected = gaussian_filter(frames.numpy(), (0, 0, sigma, sigma), mode="nearest", radius=(0, 0, radius, radius))
    ours = layers.gaussian_blur(frames, sigma)
    # Weights are made in float32.
    torch.testing.assert_close(ours, torch.from_numpy(expected), atol=1e-6, rtol=1e-5)


def test_a_blur_of_zero_pixels_changes_nothing():
    frames = torch.rand(2, 5, 7)
    assert layers.gaussian_blur(frames, 0) is frames


class InPlace(nn.Module):
    """Normalises its clips in place, by a view that PyTorch does not count, and fills one tensor at every call."""

    answer = torch.zeros(2, 1)

    def forward(self, clips):
        clips.data.sub_(0.5)
        self.answer.copy_(clips.mean(dim=(1, 2)).detach()[:, None])
        return self.answer


def test_an_isolated_model_changes_neither_its_callers_clips_nor_its_earlier_outputs():
    model, clips = InPlace(), torch.tensor([[[0.5]], [[1.0]]])
    with layers.isolated(model), layers.isolated(model):
        first, second = model(clips), model(clips + 1)
    assert first.flatten().tolist() == [0.0, 0.5]
    assert second.flatten().tolist() == [1.0, 1.5]
    assert clips.flatten().tolist() == [0.5, 1.0]
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


def test_gradients_pass_through_the_copies_and_outputs_of_other_precision_come_as_float32():
    model = nn.Linear(2, 1, dtype=torch.bfloat16)
    inputs = torch.ones(1, 2, dtype=torch.bfloat16, requires_grad=True)
    with layers.frozen(model):
        output = model(inputs)
    assert output.dtype == torch.float32
    assert torch.equal(layers.gradient(output, inputs), model.weight)


@pytest.mark.parametrize("cut", [lambda x: x.detach(), lambda x: (255 * x).long() / 255], ids=["detach", "long"])
def test_what_no_gradient_reaches_is_not_applicable(cut):
    inputs = torch.ones(2, requires_grad=True)
    for values in (cut(inputs), cut(inputs) * torch.ones(2, requires_grad=True)):
        with pytest.raises(NotApplicableError, match="no gradient reaches the clip"):
            layers.gradient(values, inputs)


def test_a_model_without_gradient_answers_the_same_and_refuses_to_be_differentiated():
    model, inputs = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with layers.without_gradient(model):
        output = model(inputs)
        with pytest.raises(NotApplicableError, match="no gradient"):
            layers.gradient(output, inputs)
    assert torch.equal(output, model(inputs))
    assert layers.gradient(model(inputs), inputs).shape == (1, 2)


def test_what_is_recorded_is_what_the_layer_gave_although_the_next_one_works_in_place():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]])), model[0].bias.zero_()
    with layers.recorded(model[0]) as outputs:
        result = model(torch.ones(1, 2))
    assert outputs[0].tolist() == [[1.0, -1.0]]
    assert result.tolist() == [[1.0, 0.0]]
