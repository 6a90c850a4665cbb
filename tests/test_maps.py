"""From a compact grid to the full map."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom

from stepaudit.errors import NonFiniteError, UsageError
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.maps import UPSAMPLINGS, Maps, checked_maps, render, smooth_max_name


def test_nearest_repeats_each_value_over_its_share():
    grid = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    full = render(grid, "nearest", (2, 4, 6))
    assert full.shape == (1, 2, 4, 6)
    assert full[0, 1].tolist() == [[1, 1, 1, 2, 2, 2]] * 2 + [[3, 3, 3, 4, 4, 4]] * 2


def test_trilinear_interpolates_between_the_middles_of_the_cells():
    """Half-pixel centres: scipy's grid mode with the border continued."""
    grid = torch.rand(1, 3, 4, 5)
    full = render(grid, "trilinear", (6, 12, 10))
    expected = zoom(grid[0].double().numpy(), (2, 3, 2), order=1, mode="nearest", grid_mode=True)
    torch.testing.assert_close(full[0].double(), torch.from_numpy(expected), atol=1e-6, rtol=0)


def test_trilinear_of_a_single_time_step_is_the_same_in_every_frame():
    full = render(torch.rand(1, 1, 4, 4), "trilinear", (8, 16, 16))
    assert torch.equal(full, full[:, :1].expand_as(full))


def test_the_smooth_maximum_finds_its_geometry_in_its_name():
    """A σ such as 10/3 must not be rounded on its way through the table."""
    geometry = SmoothMax(40, 52, 10 / 3, 4)
    grid = torch.rand(2, 3, *geometry.grid)
    name = smooth_max_name(geometry)
    assert name == "smooth-max:sigma=3.3333333333333335,step=4"
    assert torch.equal(render(grid, name, (3, 40, 52)), geometry.crop(geometry(grid)))


@pytest.mark.parametrize("name", ["nearest", "trilinear", smooth_max_name(SmoothMax.of(28, 28))])
def test_full_maps_are_float32_within_the_grids_range(name):
    assert name.partition(":")[0] in UPSAMPLINGS
    grid = torch.rand(2, 4, *SmoothMax.of(28, 28).grid).half()
    full = render(grid, name, (4, 28, 28))
    assert full.dtype == torch.float32
    assert full.shape == (2, 4, 28, 28)
    assert full.min() >= 0
    assert full.max() <= grid.max()


def test_details_are_given_row_by_row_or_not_at_all():
    maps = Maps(torch.zeros(2, 1, 1, 1), "nearest", (1, 1, 1), {"kept_probability": torch.tensor([0.25, 0.5])})
    assert maps.detail("kept_probability", 1) == 0.5
    assert maps.detail("kept_rank", 1) is None


CLIPS, SIZE = ["a", "b"], (4, 8, 8)


def given(scale=1.0, rows=2, **changes):
    grid = torch.linspace(0.1, 1, 2 * 2 * 3 * 3).reshape(2, 2, 3, 3)[:1].expand(rows, -1, -1, -1) * scale
    return replace(Maps(grid, "nearest", SIZE), **changes)


def test_sound_maps_come_back_as_they_are_stored():
    found = checked_maps(given(scale=1.0005, details={"kept_probability": torch.tensor([0.5, 1.0])}), "m", CLIPS, SIZE)
    assert found.grid.equal(found.grid.half().float())
    assert found.grid.max() <= 1
    assert found.grid.sub(given().grid).abs().max() < 2e-3


@pytest.mark.parametrize(
    ("maps", "text"),
    [
        (torch.zeros(2, 4, 8, 8), "method 'm' returned a Tensor; return `stepaudit.maps.Maps`"),
        (given(grid=torch.zeros(2, 8, 8)), "method 'm' returned a grid [2, 8, 8]; return real numbers [N, t, h, w]"),
        (given(grid=np.zeros((2, 1, 8, 8))), "method 'm' returned a grid ndarray"),
        (given(rows=4), "method 'm' returned 4 maps for 2 rows"),
        (given(rows=1), "method 'm' returned 1 maps for 2 rows"),
        (given(size=(8, 8, 4)), "method 'm' returned maps of (8, 8, 4) for clips of (4, 8, 8) (T, H, W)"),
        (given(upsampling="trilinea"), "names the upsampling 'trilinea'; did you mean 'trilinear'?"),
        (given(details={"steps": torch.ones(3)}), "returned details of which 'steps' has the shape [3], not [2]"),
        (given(scale=1e6), "the map of clip 'a' has values from 1e+05 to "),
        (given(scale=-1.0), "the map of clip 'a' has values from -"),
        (given(scale=1e-8), "too little for float16; scale each map to a greatest value of 1"),
    ],
)
def test_maps_that_break_their_promise_are_refused_with_the_methods_name(maps, text):
    with pytest.raises(UsageError) as caught:
        checked_maps(maps, "m", CLIPS, SIZE)
    assert text in str(caught.value)
    assert str(caught.value).startswith("method 'm'")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_maps_and_their_numbers_that_are_not_finite_are_a_failure_of_the_clip(value):
    for maps in (given(scale=value), given(details={"kept_probability": torch.tensor([0.5, value])})):
        with pytest.raises(NonFiniteError, match="holds NaN or infinite values"):
            checked_maps(maps, "m", CLIPS, SIZE)
