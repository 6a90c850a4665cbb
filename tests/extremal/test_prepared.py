"""A prepared model computes the same, and nothing of the preparation is left behind."""

import pytest
import torch
from narrow_models import FAMILIES, changes, narrow, some_clips, state, untidy
from torch import nn

from stepaudit.extremal.prepared import channels_last, prepared
from stepaudit.layers import frozen


def with_statistics(model: nn.Module) -> nn.Module:
    """The model with batch norms that do something."""
    generator = torch.Generator().manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            for values, low in ((module.running_mean, -0.5), (module.running_var, 0.5), (module.weight.data, 0.5)):
                values.copy_(low + torch.rand(values.shape, generator=generator))
    return model


def values_and_gradients(model: nn.Module, clips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    clips = clips.clone().requires_grad_()
    logits = model(clips)
    return logits.detach(), torch.autograd.grad(logits.log_softmax(1)[:, 0].sum(), clips)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_are_those_of_the_model_as_it_is(family):
    model, clips = with_statistics(narrow(family)).double(), some_clips(2).double()
    with frozen(model):
        expected = values_and_gradients(model, clips)
        with prepared(model, clips):
            found = values_and_gradients(model, clips)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("family", "left"), [("r2plus1d_18", 0), ("vgg16_lstm", 0)])
def test_every_batch_norm_behind_a_convolution_is_folded(family, left):
    model = narrow(family)
    with prepared(model, some_clips(1)):
        assert sum(isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d) for module in model.modules()) == left


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_put_back_also_when_it_raises(family):
    model = untidy(narrow(family))
    before, modules = state(model), list(model.modules())
    with pytest.raises(FloatingPointError), frozen(model), prepared(model, some_clips(1)):
        raise FloatingPointError
    assert changes(before, state(model)) == []
    assert all(one is other for one, other in zip(model.modules(), modules, strict=True))


class Twice(nn.Sequential):
    """A Sequential that does not run its parts in order."""

    def forward(self, clips):
        return self[1](self[0](clips)) + self[0](clips)


def test_a_sequential_with_a_forward_of_its_own_a_shared_part_and_a_hooked_part_are_left_alone():
    def pair():
        return nn.Conv3d(3, 3, 1), with_statistics(nn.Sequential(nn.BatchNorm3d(3)))[0]

    shared = nn.Conv3d(3, 3, 1)
    hooked = nn.Sequential(*pair())
    hooked[0].register_forward_hook(lambda module, inputs, output: output * 2)
    model = nn.Sequential(Twice(*pair()), nn.Sequential(shared, pair()[1]), shared, hooked).eval()
    clips = torch.rand(2, 3, 4, 8, 8)
    with frozen(model), torch.no_grad():
        expected = model(clips)
        with prepared(model, clips):
            torch.testing.assert_close(model(clips), expected)
            assert isinstance(model[0][1], nn.BatchNorm3d)
            assert model[2] is shared


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": (1, 3, 3), "stride": (1, 2, 1), "padding": (0, 1, 0)},
        {"kernel_size": (3, 1, 1), "stride": (2, 1, 1), "padding": (1, 0, 0)},
        {"kernel_size": (1, 3, 3), "dilation": (1, 2, 2)},
        {"kernel_size": (3, 3, 3), "padding": 1},
        {"kernel_size": (1, 1, 1), "stride": 2},
        {"kernel_size": (1, 3, 3), "padding": "same"},
        {"kernel_size": (3, 1, 1), "padding": (1, 0, 0), "padding_mode": "replicate"},
        {"kernel_size": (1, 3, 3), "groups": 2},
    ],
)
def test_convolutions_of_every_kind_give_what_they_gave(options):
    model = nn.Sequential(nn.Conv3d(4, 6, **options)).eval()
    clips = torch.rand(2, 4, 5, 9, 7)
    with frozen(model), torch.no_grad():
        expected = model(clips)
        with prepared(model, clips):
            torch.testing.assert_close(model(clips), expected)


@pytest.mark.parametrize("family", ["r2plus1d_18", "vgg16_lstm", "mc3_18"])
def test_training_gradients_are_those_of_the_model_as_it_is(family):
    model, clips = narrow(family).double().train(), some_clips(2).double()
    torch.manual_seed(1)  # dropout
    expected = torch.autograd.grad(model(clips).pow(2).sum(), list(model.parameters()))
    torch.manual_seed(1)
    with channels_last(model, clips):
        found = torch.autograd.grad(model(clips).pow(2).sum(), list(model.parameters()))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-9)


class Flattening(nn.Module):
    """Flattens with `view`, which needs memory in order: that of a channels-last convolution is not."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv3d(3, 4, (1, 3, 3), padding=(0, 1, 1)), nn.Linear(4 * 2 * 4 * 4, 2)

    def forward(self, clips):
        return self.head(torch.nn.functional.max_pool3d(self.convolution(clips), 2).view(len(clips), -1))


class Hooked(nn.Sequential):
    """Its inner Sequential changes what it gives, which no place tells."""

    def __init__(self):
        super().__init__(nn.Sequential(nn.Conv3d(3, 4, 3)), nn.BatchNorm3d(4), nn.Flatten(), nn.LazyLinear(2))
        self[0].register_forward_hook(lambda module, inputs, output: output * 2 + 1)
        self(torch.rand(2, 3, 4, 8, 8))


class Unfolded(nn.Sequential):
    """A batch norm that keeps no statistics."""

    def __init__(self):
        norm = nn.BatchNorm3d(4, track_running_stats=False)
        super().__init__(nn.Conv3d(3, 4, 3), norm, nn.Flatten(), nn.LazyLinear(2))
        self(torch.rand(2, 3, 4, 8, 8))


@pytest.mark.parametrize("kind", [Flattening, Hooked, Unfolded])
def test_a_model_that_would_fail_or_answer_otherwise_stays_as_it_is(kind):
    model, clips = kind().eval(), torch.rand(2, 3, 4, 8, 8)
    with frozen(model), torch.no_grad():
        expected = model(clips)
        with prepared(model, clips):
            torch.testing.assert_close(model(clips), expected)
        with channels_last(model, clips):
            torch.testing.assert_close(model(clips), expected)


def test_memory_that_runs_out_while_a_model_is_prepared_is_told():
    class Full(nn.Module):
        def __init__(self):
            super().__init__()
            self.asked = 0

        def forward(self, clips):
            self.asked += 1
            if self.asked > 1:
                raise torch.OutOfMemoryError("raised on purpose")
            return clips.mean(dim=(2, 3, 4))

    with pytest.raises(torch.OutOfMemoryError), prepared(Full(), torch.rand(1, 3, 4, 8, 8)):
        pass
