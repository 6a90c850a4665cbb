"""The contract of every registered method, on models of several kinds; a new method is tested without a change here."""

import re
import sys
from functools import cache

import pytest
import torch
from narrow_models import BY_HAND, FAMILIES, changes, narrow, some_clips, state, untidy
from torch import Tensor, nn

from stepaudit.audit import registry
from stepaudit.errors import NotApplicableError
from stepaudit.maps import Maps, render
from stepaudit.methods import _extremal

METHODS = registry.components("methods")
# Options that make a method quick, where it has them; several calls of the model remain.
SHORT = {
    "iterations": 3,
    "steps": 3,
    "samples": 2,
    "masks": 6,
    "at_once": 4,
    "stride": 1.0,
    "side": 0.5,
    "summed": (0.1, 0.3),
}
COUNT, SIZE = 3, (8, 32, 32)
TARGETS, RATIOS = torch.tensor([0, 2, 1]), torch.tensor([0.1, 0.3, 0.5])
BOX_PRIOR = torch.rand(SIZE, generator=torch.Generator().manual_seed(3))
# What a method may require, in whole batches or, like the prior, for all rows alike.
REQUIRED = {"ratios": lambda rows: RATIOS[rows], "box_prior": lambda rows: BOX_PRIOR}

# One model of a kind: a 3D CNN, a CNN with an RNN, a transformer, and a network set by hand whose gradient is mostly 0.
KINDS = ("r2plus1d_18", "vgg16_lstm", "swin3d_t", *BY_HAND)
# Methods that hand all that they are given to one optimiser: `ep3d` shows what it does with every family.
OPTIMISED = {
    name
    for name, component in METHODS.items()
    if vars(sys.modules[component.load().__module__]).get("explain") is _extremal.explain
} - {"ep3d"}

every_method = pytest.mark.parametrize("method", METHODS)


def attribute(method: str, model: nn.Module, clips: Tensor, rows: slice = slice(COUNT)) -> Maps:
    """The method's maps of some rows."""
    component = METHODS[method]
    options = {name: value for name, value in SHORT.items() if name in component.options}
    required = {name: value(rows) for name, value in REQUIRED.items() if name in component.requires}
    return component.load()(model, clips[rows], TARGETS[rows], **required, seed=0, **options)


@cache
def outcomes(method: str) -> dict[str, Maps | NotApplicableError]:
    """By family: the maps of three clips that all tests compare with, made once, or why there are none."""
    found: dict[str, Maps | NotApplicableError] = {}
    for family in KINDS[:2] if method in OPTIMISED else (*FAMILIES, *BY_HAND):
        try:
            found[family] = attribute(method, narrow(family), some_clips(COUNT))
        except NotApplicableError as error:
            found[family] = error
    return found


def suited(method: str) -> dict[str, Maps]:
    """The families on which the whole contract is tested, with their maps.

    To a method that suits every family a model is a function, and one model of each kind will do. A method that some
    family does not suit looks into the network, and all others matter.
    """
    maps = {family: found for family, found in outcomes(method).items() if isinstance(found, Maps)}
    return {kind: maps[kind] for kind in KINDS if kind in maps} if len(maps) == len(outcomes(method)) else maps


def test_the_names_are_those_of_the_folder():
    assert {"center", "ep3d", "grad_cam", "random_pixel", "step"} <= set(METHODS)


@every_method
def test_a_method_requires_only_what_the_stage_can_give(method):
    assert METHODS[method].requires <= set(REQUIRED)


@every_method
def test_a_method_gives_maps_or_says_why_it_cannot_and_suits_some_family(method):
    reasons = [str(found) for found in outcomes(method).values() if isinstance(found, NotApplicableError)]
    assert [reason for reason in reasons if not re.search(r"\w+ \w+", reason)] == []
    assert suited(method)


@every_method
def test_maps_have_the_size_of_the_clips_and_lie_between_0_and_1(method):
    for maps in suited(method).values():
        full = maps.full()
        assert full.shape == (COUNT, *SIZE)
        assert maps.size == SIZE
        assert len(maps.grid) == COUNT
        assert full.dtype == torch.float32
        for values in (full, maps.grid):
            assert values.isfinite().all()
            assert values.min() >= 0
            assert values.max() <= 1
        assert not full.requires_grad


@every_method
def test_the_grid_is_exact_in_float16_so_that_storing_it_loses_nothing(method):
    for maps in suited(method).values():
        assert torch.equal(render(maps.grid.half(), maps.upsampling, maps.size), maps.full())


@every_method
def test_maps_are_the_same_whatever_random_state_and_mode_are_and_nothing_is_left_changed(method):
    """One call for two promises: the model is in a state worth keeping, and the random state is another."""
    for family, first in suited(method).items():
        torch.manual_seed(123)
        model, clips = untidy(narrow(family)), some_clips(COUNT)
        original, before = clips.clone(), state(model)
        again = attribute(method, model, clips)
        assert changes(before, state(model)) == []
        assert torch.equal(clips, original)
        assert not clips.requires_grad
        assert clips.grad is None
        assert torch.equal(first.full(), again.full())
        assert first.upsampling == again.upsampling


@every_method
def test_a_row_does_not_depend_on_the_other_rows(method):
    for family, maps in suited(method).items():
        clips = some_clips(COUNT)
        others = clips.flip(0).clone()
        others[1] = clips[1]
        other = attribute(method, narrow(family), others)
        assert torch.equal(maps.grid[1], other.grid[1]), family
        for name in ("kept_probability", "kept_rank"):
            assert maps.detail(name, 1) == other.detail(name, 1)


@every_method
def test_a_row_alone_has_the_map_that_it_has_in_a_batch(method):
    """But for rounding: one clip's convolution adds in another order, and the optimiser ranks voxels that near-tie."""
    last = COUNT - 1
    for family, together in suited(method).items():
        alone = attribute(method, narrow(family), some_clips(COUNT), rows=slice(last, COUNT))
        apart = (together.grid[last] - alone.grid[0]).abs()
        assert (apart > 2e-3).float().mean() < 0.03, family
        assert apart.max() < 0.05, family
        assert together.detail("kept_probability", last) == pytest.approx(alone.detail("kept_probability", 0), abs=1e-4)


class Scaled(nn.Module):
    """A model on clips of half the contrast, which it makes of its input, perhaps in place and unseen by PyTorch."""

    def __init__(self, inner: nn.Module, *, in_place: bool):
        super().__init__()
        self.inner, self.in_place = inner, in_place

    @property
    def activation_layer(self) -> nn.Module | None:
        return self.inner.activation_layer

    def rollout(self, weights: list[Tensor], size: tuple[int, ...]) -> Tensor:
        return self.inner.rollout(weights, size)

    def forward(self, clips: Tensor) -> Tensor:
        if self.in_place:
            clips.data.mul_(0.5)
            return self.inner(clips)
        return self.inner(0.5 * clips.detach() + (clips - clips.detach()))  # the same values and gradients


@every_method
def test_a_model_that_writes_into_its_input_has_the_maps_of_one_that_does_not(method):
    family, clips = next(iter(suited(method))), some_clips(COUNT)
    found, expected = (attribute(method, Scaled(narrow(family), in_place=each), clips) for each in (True, False))
    assert torch.equal(clips, some_clips(COUNT))
    assert torch.equal(found.grid, expected.grid)
    for name in ("kept_probability", "kept_rank"):
        assert found.detail(name, 0) == expected.detail(name, 0)


def failing(module: nn.Module, at: int) -> list[int]:
    """Makes a module raise at its n-th call; the list counts them. A hook, so that the model's parts stay in reach."""
    calls: list[int] = []

    def count(*arguments: object) -> None:
        calls.append(len(calls) + 1)
        if calls[-1] == at:
            raise FloatingPointError("raised on purpose")

    module.register_forward_pre_hook(count)
    return calls


@pytest.mark.parametrize(("part", "at"), [("model", 3), ("last layer", 1)])
@every_method
def test_nothing_is_left_changed_when_the_model_raises(method, part, at):
    for family in suited(method):
        model, clips = untidy(narrow(family)), some_clips(COUNT)
        calls = failing(model if part == "model" else list(model.modules())[-1], at)
        original, before = clips.clone(), state(model)
        try:
            attribute(method, model, clips)
        except FloatingPointError:
            assert calls[-1] == at
        else:
            assert len(calls) < at  # it asks the model less often
        assert changes(before, state(model)) == [], family
        assert torch.equal(clips, original)
        assert not clips.requires_grad


@every_method
def test_a_caller_without_gradients_gets_the_same_maps(method):
    family, maps = next(iter(suited(method).items()))
    with torch.no_grad():
        without = attribute(method, narrow(family), some_clips(COUNT))
    assert torch.equal(without.full(), maps.full())
