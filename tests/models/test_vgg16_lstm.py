"""VGG16LSTM: the backbone against torchvision's VGG16, the rest against the equations written out."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import VGG16_Weights, vgg16, vgg16_bn

from stepaudit.errors import UsageError
from stepaudit.models import vgg16_lstm


def narrow(**options):
    return vgg16_lstm.build(3, **{"width": 4, "features": 16, "hidden": 8, "pooled": 1, **options}).eval()


@pytest.mark.parametrize(("theirs", "batch_norm"), [(vgg16, False), (vgg16_bn, True)], ids=["vgg16", "vgg16_bn"])
def test_the_backbones_parameters_are_part_of_torchvisions(theirs, batch_norm):
    with torch.device("meta"):
        ours, wanted = vgg16_lstm.build(5, batch_norm=batch_norm).backbone.state_dict(), theirs().state_dict()
    shapes = {name: value.shape for name, value in wanted.items() if not name.startswith("classifier.6")}
    assert {name: value.shape for name, value in ours.items()} == shapes


def test_at_full_width_the_backbone_is_torchvisions_vgg16_to_fc7():
    """138 million random weights, held once: our network takes over torchvision's tensors."""
    theirs = vgg16(init_weights=False).eval()
    with torch.device("meta"):
        backbone = vgg16_lstm.build(5).backbone.eval()
    backbone.load_state_dict(theirs.state_dict(), strict=False, assign=True)
    images = torch.randn(1, 3, 64, 80)
    with torch.no_grad():
        to_fc7 = theirs.classifier[:6](theirs.avgpool(theirs.features(images)).flatten(1))
        assert to_fc7.std() > 0
        torch.testing.assert_close(backbone(images), to_fc7)


def test_frames_are_normalised_as_torchvisions_weights_want_it():
    preset = VGG16_Weights.IMAGENET1K_V1.transforms()
    clips = torch.rand(1, 3, 2, 4, 4)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1, 1) for values in (preset.mean, preset.std))
    torch.testing.assert_close(narrow().normalise(clips), (clips - mean) / std)


def literal_step(inputs, hidden, cell, weights):
    """One step for one sample, gate by gate: i, f, o with the logistic function, ReLU in place of both tanh."""
    units = len(hidden)
    gates = []
    for gate in range(4):
        rows = slice(gate * units, (gate + 1) * units)
        gates.append(
            weights["from_input.weight"][rows] @ inputs + weights["from_input.bias"][rows]
            + weights["from_hidden.weight"][rows] @ hidden + weights["from_hidden.bias"][rows]
        )  # fmt: skip
    enter, forget, candidate, leave = gates
    sigmoid, relu = lambda x: 1 / (1 + np.exp(-x)), lambda x: np.maximum(x, 0)
    cell = sigmoid(forget) * cell + sigmoid(enter) * relu(candidate)
    return sigmoid(leave) * relu(cell), cell


def numpy_weights(module):
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def test_the_lstm_cell_equals_its_equations_with_relu():
    lstm = vgg16_lstm.ReLULSTMCell(5, 4)
    weights = numpy_weights(lstm)
    inputs, hidden, cell = torch.randn(6, 5), torch.rand(6, 4), torch.rand(6, 4) - 0.2
    with torch.no_grad():
        result = lstm(inputs, hidden, cell)
    for row in range(6):
        expected = literal_step(*(value[row].double().numpy() for value in (inputs, hidden, cell)), weights)
        for mine, theirs in zip(result, expected, strict=True):
            np.testing.assert_allclose(mine[row].numpy(), theirs, atol=1e-6)


def test_the_cells_gates_are_in_pytorchs_order_and_only_the_tanh_differs():
    """With candidate and cell positive and small, tanh(x) ≈ x = ReLU(x): PyTorch's own cell then gives the same."""
    lstm, theirs = vgg16_lstm.ReLULSTMCell(5, 4), nn.LSTMCell(5, 4)
    with torch.no_grad():
        lstm.from_input.weight[8:12], lstm.from_hidden.weight[8:12] = 0, 0
        lstm.from_input.bias[8:12], lstm.from_hidden.bias[8:12] = 0.01, 0.01
    names = {"weight_ih": "from_input.weight", "weight_hh": "from_hidden.weight",
             "bias_ih": "from_input.bias", "bias_hh": "from_hidden.bias"}  # fmt: skip
    theirs.load_state_dict({name: lstm.state_dict()[own] for name, own in names.items()})
    inputs, hidden, cell = torch.randn(6, 5), torch.rand(6, 4), torch.rand(6, 4) / 100
    with torch.no_grad():
        for mine, expected in zip(lstm(inputs, hidden, cell), theirs(inputs, (hidden, cell)), strict=True):
            torch.testing.assert_close(mine, expected, atol=1e-5, rtol=1e-3)  # tanh(0.02) = 0.02 − 2.7e-6


def test_forward_is_the_log_of_the_mean_over_time_of_each_steps_softmax():
    model, clips = narrow(), torch.rand(2, 3, 5, 32, 32)
    lstm, fc = numpy_weights(model.lstm), numpy_weights(model.fc)
    with torch.no_grad():
        result = model(clips)
        features = model.backbone(model.normalise(clips).transpose(1, 2).flatten(0, 1)).view(2, 5, -1).double().numpy()
    for row in range(2):
        hidden, cell, probabilities = np.zeros(8), np.zeros(8), []
        for step in range(5):
            hidden, cell = literal_step(features[row, step], hidden, cell, lstm)
            powers = np.exp(fc["weight"] @ hidden + fc["bias"])
            probabilities.append(powers / powers.sum())
        assert np.ptp(probabilities, axis=0).max() > 1e-4  # the premise: steps differ
        np.testing.assert_allclose(result[row].numpy(), np.log(np.mean(probabilities, axis=0)), atol=1e-5)
    torch.testing.assert_close(result.softmax(1), result.exp())  # softmax of the logits is the mean itself


def test_no_gradient_flows_through_the_recurrent_state():
    """The last step's own answer depends on earlier frames, but its gradient does not."""
    model, steps = narrow(), []
    model.fc.register_forward_hook(lambda _module, _inputs, output: steps.append(output))
    clips = torch.rand(1, 3, 4, 32, 32, requires_grad=True)
    model(clips)
    assert len(steps) == 4
    (gradient,) = torch.autograd.grad(steps[-1][0].abs().sum(), clips)
    assert torch.equal(gradient[:, :, :-1], torch.zeros_like(gradient[:, :, :-1]))
    assert gradient[:, :, -1].abs().sum() > 0
    last = steps[-1].detach()
    with torch.no_grad():
        model(torch.cat([1 - clips[:, :, :1], clips[:, :, 1:]], dim=2))
    assert not torch.equal(steps[-1], last)


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 32, 32), (3, 33, 47), (16, 48, 64), (2, 112, 40)])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_narrow_network_takes_clips_of_any_size_from_32_pixels_on(frames, height, width, batch_norm):
    result = narrow(batch_norm=batch_norm, pooled=2)(torch.rand(2, 3, frames, height, width))
    assert result.shape == (2, 3)
    torch.testing.assert_close(result.exp().sum(dim=1), torch.ones(2))


def test_smaller_clips_are_refused_with_a_reason():
    """Five poolings leave nothing of 31 pixels."""
    with pytest.raises(UsageError, match=r"31 × 40 pixels.*at least 32"):
        narrow()(torch.rand(1, 3, 2, 31, 40))


def test_the_activation_layer_is_the_activation_after_conv5_before_the_pooling():
    for batch_norm in (False, True):
        model = narrow(batch_norm=batch_norm)
        assert isinstance(model.activation_layer, nn.ReLU)
        assert isinstance(model.backbone.features[-1], nn.MaxPool2d)
        outputs = []
        model.activation_layer.register_forward_hook(lambda _module, _inputs, output, seen=outputs: seen.append(output))
        model(torch.rand(2, 3, 3, 64, 64))
        assert outputs[0].shape == (2 * 3, 32, 4, 4)
        assert outputs[0].min() == 0


def test_dropout_acts_in_training_only():
    model, clips = narrow(dropout=0.5, features=64), torch.rand(1, 3, 4, 32, 32)
    assert torch.equal(model(clips), model(clips))
    model.train()
    assert not torch.equal(model(clips), model(clips))


def test_rows_do_not_depend_on_each_other():
    model, clips = narrow(batch_norm=True), torch.rand(3, 3, 4, 32, 32)
    torch.testing.assert_close(model(clips)[1:2], model(clips[1:2]), atol=1e-5, rtol=1e-5)
