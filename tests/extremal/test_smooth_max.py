"""The smooth maximum against its literal form."""

import literal
import pytest
import torch

from stepaudit.extremal import smooth_max
from stepaudit.extremal.smooth_max import SmoothMax


@pytest.mark.parametrize(("height", "width", "sigma"), [(20, 26, 5.0), (16, 16, 2.4), (14, 9, 8.0)])
def test_masks_and_gradients_equal_the_literal_form(height, width, sigma):
    geometry = SmoothMax(height, width, sigma)
    seeds = torch.rand(2, 2, *geometry.grid, dtype=torch.float64, requires_grad=True)
    fast, slow = geometry(seeds), literal.smooth_max(seeds, height, width, sigma)
    # Weights are kept in float32: six digits.
    torch.testing.assert_close(fast, slow, atol=1e-6, rtol=1e-6)
    weights = torch.rand_like(slow)
    gradients = [torch.autograd.grad((masks * weights).sum(), seeds)[0] for masks in (fast, slow)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("padded", [True, False])
def test_masks_that_are_empty_but_for_a_part_equal_the_literal_form_too(padded):
    """Cells without a seed around them take another way; the seeds there have a gradient all the same."""
    geometry = SmoothMax(30, 44, 2.0, step=3, padded=padded)
    seeds = torch.zeros(2, 3, *geometry.grid, dtype=torch.float64)
    seeds[0, 0, 1:3, 10:13] = torch.rand(2, 3)
    seeds[1, 2, 9, 0] = 1
    seeds.requires_grad_()
    fast, slow = geometry(seeds), literal.smooth_max(seeds, 30, 44, 2.0, step=3)
    slow = slow if padded else slow[..., 2:-2, 2:-2]
    torch.testing.assert_close(fast, slow, atol=1e-6, rtol=1e-6)
    weights = torch.rand_like(slow)
    gradients = [torch.autograd.grad((masks * weights).sum(), seeds)[0] for masks in (fast, slow)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)
    empty = gradients[1][1, 0]
    assert (empty != 0).all()  # the premise


def test_a_seed_that_is_not_a_number_is_not_taken_for_an_empty_one():
    geometry = SmoothMax.of(28, 28)
    seeds = torch.zeros(1, 2, *geometry.grid)
    seeds[0, 1, 3, 3] = torch.nan
    masks = geometry(seeds)
    assert masks[0, 1].isnan().any()
    assert not masks[0, 0].isnan().any()


def test_cells_worked_on_apart_give_the_same_masks_and_gradients(monkeypatch):
    geometry, seeds = SmoothMax.of(28, 28), torch.rand(1, 2, 14, 14, requires_grad=True)
    together = geometry(seeds)
    monkeypatch.setattr(smooth_max, "VALUES_AT_ONCE", 1)
    apart = geometry(seeds)
    torch.testing.assert_close(together, apart)
    gradients = [torch.autograd.grad((masks**2).sum(), seeds)[0] for masks in (together, apart)]
    torch.testing.assert_close(*gradients)


def test_the_papers_sizes_give_the_released_numbers_of_seeds_and_padding():
    small, large = SmoothMax(112, 112, 11), SmoothMax(224, 224, 23)
    assert (small.grid, large.grid) == ((16, 16), (32, 32))
    assert small(torch.ones(1, 1, 16, 16)).shape[-2:] == (134, 134)
    assert large(torch.ones(1, 1, 32, 32)).shape[-2:] == (270, 270)
    assert small.crop(small(torch.ones(1, 1, 16, 16))).shape[-2:] == (112, 112)


@pytest.mark.parametrize("side", [32, 48, 56, 64, 112, 224])
def test_all_seeds_at_one_preserve_the_whole_frame_at_every_size(side):
    geometry = SmoothMax.of(side, side)
    frame = geometry.crop(geometry(torch.ones(1, 1, *geometry.grid)))
    assert frame.min() > 0.95  # not 1: the softmax mixes in neighbours that are farther away


def test_one_seed_makes_a_bump_around_its_own_cell():
    geometry = SmoothMax(56, 70, 5.5)
    seeds = torch.zeros(1, 1, *geometry.grid)
    seeds[0, 0, 2, 7] = 1
    frame = geometry.crop(geometry(seeds))[0, 0]
    y, x = divmod(frame.argmax().item(), 70)
    assert (y // 7, x // 7) == (2, 7)
    assert frame[:, :20].max() < 0.1


def test_rows_do_not_depend_on_each_other():
    geometry = SmoothMax.of(28, 28)
    seeds = torch.rand(3, 4, *geometry.grid)
    assert torch.equal(geometry(seeds)[1:2], geometry(seeds[1:2]))
