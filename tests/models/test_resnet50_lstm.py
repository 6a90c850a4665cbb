"""ResNet50LSTM: the recurrence that it shares with VGG16LSTM, and its narrow forms."""

import pytest
import torch
from torch.nn import functional

from stepaudit.errors import UsageError
from stepaudit.models import resnet50_lstm


def narrow(**options):
    return resnet50_lstm.build(3, **{"width": 2, "depths": (1, 1, 1, 1), "hidden": 8, **options}).eval()


def test_the_recurrence_sees_the_pooled_features_of_the_last_stage():
    model, seen = narrow(), []
    model.activation_layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    model.lstm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(torch.rand(2, 3, 3, 64, 96))
    activation, *steps = seen
    assert activation.shape == (2 * 3, 64, 2, 3)
    assert len(steps) == 3
    torch.testing.assert_close(torch.stack(steps, dim=1), activation.mean(dim=(2, 3)).unflatten(0, (2, 3)))


def test_forward_is_the_log_of_the_mean_over_time_of_each_steps_softmax():
    model, clips, probabilities = narrow(), torch.rand(2, 3, 4, 32, 32), []
    with torch.no_grad():
        hidden = cell = torch.zeros(2, 8)
        for frame in model.normalise(clips).unbind(dim=2):
            hidden, cell = model.lstm(model.backbone(frame), hidden, cell)
            probabilities.append(functional.softmax(model.fc(hidden), dim=1))
        torch.testing.assert_close(model(clips).exp(), torch.stack(probabilities).mean(dim=0))


def test_no_gradient_flows_through_the_recurrent_state():
    model, steps = narrow(), []
    model.fc.register_forward_hook(lambda _module, _inputs, output: steps.append(output))
    clips = torch.rand(1, 3, 4, 32, 32, requires_grad=True)
    model(clips)
    (gradient,) = torch.autograd.grad(steps[-1][0].square().sum(), clips)
    assert torch.equal(gradient[:, :, :-1], torch.zeros_like(gradient[:, :, :-1]))
    assert gradient[:, :, -1].abs().sum() > 0


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 8, 8), (3, 17, 30), (2, 112, 40)])
def test_a_narrow_network_takes_clips_of_any_size(frames, height, width):
    result = narrow()(torch.rand(2, 3, frames, height, width))
    torch.testing.assert_close(result.exp().sum(dim=1), torch.ones(2))


def test_width_and_depths_are_those_of_every_stage():
    model = narrow(width=3, depths=(1, 2, 1, 2))
    assert [len(getattr(model.backbone, f"layer{stage}")) for stage in (1, 2, 3, 4)] == [1, 2, 1, 2]
    assert model.lstm.from_input.in_features == 32 * 3
    with torch.device("meta"):
        assert resnet50_lstm.build(3).lstm.from_input.in_features == 2048


@pytest.mark.parametrize("depths", [(3, 4, 6), (3, 4, 6, 0), ()])
def test_other_than_four_stages_are_refused(depths):
    with pytest.raises(UsageError, match=r"give four numbers from 1 on, such as \[3, 4, 6, 3\]"):
        narrow(depths=depths)


def test_rows_do_not_depend_on_each_other():
    model, clips = narrow(), torch.rand(3, 3, 4, 32, 32)
    torch.testing.assert_close(model(clips)[1:2], model(clips[1:2]), atol=1e-5, rtol=1e-5)
