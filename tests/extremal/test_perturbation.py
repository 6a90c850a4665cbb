"""The operation m ⊗ x."""

import literal
import pytest
import torch

from stepaudit.extremal.perturbation import LEVELS, Perturbation, blend
from stepaudit.layers import gaussian_blur


def test_the_papers_blend_equals_its_literal_form_in_value_and_gradient():
    clips, blurred = torch.rand(2, 3, 4, 6, 5), torch.rand(2, 3, 4, 6, 5)
    masks = torch.rand(2, 4, 6, 5, requires_grad=True)
    fast = blend(torch.stack([blurred, clips]), masks)
    slow = literal.blend_two_levels(clips, blurred, masks)
    torch.testing.assert_close(fast, slow)
    gradients = [torch.autograd.grad((values * clips).sum(), masks)[0] for values in (fast, slow)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", sorted(LEVELS))
def test_every_perturbation_keeps_the_clip_under_a_full_mask_and_its_fill_under_an_empty_one(name):
    clips = torch.rand(2, 3, 4, 16, 12)
    levels = Perturbation(name).levels(clips)
    torch.testing.assert_close(blend(levels, torch.ones(2, 4, 16, 12)), clips)
    torch.testing.assert_close(blend(levels, torch.zeros(2, 4, 16, 12)), levels[0])
    assert not torch.allclose(levels[0], clips)


def test_the_pyramid_interpolates_between_neighbouring_blurs():
    clips = torch.rand(1, 3, 2, 20, 20)
    levels = Perturbation("blur-pyramid", 7.0).levels(clips)
    assert len(levels) == 8
    masks = torch.full((1, 2, 20, 20), 2.25 / 7)
    expected = 0.75 * gaussian_blur(clips, 5.0) + 0.25 * gaussian_blur(clips, 4.0)
    torch.testing.assert_close(blend(levels, masks), expected)


def test_the_pyramids_gradient_is_that_of_a_literal_interpolation_and_a_mask_that_is_no_number_stays_none():
    clips = torch.rand(2, 3, 2, 16, 16, dtype=torch.float64)
    levels = Perturbation("blur-pyramid").levels(clips)
    masks = (0.01 + 0.98 * torch.rand(2, 2, 16, 16, dtype=torch.float64)).requires_grad_()
    depth = masks[:, None] * (len(levels) - 1)
    tents = [(1 - (depth - level).abs()).clamp(min=0) * pixels for level, pixels in enumerate(levels)]
    gradients = [torch.autograd.grad((blended**2).sum(), masks)[0] for blended in (blend(levels, masks), sum(tents))]
    torch.testing.assert_close(*gradients)
    with torch.no_grad():
        masks[0, 0, 0, 0] = float("nan")
        assert blend(levels, masks)[0, :, 0, 0, 0].isnan().all()
        assert blend(levels, masks).isnan().sum() == 3


def test_blur_of_an_impulse_is_the_gaussian():
    frame = torch.zeros(1, 31, 31)
    frame[0, 15, 15] = 1
    blurred = gaussian_blur(frame, 2.0)[0]
    assert blurred.sum().item() == pytest.approx(1, abs=1e-5)
    assert (blurred[15, 17] / blurred[15, 15]).item() == pytest.approx(torch.tensor(-0.5).exp().item(), rel=1e-4)
