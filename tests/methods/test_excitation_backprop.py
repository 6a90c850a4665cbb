"""EB-R: numbers by hand, the papers' equation written out unit by unit, Captum, and what it must refuse."""

from fractions import Fraction

import numpy as np
import pytest
import torch
import torchvision
from captum.attr import LRP
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule
from narrow_models import CLASSES, changes, narrow, some_clips, state
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock

from stepaudit.errors import NotApplicableError
from stepaudit.methods import excitation_backprop
from stepaudit.methods.excitation_backprop import winning_probabilities
from stepaudit.models import vgg16_lstm

FIRST = torch.tensor([0])


class FrameNet(nn.Module):
    """The clip itself is the explained activation; `after` makes logits of its frames, [N, T, 3, H, W]."""

    def __init__(self, after, **parts: nn.Module):
        super().__init__()
        self.activation_layer = nn.Identity()
        self.after = after
        self.parts = nn.ModuleDict(parts)

    def forward(self, clips: Tensor) -> Tensor:
        frames = self.activation_layer(clips.transpose(1, 2).flatten(0, 1).clone())
        return self.after(frames.unflatten(0, (len(clips), -1)))


def clip(*values: float, frames: int = 1, size: tuple[int, int] = (1, 1)) -> Tensor:
    """A clip of one row, whose values are given frame by frame, channel by channel."""
    return torch.tensor(values).view(1, frames, 3, *size).transpose(1, 2)


def probabilities(model: nn.Module, clips: Tensor, targets: Tensor = FIRST, contrastive: bool = False) -> Tensor:
    """[N, T, C, h, w]."""
    return winning_probabilities(model.eval(), model.activation_layer, clips, targets, contrastive)


def linear(*rows: tuple[float, ...], bias: float | None = None) -> nn.Linear:
    """A layer with these weights."""
    layer = nn.Linear(len(rows[0]), len(rows), bias=bias is not None)
    layer.weight.data = torch.tensor(rows)
    if bias is not None:
        layer.bias.data.fill_(bias)
    return layer


# By hand.


def test_one_layer_shares_its_probability_as_activation_times_positive_weight():
    """Contributions 2·1, −1·2 and 1·3, of which the second excites nothing and the bias gets nothing: 2/5, 0, 3/5."""
    layer = linear((2.0, -1.0, 1.0), (0.0, 0.0, 1.0), bias=7.0)
    found = probabilities(FrameNet(lambda frames: layer(frames.flatten(1))), clip(1.0, 2.0, 3.0))
    assert found.flatten().tolist() == pytest.approx([0.4, 0, 0.6])


def test_activations_below_zero_take_no_part():
    """Without a ReLU between two layers: h = (1 − 3, 1 + 1) = (−2, 2), of which only h₁ excites the class."""
    first, second = linear((1.0, -3.0, 0.0), (1.0, 1.0, 0.0)), linear((1.0, 1.0), (0.0, 0.0))
    found = probabilities(FrameNet(lambda frames: second(first(frames.flatten(1)))), clip(1.0, 1.0, 0.0))
    assert found.flatten().tolist() == pytest.approx([0.5, 0.5, 0])


def test_constants_get_nothing_and_take_nothing():
    """Added to what depends on the clip, or stacked with it and averaged, they are biases."""
    layer = linear((1.0, 2.0, 0.0), (1.0, 1.0, 1.0))
    model = FrameNet(lambda frames: torch.stack([layer(5 + frames.flatten(1)) - 5, torch.ones(1, 2)]).mean(dim=0))
    assert probabilities(model, clip(1.0, 1.0, 0.0)).flatten().tolist() == pytest.approx([1 / 3, 2 / 3, 0])


def two_layers(classifier: tuple[float, ...]) -> FrameNet:
    """Three activations, two hidden units, and a class; the hidden units are relu(a₀ + a₁) and relu(2 a₀ − a₁ + 1)."""
    first, second = linear((1.0, 1.0, 0.0), (2.0, -1.0, 0.0)), linear(classifier, (1.0, 1.0))
    first.bias = nn.Parameter(torch.tensor([0.0, 1.0]))
    return FrameNet(lambda frames: second(functional.relu(first(frames.flatten(1)))))


def test_two_layers_by_hand():
    """With a = (1, 2, 0): h = (3, 1), whose contributions 1·3 and 3·1 share 1 as ½, ½.

    h₀ shares as 1 : 2, h₁ has a₀ alone, its bias gets nothing: P(a₀) = ½ · ⅓ + ½ = ⅔ and P(a₁) = ½ · ⅔ = ⅓.
    """
    found = probabilities(two_layers((1.0, 3.0)), clip(1.0, 2.0, 0.0))
    assert found.flatten().tolist() == pytest.approx([2 / 3, 1 / 3, 0])


def test_contrast_by_hand():
    """Class weights (1, −3). As they are, h₀ wins: P(a) = (⅓, ⅔). Negated, h₁ wins: P(a) = (1, 0). Less: (−⅔, ⅔)."""
    model, values = two_layers((1.0, -3.0)), clip(1.0, 2.0, 0.0)
    assert probabilities(model, values).flatten().tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert probabilities(model, values, contrastive=True).flatten().tolist() == pytest.approx([-2 / 3, 2 / 3, 0])


def test_maps_are_scaled_to_a_maximum_of_1_and_contrastive_ones_keep_the_positive_part():
    """Two pixels of three channels, all 1, with weights (1, 3), (0, 0) and (−1, 0).

    P = (¼, ¾), of which the map is (⅓, 1); negated it is (1, 0), so that (−¾, ¾) is left.
    """
    layer = linear((1.0, 3.0, 0.0, 0.0, -1.0, 0.0), (0.0,) * 6)
    model, values = FrameNet(lambda frames: layer(frames.flatten(1))), torch.ones(1, 3, 1, 1, 2)
    plain, contrast = (excitation_backprop.attribute(model, values, FIRST, contrastive=flag) for flag in (False, True))
    assert plain.grid.flatten().tolist() == pytest.approx([1 / 3, 1], abs=5e-4)
    assert contrast.grid.flatten().tolist() == [0, 1]


class OneUnitLSTM(nn.Module):
    """One unit with all gates at ½: g = relu(x₀ + 2 x₁ − x₂ + 4 h + 1), c ← ½ c + ½ g, h = ½ relu(c)."""

    def __init__(self, detached: bool):
        super().__init__()
        self.from_input, self.from_hidden = (
            linear((0.0,) * 3, (0.0,) * 3, (1.0, 2.0, -1.0), (0.0,) * 3),
            nn.Linear(1, 4),
        )
        self.from_hidden.weight.data = torch.tensor([[0.0], [0.0], [4.0], [0.0]])
        self.from_hidden.bias.data = torch.tensor([0.0, 0.0, 1.0, 0.0])
        self.fc = linear((1.0,), (-1.0,), bias=0.3)
        self.state = Tensor.detach if detached else Tensor.clone

    def forward(self, frames: Tensor) -> Tensor:
        hidden = cell = frames.new_zeros(len(frames), 1)
        steps = []
        for step in frames.flatten(2).unbind(1):
            gates = self.from_input(step) + self.from_hidden(self.state(hidden))
            enter, forget, candidate, leave = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * self.state(cell) + enter.sigmoid() * candidate.relu()
            hidden = leave.sigmoid() * cell.relu()
            steps.append(self.fc(hidden).log_softmax(dim=1))
        return torch.stack(steps).logsumexp(dim=0) - np.log(len(steps))


@pytest.mark.parametrize("detached", [False, True])
def test_two_steps_of_an_lstm_by_hand(detached):
    """Frames (1, 1, 1) and (2, 0, 1); h and c start at 0.

    Forward   g₁ = 1 + 2 − 1 + 0 + 1 = 3      c₁ = 3/2          h₁ = 3/4
              g₂ = 2 + 0 − 1 + 3 + 1 = 5      c₂ = 3/4 + 5/2    h₂ = 13/8
    Each step's answer gets ½, and all of it h₁ and h₂, the class's only excitation.
    Step 2    c₂ gets ½ and shares it as ½ c₁ : ½ g₂ = 3 : 10           c₁ gets 3/26, g₂ gets 5/13
              g₂ shares as x₀ : 4 h₁ = 2 : 3 (−x₂ and 1 get nothing)    x₀ gets 2/13, h₁ gets 3/13
    Step 1    c₁ gets ½ + 3/13 from h₁, and 3/26: 11/13, all for g₁
              g₁ shares as x₀ : 2 x₁ = 1 : 2                            x₀ gets 11/39, x₁ gets 22/39
    """
    frames = clip(1.0, 1.0, 1.0, 2.0, 0.0, 1.0, frames=2)
    found = probabilities(FrameNet(OneUnitLSTM(detached)), frames)[0, :, :, 0, 0]
    by_hand = [[Fraction(11, 39), Fraction(22, 39), 0], [Fraction(2, 13), 0, 0]]
    assert sum(map(sum, by_hand)) == 1
    np.testing.assert_allclose(found, np.array(by_hand, dtype=float), atol=1e-6)


def test_every_step_starts_with_the_same_probability_however_sure_it_is():
    """Frame by frame without a recurrence: the second of three frames alone makes the class probable."""
    layer = linear((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    model = FrameNet(lambda frames: layer(frames.flatten(2)).log_softmax(2).logsumexp(1) - np.log(3))
    values = clip(0.1, 0.0, 0.0, 9.0, 0.0, 0.0, 0.1, 0.0, 0.0, frames=3)
    assert probabilities(model, values).sum(dim=(2, 3, 4)).flatten().tolist() == pytest.approx([1 / 3] * 3)
    for after in (
        lambda frames: layer(frames.flatten(2)).softmax(2).mean(1).log(),
        lambda frames: sum(layer(frame).softmax(1) for frame in frames.flatten(2).unbind(1)).div(3).log(),
        lambda frames: layer(frames.flatten(2)).logsumexp(1),
    ):
        torch.testing.assert_close(probabilities(FrameNet(after), values), probabilities(model, values))


def test_a_mean_of_logits_shares_its_probability_as_the_steps_contribute():
    """It is a linear layer like others: logits 1 and 3 share as 1 : 3."""
    layer = linear((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    model = FrameNet(lambda frames: layer(frames.flatten(2)).mean(dim=1))
    found = probabilities(model, clip(1.0, 0.0, 0.0, 1.0, 1.0, 1.0, frames=2))
    assert found.sum(dim=(2, 3, 4)).flatten().tolist() == pytest.approx([0.25, 0.75])


# Against the equation, unit by unit.


def literal_layer(above: np.ndarray, activations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """P(a_j) = Σ_i a_j w⁺_ij / Σ_k a_k w⁺_ik · P(a_i). Zhang et al. 2018, eq. 1 with 3.2's conditional probability."""
    below = np.zeros(len(activations))
    for i, probability in enumerate(above):
        total = sum(a * max(w, 0) for a, w in zip(activations, weights[i], strict=True))
        for j, activation in enumerate(activations):
            if total > 0:
                below[j] += activation * max(weights[i, j], 0) / total * probability
    return below


def literal_lstm(fc: np.ndarray, cells: dict, inputs: np.ndarray, from_input: np.ndarray, from_hidden: np.ndarray):
    """P of each step's input, [T, F]; `cells` holds the gates, candidates and states of the forward pass."""
    frames, units = cells["hidden"].shape
    found, to_hidden, to_cell = np.zeros_like(inputs), np.zeros(units), np.zeros(units)
    for t in reversed(range(frames)):
        to_hidden = to_hidden + literal_layer(np.array([1 / frames]), cells["hidden"][t], fc[None])
        to_cell = to_cell + to_hidden
        kept = cells["forget"][t] * (cells["cell"][t - 1] if t else 0)
        entered = cells["enter"][t] * cells["candidate"][t]
        share = np.divide(entered, kept + entered, out=np.zeros(units), where=kept + entered > 0)
        to_candidate, to_cell = to_cell * share, to_cell * np.where(kept > 0, 1 - share, 0)
        before = cells["hidden"][t - 1] if t else np.zeros(units)
        joint = literal_layer(to_candidate, np.concatenate([inputs[t], before]), np.hstack([from_input, from_hidden]))
        found[t], to_hidden = joint[: inputs.shape[1]], joint[inputs.shape[1] :]
    return found


def forward_lstm(lstm: nn.Module, inputs: Tensor) -> dict[str, np.ndarray]:
    """Gates, candidates and states of each step, [T, units]."""
    hidden = cell = torch.zeros(lstm.hidden)
    names, rows = ("enter", "forget", "candidate", "leave", "cell", "hidden"), []
    for step in inputs:
        enter, forget, candidate, leave = (lstm.from_input(step) + lstm.from_hidden(hidden)).chunk(4)
        cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.relu()
        hidden = leave.sigmoid() * cell.relu()
        rows.append((enter.sigmoid(), forget.sigmoid(), candidate.relu(), leave.sigmoid(), cell, hidden))
    return {
        name: torch.stack(column).double().numpy() for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def literal_vgg16_lstm(model: nn.Module, values: Tensor, fc: np.ndarray) -> np.ndarray:
    """P at conv5, [T, C, 4, 4], of one clip: maximum pooling, mean of the rest, fc6, fc7, LSTM, the class's weights."""
    backbone, lstm = model.backbone, model.lstm
    with torch.no_grad():
        conv5 = backbone.features[:-1](model.normalise(values)[0].transpose(0, 1))
        pooled = backbone.features[-1](conv5)
        means = pooled.mean(dim=(2, 3))
        fc6 = backbone.classifier[0](means).relu()
        fc7 = backbone.classifier[3](fc6).relu()
        cells = forward_lstm(lstm, fc7)
    units = slice(2 * lstm.hidden, 3 * lstm.hidden)  # the candidates
    conv5, pooled, means, fc6, fc7 = (part.double().numpy() for part in (conv5, pooled, means, fc6, fc7))
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    to_fc7 = literal_lstm(
        fc, cells, fc7, weights["lstm.from_input.weight"][units], weights["lstm.from_hidden.weight"][units]
    )
    found = np.zeros_like(conv5)
    for t, above in enumerate(to_fc7):
        to_fc6 = literal_layer(above, fc6[t], weights["backbone.classifier.3.weight"])
        to_means = literal_layer(to_fc6, means[t], weights["backbone.classifier.0.weight"])
        for channel, y, x in np.ndindex(pooled[t].shape):
            share = pooled[t, channel, y, x] / pooled[t, channel].sum() if pooled[t, channel].sum() else 0
            window = conv5[t, channel, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
            dy, dx = np.unravel_index(window.argmax(), (2, 2))
            found[t, channel, 2 * y + dy, 2 * x + dx] = share * to_means[channel]
    return found


@pytest.mark.parametrize("target", range(CLASSES))
def test_vgg16_lstm_equals_the_equations_written_out_with_and_without_contrast(target):
    torch.manual_seed(0)
    model = vgg16_lstm.build(CLASSES, width=2, features=24, hidden=20, batch_norm=True, pooled=1).eval()
    values = some_clips(1, frames=4, size=64)
    fc = model.fc.weight[target].detach().double().numpy()
    wanted, negated = literal_vgg16_lstm(model, values, fc), literal_vgg16_lstm(model, values, -fc)
    assert (wanted.sum(axis=(1, 2, 3)) > 0.02).all()  # the premise: there is something to see in every frame
    assert np.abs(wanted - negated).sum() > 0.1
    found, contrast = (probabilities(model, values, torch.tensor([target]), flag)[0].numpy() for flag in (False, True))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_allclose(contrast, wanted - negated, atol=1e-5)
    expected = np.clip((wanted - negated).sum(axis=1), 0, None)
    grid = excitation_backprop.attribute(model, values, torch.tensor([target]), contrastive=True).grid[0].numpy()
    np.testing.assert_allclose(grid, expected / expected.max(), atol=1e-3)  # float16 rounds by 5e-4


def test_a_convolution_equals_its_loops():
    """Stride 2 and padding 1, then batch normalisation with factors of both signs, which turn weights over."""
    torch.manual_seed(0)
    convolution, norm, layer = nn.Conv2d(3, 2, 3, stride=2, padding=1), normalisation(2), nn.Linear(2 * 2 * 3, 2)
    norm.weight.data = torch.tensor([0.7, -1.3])
    model = FrameNet(lambda frames: layer(norm(convolution(frames.flatten(0, 1))).relu().flatten(1)), norm=norm)
    values = torch.rand(1, 3, 1, 4, 5)
    with torch.no_grad():
        hidden = norm.eval()(convolution(values[:, :, 0])).relu().flatten().double().numpy()
    above = literal_layer(np.ones(1), hidden, layer.weight[:1].detach().double().numpy()).reshape(2, 2, 3)
    factor = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().double().numpy()
    kernel = convolution.weight.detach().double().numpy() * factor[:, None, None, None]
    image, wanted = np.pad(values[0, :, 0].double().numpy(), ((0, 0), (1, 1), (1, 1))), np.zeros((3, 6, 7))
    for channel, y, x in np.ndindex(above.shape):
        window = (slice(None), slice(2 * y, 2 * y + 3), slice(2 * x, 2 * x + 3))
        parts = image[window] * kernel[channel].clip(min=0)
        if parts.sum() > 0:
            wanted[window] += parts / parts.sum() * above[channel, y, x]
    assert wanted.sum() > 0.5
    np.testing.assert_allclose(probabilities(model, values)[0, 0].numpy(), wanted[:, 1:-1, 1:-1], atol=1e-6)


def normalisation(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with statistics and weights that are not the fresh ones."""
    norm = nn.BatchNorm2d(channels)
    norm.running_mean.normal_(0, 0.2)
    norm.running_var.uniform_(0.5, 2)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    norm.weight.data[1] *= -1
    nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("shrinking", [False, True], ids=["identity", "convolution beside it"])
def test_a_residual_block_equals_one_layer_over_both_of_its_branches(shrinking):
    """torchvision's block; its sum, before the last ReLU, is a linear layer over the middle and the block's input."""
    torch.manual_seed(0)
    beside = nn.Sequential(nn.Conv2d(3, 4, 1, stride=2, bias=False), normalisation(4)) if shrinking else None
    block = BasicBlock(3, 4 if shrinking else 3, stride=2 if shrinking else 1, downsample=beside)
    block.bn1, block.bn2 = normalisation(block.bn1.num_features), normalisation(block.bn2.num_features)
    layer = nn.Linear(block.bn2.num_features, 2)
    model = FrameNet(lambda frames: layer(block(frames.flatten(0, 1)).mean(dim=(2, 3))), block=block)
    values = torch.rand(1, 3, 1, 4, 4)
    found = probabilities(model, values)[0, 0].numpy()
    with torch.no_grad():
        image = values[:, :, 0]
        middle = block.bn1(block.conv1(image)).relu()
        out = block(image)
        first = dense(lambda images: block.bn1(block.conv1(images)), image)
        second = dense(lambda images: block.bn2(block.conv2(images)), middle)
        skip = dense(beside, image) if shrinking else np.eye(image.numel())
    out, middle, image = (part.flatten().double().numpy() for part in (out, middle, image))
    places = len(out) // block.bn2.num_features
    weights = np.repeat(layer.weight[:1].detach().double().numpy() / places, places, axis=1)
    joint = literal_layer(
        literal_layer(np.ones(1), out, weights), np.concatenate([middle, image]), np.hstack([second, skip])
    )
    wanted = literal_layer(joint[: len(middle)], image, first) + joint[len(middle) :]
    for branch in (joint[: len(middle)], joint[len(middle) :]):
        assert branch.sum() > 0.1  # the premise: each carries something
    np.testing.assert_allclose(found.flatten(), wanted, atol=1e-5)


def dense(function, images: Tensor) -> np.ndarray:
    """The matrix of an affine function, a column for each unit of its input."""
    units = torch.eye(images.numel()).view(-1, *images.shape[1:])
    return (function(units) - function(torch.zeros_like(units))).flatten(1).T.double().numpy()


def test_without_biases_a_plain_network_equals_captums_layerwise_relevance_propagation():
    """With α = 1 and β = 0 its rule for layers without bias is the same equation; it starts from the logit."""
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 10, bias=False),
        nn.ReLU(),
        nn.Linear(10, 4, bias=False),
    )
    values = torch.rand(2, 3, 1, 10, 10)
    found = probabilities(FrameNet(lambda frames: network(frames.flatten(0, 1))), values, torch.tensor([1, 3]))[:, 0]
    for module in network:
        module.rule = Alpha1_Beta0_Rule(set_bias_to_zero=True)
    theirs = LRP(network).attribute(values[:, :, 0].requires_grad_(), target=torch.tensor([1, 3])).detach()
    theirs = theirs / theirs.sum(dim=(1, 2, 3), keepdim=True)
    torch.testing.assert_close(found / found.sum(dim=(1, 2, 3), keepdim=True), theirs, atol=1e-5, rtol=1e-3)


# Invariants.


def positive_cnn_lstm() -> nn.Module:
    """VGG16LSTM whose weights are all positive, so that every unit is excited from below."""
    model = vgg16_lstm.build(CLASSES, width=2, features=12, hidden=6, pooled=2).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.abs() / 4 + 0.01)
    return model


def test_nothing_is_lost_where_every_unit_is_excited():
    found = probabilities(positive_cnn_lstm(), some_clips(2, size=64), torch.tensor([0, 2]))
    assert found.min() >= 0
    assert found.sum(dim=(1, 2, 3, 4)).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert (found.sum(dim=(2, 3, 4)) > 1e-3).all()  # each frame gets some


def test_probability_flows_to_frames_that_the_models_own_gradient_does_not_reach():
    """The last step's answer alone, from a hidden and cell state that the model detaches at every step."""
    model = positive_cnn_lstm()

    def last_step(frames: Tensor) -> Tensor:
        hidden = cell = frames.new_zeros(len(frames), 6)
        for step in frames.flatten(2).unbind(1):
            hidden, cell = model.lstm(step, hidden.detach(), cell.detach())
        return model.fc(hidden)

    found = probabilities(FrameNet(last_step), torch.rand(1, 3, 4, 2, 2))
    assert found.sum().item() == pytest.approx(1, abs=1e-5)
    assert (found.sum(dim=(2, 3, 4)) > 0.01).all()


class Remembering(nn.Module):
    """A CNN-RNN that sums up, over all frames, how red they are, and how green; answers after the last frame."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 2, 1, bias=False)
        self.convolution.weight.data = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])[..., None, None]
        self.activation_layer = nn.ReLU(inplace=True)
        self.fc = linear((1.0, -1.0), (-1.0, 1.0))

    def forward(self, clips: Tensor) -> Tensor:
        total = torch.zeros(len(clips), 2)
        for frame in clips.unbind(2):
            total = total.detach() + self.activation_layer(self.convolution(frame)).mean(dim=(2, 3))
        return self.fc(total)


def test_the_map_peaks_in_the_frame_and_at_the_place_that_the_class_was_seen():
    values = torch.full((2, 3, 5, 6, 8), 0.05)
    values[:, 0, 1, 2, 7] = 1  # red
    values[:, 1, 3, 5, 0] = 1  # green
    maps = excitation_backprop.attribute(Remembering(), values, torch.tensor([0, 1]), contrastive=True).full()
    assert maps.shape == (2, 5, 6, 8)
    assert [np.unravel_index(row.argmax(), row.shape) for row in maps.numpy()] == [(1, 2, 7), (3, 5, 0)]


@pytest.mark.parametrize("family", ["vgg16_lstm", "resnet50_lstm"])
def test_the_models_own_answer_is_not_changed_on_the_way(family, monkeypatch):
    model, values = narrow(family), some_clips(2)
    seen = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda clips: seen.append(forward(clips)) or seen[-1])
    excitation_backprop.attribute(model, values, torch.tensor([0, 1]))
    own = torch.cat([each.evidence.value for each in seen])
    torch.testing.assert_close(own, narrow(family)(values).detach())


# The same network, written in other ways.


def wide_weights() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(5)
    return torch.randn(7, 12), torch.randn(7), torch.randn(7, 7), torch.randn(4, 7)


def usual(frames: Tensor) -> Tensor:
    """A plain recurrence with ReLU over frames of 3 × 2 × 2 units, and a class's mean over the steps."""
    first, bias, again, last = wide_weights()
    hidden, total = torch.zeros(len(frames), 7), 0.0
    for step in frames.flatten(2).unbind(1):
        hidden = functional.relu(functional.linear(step, first, bias) + functional.linear(hidden, again))
        total = total + functional.linear(hidden, last) / frames.shape[1]
    return total


def in_place(frames: Tensor) -> Tensor:
    first, bias, again, last = wide_weights()
    hidden, steps = torch.zeros(len(frames), 7), []
    for step in frames.flatten(2).unbind(1):
        hidden = functional.linear(step, first, bias).add_(functional.linear(hidden, again)).relu_()
        steps.append(functional.dropout(functional.linear(hidden, last), training=False, inplace=True))
    return torch.stack(steps, dim=1).mean(dim=1)


def in_place_without_the_results(frames: Tensor) -> Tensor:
    first, bias, again, last = wide_weights()
    hidden, total = torch.zeros(len(frames), 7), 0.0
    for step in frames.flatten(2).unbind(1):
        carried, hidden = functional.linear(hidden, again), functional.linear(step, first, bias)
        hidden.add_(carried)
        functional.relu(hidden, inplace=True)
        total = total + functional.linear(hidden, last)
    total.div_(frames.shape[1])
    return total


def all_frames_at_once(frames: Tensor) -> Tensor:
    first, bias, again, last = wide_weights()
    entering, hidden, steps = frames.reshape(len(frames), -1, 12) @ first.T + bias, torch.zeros(len(frames), 7), []
    for t in range(entering.shape[1]):
        hidden = (entering[:, t] - torch.matmul(hidden, -again.T)).clamp(min=0)
        steps.append(hidden)
    return functional.linear(torch.stack(steps, 1), last).sum(1).mul(1 / len(steps)).to(torch.float32).contiguous()


def by_convolution(frames: Tensor) -> Tensor:
    first, bias, again, last = wide_weights()
    hidden, steps = torch.zeros(len(frames), 7), []
    for step in frames.unbind(1):
        entering = functional.conv2d(step, first.view(7, 3, 2, 2), bias)[..., 0, 0]
        hidden = nn.ReLU(inplace=True)(1 - (1 - entering - functional.linear(hidden, again)))
        steps.append(functional.linear(hidden, last)[None])
    return torch.cat(steps).permute(1, 2, 0).mean(-1)


@pytest.mark.parametrize("after", [in_place, in_place_without_the_results, all_frames_at_once, by_convolution])
@pytest.mark.parametrize("contrastive", [False, True])
def test_it_does_not_matter_how_the_layers_are_written(after, contrastive):
    values = torch.rand(2, 3, 4, 2, 2)
    wanted = probabilities(FrameNet(usual), values, torch.tensor([1, 2]), contrastive)
    found = probabilities(FrameNet(after), values, torch.tensor([1, 2]), contrastive)
    torch.testing.assert_close(FrameNet(after)(values), usual(values.transpose(1, 2)), atol=1e-5, rtol=1e-4)
    assert wanted.abs().sum() > 0.1
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)


def test_a_convolution_that_is_called_frame_by_frame_gives_the_maps_of_one_that_gets_all_frames():
    class FrameByFrame(nn.Module):
        def __init__(self, model: nn.Module):
            super().__init__()
            self.model = model
            self.activation_layer = model.activation_layer

        def forward(self, clips: Tensor) -> Tensor:
            frames = [self.model.backbone(self.model.normalise(clips[:, :, t : t + 1])[:, :, 0]) for t in range(4)]
            hidden = cell = torch.zeros(len(clips), self.model.lstm.hidden)
            steps = []
            for frame in frames:
                hidden, cell = self.model.lstm(frame, hidden, cell)
                steps.append(self.model.fc(hidden).softmax(dim=1))
            return (sum(steps) / len(steps)).log()

    model, values = narrow("vgg16_lstm"), some_clips(2, frames=4)
    wanted = probabilities(model, values, torch.tensor([1, 2]))
    assert wanted.sum() > 0.5
    torch.testing.assert_close(probabilities(FrameByFrame(model), values, torch.tensor([1, 2])), wanted)


@pytest.mark.parametrize("order", ["times", "parts"])
def test_a_convolution_that_takes_frames_in_another_order_or_some_at_a_time_gives_the_same_maps(order):
    class Reordered(nn.Module):
        def __init__(self):
            super().__init__()
            self.activation_layer = nn.Identity()

        def forward(self, clips: Tensor) -> Tensor:
            frames = clips.transpose(1, 2)
            if order == "times":
                seen = self.activation_layer(frames.transpose(0, 1).flatten(0, 1).clone())
                return usual(seen.unflatten(0, (4, -1)).transpose(0, 1))
            seen = [self.activation_layer(some.clone()) for some in frames.flatten(0, 1).split(3)]
            return usual(torch.cat(seen).unflatten(0, (-1, 4)))

    values, targets = torch.rand(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 2])
    found, expected = (excitation_backprop.attribute(net, values, targets) for net in (Reordered(), FrameNet(usual)))
    torch.testing.assert_close(found.grid, expected.grid, atol=1e-3, rtol=0)


def test_pooling_before_the_relu_is_pooling_after_it():
    torch.manual_seed(0)
    convolution, layer = nn.Conv2d(3, 5, 3), nn.Linear(20, 2)
    before, after = (
        FrameNet(lambda frames, parts=parts: layer(nn.Sequential(convolution, *parts)(frames[:, 0]).flatten(1)))
        for parts in ([nn.MaxPool2d(2), nn.ReLU()], [nn.ReLU(), nn.MaxPool2d(2)])
    )
    values = torch.rand(2, 3, 1, 6, 6)
    wanted = probabilities(after, values, torch.tensor([0, 1]))
    assert wanted.sum() > 0.5
    torch.testing.assert_close(probabilities(before, values, torch.tensor([0, 1])), wanted)


NETWORKS = {
    "resnet18": lambda network: network.layer1,
    "mobilenet_v2": lambda network: network.features[1],
    "densenet121": lambda network: network.features.denseblock2,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_torchvisions_networks_of_images_are_known(name):
    """Residual sums, concatenations, grouped convolutions, ReLU6, in place or not, from an early layer on."""
    torch.manual_seed(0)
    network = getattr(torchvision.models, name)(num_classes=CLASSES).eval()

    class FrameWise(nn.Module):
        activation_layer = property(lambda self: NETWORKS[name](network))

        def forward(self, clips: Tensor) -> Tensor:
            return network(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(clips), -1)).mean(dim=1)

    found = probabilities(FrameWise(), some_clips(1, frames=2), FIRST)
    assert found.isfinite().all()
    assert found.min() >= 0
    assert 0.1 < found.sum().item() <= 1 + 1e-4


# Zeros, rows, what is not finite.


def test_a_unit_that_only_its_bias_excites_loses_its_probability():
    layer = linear((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), bias=9.0)
    found = probabilities(FrameNet(lambda frames: layer(frames.flatten(1))), clip(1.0, 2.0, 3.0))
    assert torch.equal(found, torch.zeros_like(found))


@pytest.mark.parametrize("contrastive", [False, True])
def test_a_black_clip_has_no_map_and_does_not_touch_its_neighbour(contrastive):
    values = torch.rand(3, 3, 4, 2, 2)
    values[1] = 0
    targets = torch.tensor([1, 2, 2])
    grid = excitation_backprop.attribute(FrameNet(usual), values, targets, contrastive=contrastive).grid
    assert torch.equal(grid[1], torch.zeros_like(grid[1]))
    for row in (0, 2):
        rows = slice(row, row + 1)
        alone = excitation_backprop.attribute(FrameNet(usual), values[rows], targets[rows], contrastive=contrastive)
        torch.testing.assert_close(grid[rows], alone.grid, atol=1e-3, rtol=0)
        assert grid[row].max() == 1


@pytest.mark.parametrize("size", [1e-38, 1e-20, 1e20])
def test_activations_of_any_size_give_finite_maps(size):
    maps = excitation_backprop.attribute(FrameNet(usual), torch.rand(2, 3, 4, 2, 2) * size, torch.tensor([1, 2]))
    assert maps.grid.isfinite().all()


@pytest.mark.parametrize("size", [1e-15, 1e15])
def test_without_biases_the_size_of_activations_does_not_matter(size):
    torch.manual_seed(0)
    first, second = nn.Linear(12, 20, bias=False), nn.Linear(20, 3, bias=False)
    model = FrameNet(lambda frames: second(first(frames.flatten(2)).relu()).mean(dim=1))
    values, targets = torch.rand(2, 3, 4, 2, 2), torch.tensor([1, 2])
    wanted = probabilities(model, values, targets)
    assert wanted.sum().item() == pytest.approx(2, abs=1e-4)
    torch.testing.assert_close(probabilities(model, values * size, targets), wanted)


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_an_answer_that_is_not_finite_is_not_passed_off_as_a_map(part):
    layer = linear((1.0, 1.0, 1.0), (1.0, 0.0, 1.0), bias=0.0)
    getattr(layer, part).data[0] = float("nan")
    maps = excitation_backprop.attribute(FrameNet(lambda frames: layer(frames.flatten(1))), clip(1.0, 2.0, 3.0), FIRST)
    assert not maps.grid.isfinite().all()


# What it cannot explain.


def refusal(after, *, error=NotApplicableError, **parts: nn.Module) -> str:
    """The reason why a network cannot be explained; nothing is left on it."""
    model = FrameNet(after, **parts).eval()
    values, before = some_clips(2, frames=4, size=2), state(model)
    with pytest.raises(error) as raised:
        excitation_backprop.attribute(model, values, torch.tensor([0, 1]))
    assert changes(before, state(model)) == []
    return str(raised.value)


def mean_of(layer: nn.Module):
    """Logits of a recurrent layer's outputs."""
    return lambda frames: layer(frames.flatten(2))[0].mean(dim=1)


def attention(frames: Tensor) -> Tensor:
    units = frames.flatten(2)
    return (units @ units.transpose(1, 2)).softmax(2).mean(1)


def weighted_frames(frames: Tensor) -> Tensor:
    units = frames.flatten(2)
    return (units * units.mean(2, keepdim=True).softmax(1)).sum(1)


def through_a_view(frames: Tensor) -> Tensor:
    units = frames.flatten(2).clone()
    units[:, 0].add_(1)
    return units.mean(1)


def into_a_buffer(frames: Tensor) -> Tensor:
    buffer = torch.zeros(len(frames), frames.shape[1], 12)
    for t in range(frames.shape[1]):
        buffer[:, t] = frames[:, t].flatten(1)
    return buffer.mean(dim=1)


def added_to_a_buffer(frames: Tensor) -> Tensor:
    return torch.zeros(len(frames), 12).add_(frames.flatten(2).mean(1))


NORM = nn.BatchNorm2d(3, track_running_stats=False)
CONVOLUTION, ATTENTION = nn.Conv3d(4, 2, 1), nn.MultiheadAttention(12, 2, batch_first=True)


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (mean_of(nn.LSTM(12, 4, batch_first=True)), "not of lstm"),
        (mean_of(nn.GRU(12, 4, batch_first=True)), "not of gru"),
        (lambda frames: frames.flatten(2).mean(1).tanh(), "not of tanh"),
        (lambda frames: CONVOLUTION(frames).mean((2, 3, 4)), "not of conv3d"),
        (lambda frames: ATTENTION(*[frames.flatten(2)] * 3)[0].mean(1), "not of multi_head_attention"),
        (lambda frames: nn.LayerNorm(12)(frames.flatten(2)).mean(1), "not of layer_norm"),
        (attention, "both sides depend on the clip"),
        (weighted_frames, "both sides depend on the clip"),
        (lambda frames: frames.flatten(2).mean(1) / frames.flatten(2).sum(1), "division"),
        (lambda frames: NORM(frames.flatten(0, 1)).unflatten(0, (2, 4)).flatten(2).mean(1), "own statistics"),
        (lambda frames: frames.flatten(2).clamp(max=1).mean(1), "clamped"),
        (lambda frames: functional.hardtanh(frames.flatten(2)).mean(1), "clamped"),
        (lambda frames: frames.flatten(2).mean(1).div(2, rounding_mode="floor"), "rounding"),
        (lambda frames: torch.add(frames.flatten(1), 1, out=torch.empty(1, 48)), "add into another tensor"),
        (lambda frames: torch.batch_norm(frames, *[torch.ones(4)] * 4, False, 0.1, 1e-5, False), "these arguments"),
        (through_a_view, "in place through a view"),
        (into_a_buffer, "not of __setitem__"),
        (added_to_a_buffer, "add_ into another tensor"),
        (lambda frames: torch.stack([torch.tensor(step.tolist()) for step in frames.flatten(2)]).mean(1), "tolist"),
        (lambda frames: frames.flatten(2).mean(1).sigmoid(), "but through gates"),
    ],
)
def test_what_is_not_known_is_refused_by_name(after, reason):
    assert reason in refusal(after)


@pytest.mark.parametrize("inplace", [False, True])
def test_units_that_are_dropped_at_random_are_refused(inplace):
    model = FrameNet(lambda frames: functional.dropout(frames, 0.5, inplace=inplace).flatten(2).mean(1))
    with pytest.raises(NotApplicableError, match="dropped at random"):
        excitation_backprop.attribute(model, some_clips(1, frames=4, size=2), FIRST)


def test_a_model_that_raises_is_left_as_it_was():
    def failing(frames: Tensor) -> Tensor:
        raise FloatingPointError("raised on purpose")

    assert "on purpose" in refusal(failing, error=FloatingPointError)


def test_a_3d_cnn_is_not_explained():
    with pytest.raises(NotApplicableError, match=r"EB-R explains CNN-RNNs.*5 dimensions"):
        excitation_backprop.attribute(narrow("r2plus1d_18"), some_clips(1), FIRST)


def test_a_model_without_an_activation_layer_cannot_be_explained():
    with pytest.raises(NotApplicableError, match="Sequential names no activation_layer"):
        excitation_backprop.attribute(nn.Sequential(nn.Flatten(), nn.LazyLinear(2)), some_clips(1), FIRST)
