"""Saliency Tubes: numbers by hand, the definition written out, and the models that have no single linear layer."""

import pytest
import torch
from narrow_models import CLASSES, changes, narrow, some_clips, state
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.adapters import Adapter
from stepaudit.errors import NotApplicableError
from stepaudit.methods import saliency_tubes
from stepaudit.models import s3d
from stepaudit.networks import outputs

TARGETS = torch.tensor([0, 2])


class Tubes(nn.Module):
    """A '3-D convolution' that passes the clip on, and logits that `after` makes of it with `fc`."""

    def __init__(self, *rows: tuple[float, ...], bias: float | None = None, after=None):
        super().__init__()
        self.activation_layer = nn.Identity()
        self.fc = nn.Linear(3, len(rows), bias=bias is not None)
        self.fc.weight.data = torch.tensor(rows)
        if bias is not None:
            self.fc.bias.data.fill_(bias)
        self.after = after or (lambda activations, fc: fc(activations.mean(dim=(2, 3, 4))))

    def forward(self, clips: Tensor) -> Tensor:
        return self.after(self.activation_layer(clips), self.fc)


ROWS = ((1.0, 2.0, -1.0), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0))


def grid(model: nn.Module, clips: Tensor, targets: Tensor = TARGETS) -> Tensor:
    return saliency_tubes.attribute(model, clips, targets).grid


# What it shows.


def test_a_map_by_hand():
    """Two frames of two places with channels (1, 2, 1), (3, 0, 0) and (0, 0, 2), (0, 1, 0).

    Weights (1, 2, −1) give 1 + 4 − 1 = 4, 3 and −2, 2: above the least, −2, they are 6, 5 and 0, 4, over 6.
    """
    clips = torch.tensor([[[1.0, 3.0], [0.0, 0.0]], [[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [2.0, 0.0]]])
    maps = saliency_tubes.attribute(Tubes(*ROWS, bias=5.0), clips[None, :, :, None], TARGETS[:1])
    assert maps.upsampling == "trilinear"
    assert maps.size == (2, 1, 2)
    assert maps.grid.flatten().tolist() == pytest.approx([1, 5 / 6, 0, 4 / 6], abs=5e-4)


@pytest.mark.parametrize("family", ["r2plus1d_18", "r3d_18", "mc3_18", "s3d"])
def test_maps_equal_the_weighted_sum_of_the_last_activations(family):
    model, clips = narrow(family), some_clips(2, frames=16, size=64)
    seen: list[Tensor] = []
    model.activation_layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach()))
    maps = saliency_tubes.attribute(model, clips, TARGETS)
    weight = {name: value for name, value in model.backbone.named_parameters() if name.startswith(model.head)}
    (weight,) = (value.detach() for name, value in weight.items() if name.endswith("weight"))
    for row, target in enumerate(TARGETS):
        sums = torch.zeros(seen[0].shape[2:])
        for channel in range(seen[0].shape[1]):
            sums += weight[target, channel].item() * seen[0][row, channel]
        expected = (sums - sums.min()) / (sums.max() - sums.min())
        torch.testing.assert_close(maps.grid[row], expected, atol=1e-3, rtol=0)  # float16 rounds by 5e-4
    smooth = functional.interpolate(maps.grid[:, None], (16, 64, 64), mode="trilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(maps.full(), smooth)


def test_overlapping_windows_of_the_last_pooling_are_an_average_too():
    """S3D on a long clip pools windows of two time steps, so that the first and the last step count half."""
    torch.manual_seed(2)
    model = s3d.build(CLASSES, width=4).eval()
    maps = saliency_tubes.attribute(model, some_clips(1, frames=32), TARGETS[:1])
    assert maps.grid.shape[1] == 4
    assert maps.grid.max() == 1


def test_evidence_against_the_class_is_the_least_of_the_map_not_cut_off():
    """Values −3, −2 and 0: the greatest is no evidence for the class, yet the least against it."""
    clips = torch.zeros(1, 3, 1, 1, 3)
    clips[0, 0] = torch.tensor([[3.0, 2.0, 0.0]])
    assert grid(Tubes(*ROWS), clips, torch.tensor([2])).flatten().tolist() == pytest.approx([0, 1 / 3, 1], abs=5e-4)


@pytest.mark.parametrize("bias", [None, 1e3])
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_map_is_zero_and_does_not_touch_its_neighbour(value, bias):
    clips = some_clips(2, frames=3, size=5)
    clips[0] = value
    found = grid(Tubes(*ROWS, bias=bias), clips)
    assert torch.equal(found[0], torch.zeros_like(found[0]))
    assert found[1].max() == 1


def test_a_map_that_is_constant_but_for_rounding_is_zero():
    clips = torch.full((1, 3, 2, 4, 4), 0.7)
    clips[0, :, 1, 2, 3] += 6e-8
    assert clips.unique().numel() == 2
    assert torch.equal(grid(Tubes(*ROWS), clips, TARGETS[:1]), torch.zeros(1, 2, 4, 4))


def test_the_final_layer_may_be_a_pointwise_convolution_with_a_mean_after_it():
    plain = Tubes(*ROWS, bias=0.5)
    convolution = nn.Conv3d(3, 3, 1)
    convolution.weight.data, convolution.bias.data = plain.fc.weight.data[..., None, None, None], plain.fc.bias.data
    other = Tubes(*ROWS, after=lambda activations, _fc: other.last(activations).mean(dim=(2, 3, 4)))
    other.last = convolution
    clips = some_clips(2, frames=3, size=5)
    torch.testing.assert_close(grid(other, clips), grid(plain, clips))


def test_each_label_of_a_network_of_several_has_the_map_of_its_own_output():
    clips, model = some_clips(2), Tubes(*ROWS, bias=0.2)
    for label in range(3):
        one = grid(Adapter(model, column=label, gives="logit"), clips, torch.ones(2, dtype=torch.long))
        assert torch.equal(one, grid(model, clips, torch.full((2,), label)))


def test_a_class_has_the_map_of_its_own_output_where_outputs_are_put_into_another_order():
    clips, own = some_clips(2), ["jump", "run", "sit"]
    model = outputs.selected(Tubes(*ROWS, bias=0.2), own, ["sit", "jump"])
    for target, place in enumerate((2, 0)):
        found = grid(model, clips, torch.full((2,), target))
        assert torch.equal(found, grid(Tubes(*ROWS, bias=0.2), clips, torch.full((2,), place)))


def test_activations_may_be_changed_in_place_after_the_layer():
    """A ReLU that the activations had before changes nothing in them, but would in a leaf of the graph be an error."""
    model = Tubes(*ROWS, after=lambda activations, fc: fc(functional.relu(activations, inplace=True).mean((2, 3, 4))))
    clips = some_clips(2, frames=3, size=5)
    torch.testing.assert_close(grid(model, clips), grid(Tubes(*ROWS), clips))


@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_passed_off_as_a_map(part, broken):
    model = Tubes(*ROWS, bias=0.0)
    getattr(model.fc, part).data[0] = broken
    assert not grid(model, some_clips(1, frames=2, size=4), TARGETS[:1]).isfinite().all()


# What it cannot explain.


def refusal(model: nn.Module) -> str:
    """The reason; nothing is left on the model."""
    clips, before = some_clips(2), state(model)
    with pytest.raises(NotApplicableError) as raised:
        saliency_tubes.attribute(model, clips, TARGETS)
    assert changes(before, state(model)) == []
    return str(raised.value)


def test_a_cnn_rnn_convolves_frames_one_by_one():
    assert "gives 4 dimensions: a CNN-RNN's frames pass one by one" in refusal(narrow("vgg16_lstm"))


@pytest.mark.parametrize("name", ["swin3d_t", "mvit_v2_s"])
def test_a_transformer_has_no_convolution_to_read(name):
    assert "has tokens, among which attention still moves values" in refusal(narrow(name))


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (lambda activations, fc: fc(activations.mean((2, 3, 4))).relu(), "does not give its logits"),
        (lambda activations, fc: fc(activations.mean((2, 3, 4))) * 2, "does not give its logits"),
        (lambda activations, fc: fc(activations.mean((2, 3, 4)).square()), "does not give its logits"),
        (lambda activations, fc: fc(activations.amax((2, 3, 4))), "does not give its logits"),
        (lambda activations, fc: fc((activations - 0.5).relu().mean((2, 3, 4))), "does not give its logits"),
        (lambda activations, fc: fc(activations[:, :, 0].mean((2, 3)) - activations[:, :, 1].mean((2, 3))), "does not"),
        (lambda activations, fc: fc(attended(activations)), "does not give its logits"),
        (lambda activations, fc: fc(activations.mean((2, 3, 4)).detach()), "no gradient"),
        (lambda activations, fc: activations.mean((2, 3, 4)), "the model calls has no inputs"),
    ],
)
def test_logits_that_are_not_one_linear_layer_over_averages_are_refused(after, reason):
    assert reason in refusal(Tubes(*ROWS, bias=0.2, after=after))


def attended(activations: Tensor) -> Tensor:
    places = activations.flatten(2)
    return (places * (9 * places.sum(dim=1, keepdim=True)).softmax(dim=2)).sum(dim=2)


def test_channels_that_are_averaged_over_different_places_are_refused_though_the_logits_agree():
    """Of a clip that stands still, the mean of one frame is that of all."""
    clips = some_clips(1, frames=1, size=4).expand(1, 3, 3, 4, 4)
    model = Tubes(*ROWS, after=lambda a, fc: fc(torch.stack([a[:, k, k].mean((1, 2)) for k in range(3)], dim=1)))
    torch.testing.assert_close(model(clips), Tubes(*ROWS)(clips))
    with pytest.raises(NotApplicableError, match="does not give its logits"):
        grid(model, clips, TARGETS[:1])


def test_a_hidden_layer_before_the_last_is_refused():
    model = Tubes(*ROWS, after=lambda activations, fc: fc(model.hidden(activations.mean((2, 3, 4))).relu()))
    model.hidden = nn.Linear(3, 3)
    assert "does not give its logits" in refusal(model)
    narrower = Tubes(*ROWS, after=lambda activations, _fc: narrower.last(narrower.hidden(activations.mean((2, 3, 4)))))
    narrower.hidden, narrower.last = nn.Linear(3, 2), nn.Linear(2, 3)
    assert "over the 3 channels of activation_layer; the last one that the model calls has 2 inputs" in refusal(
        narrower
    )
