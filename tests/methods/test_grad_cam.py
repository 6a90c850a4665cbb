"""Grad-CAM against Captum, and where there is nothing to show."""

import pytest
import torch
from captum.attr import LayerGradCam
from narrow_models import CLASSES, narrow, some_clips
from torch import nn

from stepaudit.errors import NotApplicableError
from stepaudit.methods import grad_cam
from stepaudit.models import vgg16_lstm

TARGETS = torch.tensor([0, 2])


def plain_vgg():
    """Without batch normalisation, the activation layer is the in-place ReLU after conv5 as well."""
    return vgg16_lstm.build(CLASSES, width=6, features=32, hidden=16, pooled=1).eval()


@pytest.mark.parametrize(
    "build",
    [lambda: narrow("r2plus1d_18"), lambda: narrow("vgg16_lstm"), plain_vgg],
    ids=["r2plus1d_18", "vgg16_lstm", "vgg16_lstm without batch normalisation"],
)
def test_maps_equal_captums_but_for_their_scale(build):
    model, clips, targets = (
        build(),
        some_clips(2, size=64).repeat(CLASSES, 1, 1, 1, 1),
        torch.tensor([0, 0, 1, 1, 2, 2]),
    )
    theirs = LayerGradCam(model, model.activation_layer).attribute(clips, target=targets, relu_attributions=True)
    maps = grad_cam.attribute(model, clips, targets)
    theirs = theirs.detach().reshape(maps.grid.shape)
    peaks = theirs.amax(dim=(1, 2, 3), keepdim=True)
    assert (peaks > 0).sum() >= 2  # the premise: there is evidence to show; a logit without any is right, too
    torch.testing.assert_close(maps.grid, theirs / peaks.clamp(min=1e-30), atol=1e-3, rtol=0)  # float16 rounds by 5e-4


def test_the_probability_is_differentiated_on_request():
    """∂p/∂A is not a multiple of ∂logit/∂A, but of a weighted sum of all logits' gradients."""
    model, clips = narrow("r2plus1d_18"), some_clips(2)
    theirs = LayerGradCam(lambda x: model(x).softmax(1), model.activation_layer)
    expected = theirs.attribute(clips, target=TARGETS, relu_attributions=True).detach()[:, 0]
    maps = grad_cam.attribute(model, clips, TARGETS, score="probability")
    torch.testing.assert_close(maps.grid, expected / expected.amax(dim=(1, 2, 3), keepdim=True), atol=1e-3, rtol=0)
    assert not torch.allclose(maps.grid, grad_cam.attribute(model, clips, TARGETS).grid, atol=1e-2)


class Channel(nn.Module):
    """A 'convolution' that passes the first channel on, and logits that are its mean times the given weights."""

    def __init__(self, *weights: float):
        super().__init__()
        self.activation_layer = nn.Identity()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, clips):
        return self.activation_layer(clips[:, :1] * 1.0).mean(dim=(1, 2, 3, 4))[:, None] * self.weights


def test_a_map_by_hand():
    """One channel with a gradient of the same sign everywhere: the map is the activation over its maximum."""
    clips = some_clips(2, frames=2, size=4)
    grid = grad_cam.attribute(Channel(3.0, -1.0), clips, torch.tensor([0, 0])).grid
    expected = clips[:, 0] / clips[:, 0].amax(dim=(1, 2, 3), keepdim=True)
    torch.testing.assert_close(grid, expected, atol=5e-4, rtol=0)


@pytest.mark.parametrize("weight", [0.0, -2.0], ids=["no evidence", "evidence against"])
def test_without_evidence_the_map_is_zero(weight):
    maps = grad_cam.attribute(Channel(weight, 1.0), some_clips(2, frames=2, size=4), torch.tensor([0, 0]))
    assert torch.equal(maps.full(), torch.zeros(2, 2, 4, 4))


def test_a_clip_without_evidence_does_not_touch_its_neighbour():
    clips = some_clips(2, frames=2, size=4)
    clips[0] = 0
    grid = grad_cam.attribute(Channel(1.0), clips, torch.tensor([0, 0])).grid
    assert torch.equal(grid[0], torch.zeros_like(grid[0]))
    assert grid[1].max() == 1


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_evidence_that_is_not_finite_is_not_passed_off_as_none(broken):
    """Zeros would be scored as a map that points nowhere; the stage must see that it failed."""
    maps = grad_cam.attribute(Channel(broken), some_clips(1, frames=2, size=4), torch.tensor([0]))
    assert not maps.grid.isfinite().all()


def test_a_model_without_an_activation_layer_cannot_be_explained():
    with pytest.raises(NotApplicableError, match="Sequential names no activation_layer"):
        grad_cam.attribute(nn.Sequential(nn.Flatten(), nn.LazyLinear(2)), some_clips(1), torch.tensor([0]))


class Rectified(nn.Module):
    """Two convolutions with a ReLU behind each; the read one is the last convolution."""

    def __init__(self, *, in_place: bool):
        super().__init__()
        torch.manual_seed(0)
        first, last = nn.Conv3d(3, 6, 3, 2, 1), nn.Conv3d(6, 8, 3, 1, 1)
        self.features = nn.Sequential(first, nn.ReLU(in_place), last, nn.ReLU(in_place))
        self.classifier = nn.Linear(8, CLASSES)

    @property
    def activation_layer(self):
        return self.features[2]

    def forward(self, clips):
        return 10 * self.classifier(self.features(clips - 0.5).mean(dim=(2, 3, 4)))


def test_a_relu_in_place_behind_the_layer_does_not_change_the_map():
    clips = some_clips(2)
    found, expected = (
        grad_cam.attribute(Rectified(in_place=in_place), clips, TARGETS).full() for in_place in (True, False)
    )
    assert expected.std() > 0.05  # the premise: a map with structure
    assert torch.equal(found, expected)


class FrameByFrame(nn.Module):
    """A CNN over single frames; the mean over frames is the answer.

    Args:
        order: `clips` calls it once, with all frames of the first clip first; `frames` once a frame; `times` once, with
            the first frames of all clips first; `parts` as `clips`, three pictures at a time.
    """

    def __init__(self, order: str):
        super().__init__()
        torch.manual_seed(1)
        self.order, self.activation_layer = order, nn.Conv2d(3, 4, 3, stride=2)
        self.classifier = nn.Linear(4, CLASSES)

    def forward(self, clips):
        frames = clips.transpose(1, 2)
        if self.order == "frames":
            maps = torch.stack([self.activation_layer(frame) for frame in frames.unbind(1)], dim=1)
        elif self.order == "times":
            maps = self.activation_layer(frames.transpose(0, 1).flatten(0, 1)).unflatten(0, (-1, len(clips)))
            maps = maps.transpose(0, 1)
        else:
            pictures = frames.flatten(0, 1)
            calls = pictures.split(3 if self.order == "parts" else len(pictures))
            maps = torch.cat([self.activation_layer(some) for some in calls]).unflatten(0, frames.shape[:2])
        return self.classifier(maps.relu().mean(dim=(1, 3, 4)))


@pytest.mark.parametrize("order", ["frames", "times", "parts"])
def test_a_layer_that_takes_frames_in_any_order_or_number_has_the_map_of_all_frames(order):
    clips = some_clips(2)
    found, expected = (grad_cam.attribute(FrameByFrame(each), clips, TARGETS).grid for each in (order, "clips"))
    assert found.shape == (2, 8, 15, 15)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


class Unreached(Rectified):
    """Its convolutions run without gradients, or are not called at all."""

    def __init__(self, called: bool):
        super().__init__(in_place=False)
        self.called = called

    def forward(self, clips):
        with torch.no_grad():
            features = self.features(clips) if self.called else clips.repeat(1, 3, 1, 1, 1)[:, :8]
        return self.classifier(features.mean(dim=(2, 3, 4)))


@pytest.mark.parametrize(("called", "text"), [(True, "no gradient reaches activation_layer"), (False, "0 times")])
def test_a_layer_that_no_gradient_reaches_is_not_applicable(called, text):
    with pytest.raises(NotApplicableError, match=text):
        grad_cam.attribute(Unreached(called), some_clips(2), TARGETS)


class Tokens(nn.Module):
    """Patches of 8 pixels as tokens [N, L, C], as transformers have them, or as [N, t, h, w, C]."""

    def __init__(self, *, flat: bool):
        super().__init__()
        self.patches, self.activation_layer = nn.Conv3d(3, 64, 8, stride=8), nn.Linear(64, 64)
        self.head, self.flat = nn.Linear(64, CLASSES), flat

    def forward(self, clips):
        places = self.patches(clips).movedim(1, -1)
        tokens = self.activation_layer(places.flatten(1, 3) if self.flat else places)
        return self.head(tokens.flatten(1, -2).mean(dim=1))


@pytest.mark.parametrize("clips", [1, 2])
@pytest.mark.parametrize(
    ("flat", "text"),
    [(True, r"\[\d, 16, 64\], tokens"), (False, r"\[\d, 1, 4, 4, 64\] for frames of 32 × 32 pixels: .*last")],
)
def test_tokens_and_channels_at_the_end_are_no_maps(flat, text, clips):
    with pytest.raises(NotApplicableError, match=text):
        grad_cam.attribute(Tokens(flat=flat), some_clips(clips), torch.zeros(clips, dtype=torch.long))


def test_a_layer_after_the_pooling_gives_no_maps():
    model = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, CLASSES))
    object.__setattr__(model, "activation_layer", model[1])  # no second layer of the sequence
    with pytest.raises(NotApplicableError, match=r"gives \[1, 3\], no maps"):
        grad_cam.attribute(model, some_clips(1), torch.tensor([0]))
