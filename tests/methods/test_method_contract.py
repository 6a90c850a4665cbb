"""What every registered method promises, on both model families; a new one is tested without a change here."""

import pytest
import torch
from narrow_models import FAMILIES, Failing, changes, narrow, some_clips, state, untidy
from torch import Tensor

from stepaudit import registry
from stepaudit.errors import NotApplicableError
from stepaudit.maps import Maps, render

METHODS = registry.components("methods")
SHORT = {"iterations": 3}  # options that make a method quick, where it has them
TARGETS, RATIOS = torch.tensor([0, 2, 1]), torch.tensor([0.1, 0.3, 0.5])

every_method = pytest.mark.parametrize("method", METHODS)
every_family = pytest.mark.parametrize("family", FAMILIES)


def attribute(method: str, model: torch.nn.Module, clips: Tensor, rows=slice(None), seed: int = 0) -> Maps:
    """The method's maps of some rows; a method that does not suit the model is skipped."""
    component = METHODS[method]
    options = {name: value for name, value in SHORT.items() if name in component.options}
    ratios = {"ratios": RATIOS[: len(clips)][rows]} if "ratios" in component.requires else {}
    try:
        return component.load()(model, clips[rows], TARGETS[: len(clips)][rows], **ratios, seed=seed, **options)
    except NotApplicableError as error:
        pytest.skip(f"not applicable: {error}")


def test_the_names_are_those_of_the_folder():
    assert {"center", "ep3d", "grad_cam", "random_pixel", "step"} <= set(METHODS)


@every_family
@every_method
def test_maps_have_the_size_of_the_clips_and_lie_between_0_and_1(method, family):
    maps = attribute(method, narrow(family), some_clips(3))
    full = maps.full()
    assert full.shape == (3, 8, 32, 32)
    assert maps.size == (8, 32, 32)
    assert len(maps.grid) == 3
    assert full.dtype == torch.float32
    for values in (full, maps.grid):
        assert values.isfinite().all()
        assert values.min() >= 0
        assert values.max() <= 1
    assert not full.requires_grad


@every_family
@every_method
def test_the_grid_is_exact_in_float16_so_that_storing_it_loses_nothing(method, family):
    maps = attribute(method, narrow(family), some_clips(3))
    assert torch.equal(render(maps.grid.half(), maps.upsampling, maps.size), maps.full())


@every_family
@every_method
def test_the_same_call_gives_the_same_maps_whatever_the_random_state_and_the_mode_are(method, family):
    first = attribute(method, narrow(family), some_clips(3))
    torch.manual_seed(123)
    again = attribute(method, narrow(family).train(), some_clips(3))
    assert torch.equal(first.full(), again.full())
    assert first.upsampling == again.upsampling


@every_family
@every_method
def test_a_row_does_not_depend_on_the_other_rows(method, family):
    model, clips = narrow(family), some_clips(3)
    others = clips.flip(0).clone()
    others[1] = clips[1]
    one, other = (attribute(method, model, batch) for batch in (clips, others))
    assert torch.equal(one.grid[1], other.grid[1])
    for name in ("kept_probability", "kept_rank"):
        assert one.detail(name, 1) == other.detail(name, 1)


@every_family
@every_method
def test_a_row_alone_has_the_map_that_it_has_in_a_batch(method, family):
    """But for rounding: one clip's convolution adds in another order, and the optimiser ranks voxels that near-tie."""
    model, clips = narrow(family), some_clips(3)
    together = attribute(method, model, clips)
    for row in range(3):
        alone = attribute(method, model, clips, rows=slice(row, row + 1))
        apart = (together.grid[row] - alone.grid[0]).abs()
        assert (apart > 2e-3).float().mean() < 0.03
        assert apart.max() < 0.05
        assert together.detail("kept_probability", row) == pytest.approx(alone.detail("kept_probability", 0), abs=1e-4)


@every_family
@every_method
def test_nothing_is_left_changed(method, family):
    model, clips = untidy(narrow(family)), some_clips(3)
    kept, before = clips.clone(), state(model)
    attribute(method, model, clips)
    assert changes(before, state(model)) == []
    assert torch.equal(clips, kept)
    assert not clips.requires_grad
    assert clips.grad is None


@pytest.mark.parametrize("at", [1, 3])
@every_family
@every_method
def test_nothing_is_left_changed_when_the_model_raises(method, family, at):
    model, clips = Failing(untidy(narrow(family)), at), some_clips(3)
    kept, before = clips.clone(), state(model)
    try:
        attribute(method, model, clips)
    except FloatingPointError:
        assert model.calls == at
    else:
        assert model.calls < at  # it asks the model less often
    assert changes(before, state(model)) == []
    assert torch.equal(clips, kept)
    assert not clips.requires_grad


@every_method
def test_a_caller_without_gradients_gets_the_same_maps(method):
    model, clips = narrow("r2plus1d_18"), some_clips(2)
    with torch.no_grad():
        without = attribute(method, model, clips)
    assert torch.equal(without.full(), attribute(method, model, clips).full())
