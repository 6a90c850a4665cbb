"""Crisp masks: their volume, their border, and where they are moved; truths worked out by hand."""

import pytest
import torch

from stepaudit.extremal.crisp import crisp, crispness, elsewhere, random_pieces, shifted

SIZE = (8, 32, 32)


def slope():
    """A mask that falls evenly from 1 to 0 over 1000 voxels."""
    return torch.linspace(1, 0, 1000).view(1, 1, 10, 100)


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.7])
def test_the_ratio_is_the_share_that_a_crisp_mask_shows(ratio):
    """On an even slope the ramp of 0.2 around the quantile has as much above its middle as below it."""
    assert crisp(slope(), [ratio]).mean().item() == pytest.approx(ratio, abs=0.002)  # a voxel or two of 1000


def test_a_crisp_mask_is_a_ramp_around_its_quantile():
    """Of five values the third greatest is 0.5: 0.5 becomes ½, and 0.55 becomes 0.05 / 0.2 + ½ = 0.75."""
    masks = torch.tensor([0.9, 0.55, 0.5, 0.45, 0.1]).view(1, 1, 1, 5)
    assert crisp(masks, [0.6]).flatten().tolist() == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=1e-6)


def test_hidden_voxels_stay_hidden_however_large_the_ratio():
    """A tenth of the voxels is 1, the others 0; asked for half, the mask still shows that tenth alone."""
    masks = (torch.arange(100) < 10).float().view(1, 1, 10, 10)
    assert torch.equal(crisp(masks, [0.5]), masks)


def test_no_gradient_runs_through_the_quantile():
    """Within the ramp the slope is 1 / 0.2 = 5, and 0 beyond it; moving the quantile would add another term."""
    masks = torch.tensor([0.9, 0.55, 0.5, 0.45, 0.1]).view(1, 1, 1, 5).requires_grad_()
    crisp(masks, [0.6]).sum().backward()
    assert masks.grad.flatten().tolist() == pytest.approx([0, 5, 5, 5, 0])


def test_crispness_is_1_for_ones_and_zeros_and_the_height_of_a_faint_mask():
    masks = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.25, 0.25, 0.0, 0.0], [1.0, 0.5, 0.5, 0.0], [0.0] * 4])
    assert crispness(masks.view(4, 1, 2, 2)).tolist() == pytest.approx([1, 0.25, 1.5 / 2, 0])


def test_moved_masks_leave_their_border_behind():
    """Down by one and left by one: the first row and the last column are those that stood there."""
    masks = torch.arange(9.0).view(1, 3, 3)
    assert shifted(masks, 1, -1).tolist() == [[[1, 2, 2], [1, 2, 2], [4, 5, 5]]]


def test_elsewhere_is_half_the_clip_away_in_time_and_space():
    masks = torch.zeros(1, 4, 6, 8)
    masks[0, 3, 1, 7] = 1
    assert elsewhere(masks).nonzero().tolist() == [[0, 1, 4, 3]]


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.5, 0.8])
def test_random_pieces_have_the_volume_that_they_are_asked_for_and_are_crisp(ratio):
    """Their border takes a fifth of their volume, where m falls evenly from 1 to 0: Σm² / Σm = 0.9 + 0.2 / 3."""
    piece = random_pieces([ratio], SIZE, 3.0, 1)
    assert piece.mean().item() == pytest.approx(ratio, rel=0.02)
    assert crispness(piece).item() == pytest.approx(0.9 + 0.2 / 3, abs=0.01)


def test_a_smaller_random_piece_lies_within_the_larger_ones_of_its_seed_alone():
    small, large = random_pieces([0.05, 0.3], SIZE, 3.0, 1)
    other = random_pieces([0.3], SIZE, 3.0, 2)[0]
    assert (small <= large).all()
    assert not (small <= other).all()
