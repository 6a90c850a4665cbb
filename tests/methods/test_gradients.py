"""Methods that differentiate to the clip, against Captum, by hand, and where there is nothing to show."""

import copy
import math

import pytest
import torch
from captum.attr import GuidedBackprop, InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from known_answer import Cuboid, model_for, textured_clips
from narrow_models import CLASSES, narrow, some_clips
from odd_models import NanAbove
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.errors import NotApplicableError, UsageError
from stepaudit.layers import gaussian_blur
from stepaudit.methods import gradient, gradient_x_input, guided_backprop, integrated_gradients, smooth_grad

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")  # Captum's

FAMILIES = ("r2plus1d_18", "vgg16_lstm")
TARGETS = torch.tensor([0, 1, 2])
ROUNDING = {"atol": 1e-3, "rtol": 0}  # float16 rounds by 5e-4
PLAIN = {method.__name__.rpartition(".")[2]: method for method in (gradient, gradient_x_input, smooth_grad)}
EVERY = {**PLAIN, "integrated_gradients": integrated_gradients, "guided_backprop": guided_backprop}


def probability(model: nn.Module):
    return lambda clips: model(clips).softmax(dim=1)


def relative(importance: Tensor) -> Tensor:
    """Over the clip's greatest value, which the premise says is not 0."""
    peak = importance.detach().amax(dim=(1, 2, 3), keepdim=True)
    assert (peak > 0).all()
    return importance.detach() / peak


class Pointwise(nn.Module):
    """Logits that are the sum of a function of every voxel, and its negative."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, clips: Tensor) -> Tensor:
        total = self.function(clips).sum(dim=(1, 2, 3, 4))
        return torch.stack([total, -total], dim=1)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_gradient_equals_captums_saliency_of_the_strongest_channel(family, score):
    model, clips = narrow(family), some_clips(3)
    theirs = Saliency(model if score == "logit" else probability(model)).attribute(clips, target=TARGETS, abs=True)
    ours = gradient.attribute(model, clips, TARGETS, score=score).grid
    torch.testing.assert_close(ours, relative(theirs.amax(dim=1)), **ROUNDING)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sign", ["positive", "absolute"])
def test_gradient_x_input_equals_captums_summed_over_channels(family, sign):
    model, clips = narrow(family), some_clips(3)
    theirs = InputXGradient(model).attribute(clips, target=TARGETS).sum(dim=1)
    ours = gradient_x_input.attribute(model, clips, TARGETS, sign=sign).grid
    expected = theirs.relu() if sign == "positive" else theirs.abs()
    torch.testing.assert_close(ours, relative(expected), **ROUNDING)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("baseline", ["black", "blur"])
def test_integrated_gradients_equal_captums(family, score, baseline):
    """In double precision: where a unit is at its kink, rounding decides the gradient."""
    model, clips = narrow(family).double(), some_clips(3).double()
    start = torch.zeros_like(clips) if baseline == "black" else gaussian_blur(clips, 2.0)
    theirs = IntegratedGradients(model if score == "logit" else probability(model)).attribute(
        clips, start, target=TARGETS, n_steps=7, method="riemann_middle"
    )
    options = {"steps": 7, "baseline": baseline, "blur_sigma": 2.0, "score": score}
    maps = integrated_gradients.attribute(model, clips, TARGETS, **options)
    torch.testing.assert_close(maps.grid, relative(theirs.sum(dim=1).relu()).float(), **ROUNDING)
    assert maps.details == {"perturbation": "black" if baseline == "black" else "blur:sigma=2"}


def without_in_place_units(model: nn.Module) -> nn.Module:
    """Captum's hooks cannot stand units that write into their input."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return model


class OnlyModules(nn.Module):
    """The narrow VGG16LSTM with a module for each ReLU of its LSTM: Captum guides modules alone."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.units = model, nn.ModuleList(nn.ReLU() for _ in range(2 * 8))

    def forward(self, clips: Tensor) -> Tensor:
        model, units, shape = self.model, iter(self.units), clips.shape
        features = model.backbone(model.normalise(clips).transpose(1, 2).flatten(0, 1))
        hidden = cell = torch.zeros(shape[0], model.lstm.hidden)
        found = []
        for step in features.unflatten(0, (shape[0], shape[2])).unbind(1):
            gates = model.lstm.from_input(step) + model.lstm.from_hidden(hidden.detach())
            enter, forget, candidate, leave = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * cell.detach() + enter.sigmoid() * next(units)(candidate)
            hidden = leave.sigmoid() * next(units)(cell)
            found.append(model.fc(hidden).softmax(dim=1))
        return torch.stack(found).mean(dim=0).log()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_guided_backprop_equals_captums(family):
    model, clips = narrow(family), some_clips(3)
    twin = without_in_place_units(model)
    twin = twin if family == "r2plus1d_18" else OnlyModules(twin)
    torch.testing.assert_close(twin(clips), model(clips))
    theirs = GuidedBackprop(twin).attribute(clips, target=TARGETS)
    ours = guided_backprop.attribute(model, clips, TARGETS).grid
    torch.testing.assert_close(ours, relative(theirs.abs().amax(dim=1)), **ROUNDING)
    assert (ours - gradient.attribute(model, clips, TARGETS).grid).abs().mean() > 0.005  # guiding made a difference


def test_gradients_by_hand():
    """One frame of two pixels and logits Σ w·x: the gradient is w, whatever the clip is."""
    weights = torch.tensor([[1.0, -2.0], [-4.0, 0.5], [0.0, 1.0]]).view(3, 1, 1, 2)
    clip = torch.tensor([[0.5, 0.5], [0.25, 1.0], [1.0, 1.0]]).view(1, 3, 1, 1, 2)
    model, target = Pointwise(lambda clips: weights * clips), torch.tensor([0])
    found = {name: EVERY[name].attribute(model, clip, target).grid.flatten().tolist() for name in PLAIN}
    # Strongest channels: |−4| and |−2|. Sums over channels of w·x: 0.5 − 1 + 0 and −1 + 0.5 + 1.
    assert found["gradient"] == found["smooth_grad"] == [1.0, 0.5]
    assert found["gradient_x_input"] == [0.0, 1.0]
    absolute = gradient_x_input.attribute(model, clip, target, sign="absolute").grid.flatten().tolist()
    assert absolute == [1.0, 1.0]
    against = gradient_x_input.attribute(model, clip, torch.tensor([1])).grid.flatten().tolist()
    assert against == [1.0, 0.0]


def test_integrated_gradients_see_what_is_saturated_at_the_clip_where_the_gradient_is_zero():
    """The paper's own example: f = min(x, ½). From black to x it gains min(x, ½)."""
    model, clips = Pointwise(lambda clips: clips.clamp(max=0.5)), some_clips(2, frames=2, size=4)[:, :1] * 0.4 + 0.55
    targets = torch.tensor([0, 0])
    clips[:, :, 0, 0, 0] = 0.25
    expected = torch.ones(2, 2, 4, 4)
    expected[:, 0, 0, 0] = 0.5
    alone = torch.zeros(2, 2, 4, 4)
    alone[:, 0, 0, 0] = 1
    assert torch.equal(gradient.attribute(model, clips, targets).grid, alone)
    found = integrated_gradients.attribute(model, clips, targets, steps=400, score="logit").grid
    torch.testing.assert_close(found, expected, atol=5e-3, rtol=0)


def test_integrated_gradients_add_up_to_what_the_clip_gains_over_its_baseline():
    """f = x²: from the mean colour m to x each voxel gains x² − m², and the rule of midpoints is exact."""
    clips = some_clips(2, frames=3, size=4)
    model = Pointwise(torch.square)
    means = clips.mean(dim=(2, 3, 4), keepdim=True)
    expected = relative((clips.square() - means.square()).sum(dim=1).relu())
    options = {"steps": 1, "baseline": "fade", "score": "logit"}
    found = integrated_gradients.attribute(model, clips, torch.tensor([0, 0]), **options).grid
    torch.testing.assert_close(found, expected, **ROUNDING)


def test_smooth_grad_of_a_kink_is_the_normal_distribution_and_captums_noise_tunnel_says_the_same():
    """f = max(x − ½, 0) has the gradient [x > ½]; behind noise of σ its mean is Φ((x − ½)/σ)."""
    clips = torch.linspace(0, 1, 48).view(1, 3, 1, 4, 4)  # its range is 1, so that σ is the share of noise
    model, target, samples = Pointwise(lambda clips: (clips - 0.5).relu()), torch.tensor([0]), 3000
    probability = torch.special.ndtr((clips - 0.5) / 0.2).amax(dim=1)
    ours = smooth_grad.attribute(model, clips, target, samples=samples, noise=0.2).grid
    # A share of 3000 samples has a standard deviation of 0.009 at most.
    torch.testing.assert_close(ours, relative(probability), atol=0.04, rtol=0)
    theirs = NoiseTunnel(Saliency(model)).attribute(
        clips, nt_samples=samples, nt_samples_batch_size=100, stdevs=0.2, target=target, abs=False
    )
    torch.testing.assert_close(ours, relative(theirs.abs().amax(dim=1)), atol=0.06, rtol=0)


def test_the_noise_of_smooth_grad_is_a_share_of_the_clips_own_range():
    """Ten times the contrast, ten times the noise: a map that looks only at x over its range stays the same."""
    clips, target = some_clips(1, frames=2, size=6), torch.tensor([0])
    dim = clips * 0.1
    # The same noise is needed, and it is drawn from the bytes; so the statistic is compared.
    sharp = smooth_grad.attribute(Pointwise(lambda x: (x - 0.5).relu()), clips, target, samples=2000, noise=0.3).grid
    flat = smooth_grad.attribute(Pointwise(lambda x: (x - 0.05).relu()), dim, target, samples=2000, noise=0.3).grid
    torch.testing.assert_close(sharp, flat, atol=0.08, rtol=0)


def test_without_noise_smooth_grad_is_the_gradient_and_another_seed_draws_other_noise():
    model, clips = narrow("r2plus1d_18"), some_clips(2)
    targets = TARGETS[:2]
    plain = gradient.attribute(model, clips, targets).grid
    torch.testing.assert_close(smooth_grad.attribute(model, clips, targets, samples=2, noise=0.0).grid, plain)
    one, other = (smooth_grad.attribute(model, clips, targets, samples=2, seed=seed).grid for seed in (0, 1))
    assert not torch.allclose(one, other, atol=0.05)


def test_every_clip_gets_noise_of_its_own():
    """The noise decides which voxels two samples take across the kink: about half of them, and each clip others."""
    clips = torch.full((2, 3, 2, 8, 8), 0.5)
    clips[:, 0, 0, 0, 0] = torch.tensor([0.0, 0.001])
    model = Pointwise(lambda clips: (clips - 0.5).relu())
    one, other = smooth_grad.attribute(model, clips, torch.tensor([0, 0]), samples=1).grid > 0.5
    assert 0.05 < (one != other).float().mean() < 0.4  # a voxel is on if one of its three colours is: 7 in 8


def test_a_guided_gradient_by_hand():
    """The three units' outputs have the gradients 1, 1, −2; the last one is stopped, and at ¾ the second unit is off.

    So at ¼ the gradient is 1 − 1 − 2, guided 1 − 1, and at ¾ it is 1 − 2, guided 1.
    """
    clip, target = torch.tensor([0.25, 0.75]).view(1, 1, 1, 1, 2), torch.tensor([0])

    def logit(clips):
        return clips.relu() + (0.5 - clips).relu() - 2 * (clips + 1).relu()

    assert gradient.attribute(Pointwise(logit), clip, target).grid.flatten().tolist() == [1.0, 0.5]
    assert guided_backprop.attribute(Pointwise(logit), clip, target).grid.flatten().tolist() == [0.0, 1.0]


FORMS = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "function": functional.relu,
    "function in place": lambda values: functional.relu(values, inplace=True),
    "function in place, by position": lambda values: functional.relu(values, True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "method": lambda values: values.relu(),
    "method in place": lambda values: values.relu_(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_relu_is_guided_and_one_in_place_writes_into_its_input(form):
    class Network(nn.Module):
        def __init__(self, unit, returned):
            super().__init__()
            torch.manual_seed(1)
            self.first, self.last = nn.Conv3d(3, 4, 3, padding=1), nn.Conv3d(4, 3, 3)
            self.unit, self.returned = unit, returned

        def forward(self, clips):
            values = self.first(clips)
            active = self.unit(values)
            return self.last(active if self.returned else values).mean(dim=(2, 3, 4))

    clips = some_clips(3, frames=4, size=8)
    expected = guided_backprop.attribute(Network(nn.ReLU(), True), clips, TARGETS).grid
    assert not torch.equal(expected, gradient.attribute(Network(nn.ReLU(), True), clips, TARGETS).grid)
    assert torch.equal(guided_backprop.attribute(Network(FORMS[form], True), clips, TARGETS).grid, expected)
    if "in place" in form or form.endswith("_"):  # the model may go on with what it handed in
        assert torch.equal(guided_backprop.attribute(Network(FORMS[form], False), clips, TARGETS).grid, expected)


def test_a_gate_weighs_what_passes_and_its_gradient_may_be_negative():
    """f = σ(−4x)·max(x, 0), f' = σ − 4xσ(1 − σ): at ½ it is negative, the gate closes faster than the unit rises."""
    clip = torch.tensor([0.5, 0.125]).view(1, 1, 1, 1, 2)
    found = guided_backprop.attribute(Pointwise(lambda x: (-4 * x).sigmoid() * x.relu()), clip, torch.tensor([0]))
    gate = [1 / (1 + math.exp(4 * x)) for x in (0.5, 0.125)]
    slopes = [abs(g - 4 * x * g * (1 - g)) for g, x in zip(gate, (0.5, 0.125), strict=True)]
    assert found.grid.flatten().tolist() == pytest.approx([slope / max(slopes) for slope in slopes], abs=1e-3)


OTHER_UNITS = {
    "gelu": nn.GELU(),
    "silu": nn.SiLU(inplace=True),
    "tanh": lambda values: values.tanh(),
    "leaky_relu": nn.LeakyReLU(),
    "hardtanh": nn.ReLU6(),
    "lstm": lambda values: nn.LSTM(4, 4)(values.flatten(2).transpose(1, 2))[0].transpose(1, 2)[..., None, None],
}


@pytest.mark.parametrize("unit", OTHER_UNITS)
def test_guided_backprop_refuses_other_units_than_relu(unit):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv3d(3, 4, 3)

        def forward(self, clips):
            return OTHER_UNITS[unit](self.first(clips).relu() - 0.1).mean(dim=(2, 3, 4))

    with pytest.raises(NotApplicableError, match=f"calls {unit}_?; guided backpropagation is defined for ReLU alone"):
        guided_backprop.attribute(Network(), some_clips(1, frames=4, size=8), torch.tensor([0]))


def test_guided_backprop_refuses_a_model_without_units():
    with pytest.raises(NotApplicableError, match="calls no ReLU"):
        guided_backprop.attribute(Pointwise(torch.square), some_clips(1, size=4), torch.tensor([0]))


@pytest.mark.parametrize("method", [*PLAIN, "integrated_gradients"])
def test_voxels_that_the_model_does_not_see_have_no_importance(method):
    cuboid, clips = Cuboid((2, 5), (4, 14), (8, 20)), textured_clips(2, 8, 24, 24)
    truth = cuboid.mask((8, 24, 24)).bool()
    maps = EVERY[method].attribute(model_for(cuboid), clips, torch.tensor([1, 1])).full()
    assert maps[:, ~truth].count_nonzero() == 0
    assert maps[:, truth].mean() > 0.01
    assert torch.equal(maps.amax(dim=(1, 2, 3)), torch.ones(2))


@pytest.mark.parametrize("method", EVERY)
def test_without_a_gradient_the_map_is_zero_and_its_neighbour_keeps_its_own(method):
    clips = some_clips(2, frames=2, size=4) / 2 + 0.25
    clips[0] = 0
    model = Pointwise(lambda clips: clips.relu().pow(3) * (clips.detach().sum(dim=(1, 2, 3, 4), keepdim=True) > 1))
    maps = EVERY[method].attribute(model, clips, torch.tensor([0, 0])).full()
    assert torch.equal(maps[0], torch.zeros(2, 4, 4))
    assert maps[1].max() == 1


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("method", EVERY)
def test_a_gradient_that_is_not_finite_is_not_passed_off_as_none(method, broken):
    """Zeros would be scored as a map that points nowhere; the stage must see that it failed."""
    model = Pointwise(lambda clips: clips.relu() * broken)
    maps = EVERY[method].attribute(model, some_clips(1, frames=2, size=4), torch.tensor([0]))
    assert not maps.grid.isfinite().all()


@pytest.mark.parametrize("method", EVERY)
def test_a_gradient_of_minus_infinity_is_not_rectified_away(method):
    """f = −√(x − x̄) at x̄ = x: the answer is 0, its slope is not finite."""
    model = Pointwise(lambda clips: -(clips.relu() - clips.relu().detach()).sqrt())
    maps = EVERY[method].attribute(model, some_clips(1, frames=2, size=4), torch.tensor([0]))
    assert not maps.grid.isfinite().all()


@pytest.mark.parametrize("method", [*PLAIN, "integrated_gradients"])
def test_an_answer_that_is_not_finite_is_seen_although_its_gradient_is(method):
    maps = EVERY[method].attribute(NanAbove(CLASSES, -1.0), some_clips(1, size=4), torch.tensor([2]))
    assert not maps.grid.isfinite().all()


@pytest.mark.parametrize(("method", "option"), [("smooth_grad", "samples"), ("integrated_gradients", "steps")])
def test_a_number_of_samples_below_one_is_refused(method, option):
    with pytest.raises(UsageError, match=f"option '{option}' is 0; set it to 1 or more"):
        EVERY[method].attribute(narrow("r2plus1d_18"), some_clips(1), torch.tensor([0]), **{option: 0})
