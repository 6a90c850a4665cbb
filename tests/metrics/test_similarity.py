"""Similarity and entropy of maps: against SciPy, and by hand."""

import math

import pytest
import torch
from scipy import stats

from stepaudit.errors import NoPeakError
from stepaudit.metrics import entropy, similarity


def both(one, other):
    """Rank correlation and IoU."""
    found = similarity.score(one, {"seed": other})
    assert list(found) == ["seed.rank", "seed.iou"]
    return tuple(found.values())


def mask(*voxels):
    found = torch.zeros(12)
    found[list(voxels)] = 1
    return found.view(2, 2, 3)


@pytest.mark.parametrize("levels", [3, 50, 1000])  # with many ties, and with few
def test_the_rank_correlation_is_scipys(levels):
    generator = torch.Generator().manual_seed(levels)
    one, other = (torch.randint(levels, (3, 5, 7), generator=generator) / 1024 for _ in range(2))  # exact in float16
    mixed = (one + other) / 2
    for first, second in ((one, other), (one, mixed)):
        expected = stats.spearmanr(first.flatten(), second.flatten()).statistic
        assert both(first, second)[0] == pytest.approx(expected, abs=1e-12)


def test_the_iou_of_equally_large_masks_is_that_of_the_sets():
    assert both(mask(0, 1, 2, 3), mask(2, 3, 4, 5))[1] == pytest.approx(2 / 6)
    assert both(mask(0, 1), mask(2, 3))[1] == 0
    assert both(mask(0, 1), 0.25 * mask(0, 1)) == pytest.approx((1, 1))  # neither measure depends on the scale


def test_the_iou_of_uneven_maps_by_hand():
    one, other = torch.tensor([0.2, 0.6, 0.0]).view(1, 1, 3), torch.tensor([0.1, 0.1, 0.2]).view(1, 1, 3)
    # shares 1/4, 3/4, 0 and 1/4, 1/4, 1/2: lesser 1/4 + 1/4, greater 1/4 + 3/4 + 1/2
    assert both(one, other)[1] == pytest.approx(0.5 / 1.5)


def test_a_map_is_like_itself_and_unlike_its_reverse():
    importance = torch.randperm(60, generator=torch.Generator().manual_seed(1)).view(3, 4, 5) / 64
    assert both(importance, importance) == (1, 1)
    assert both(importance, 1 - importance)[0] == pytest.approx(-1)


def test_rounding_ranks_nothing():
    """Two plateaus, one of which an upsampling left uneven in its last bits."""
    importance = mask(0, 1, 2) * 0.5
    uneven = importance * (1 + 1e-7 * torch.arange(12).view(2, 2, 3))
    assert not torch.equal(importance, uneven)
    assert both(importance, uneven)[0] == pytest.approx(1)


def test_a_constant_map_ranks_nothing_and_an_empty_one_overlaps_with_nothing():
    flat, empty = torch.full((2, 2, 3), 0.3), torch.zeros(2, 2, 3)
    rank, iou = both(flat, mask(0, 1, 2))
    assert isinstance(rank, NoPeakError)
    assert iou == pytest.approx((3 / 12) / (1 + 9 / 12))  # shares 1/12 everywhere, and 1/3 at three of the twelve
    assert all(isinstance(value, NoPeakError) for value in both(mask(0), empty))


def test_every_reference_has_its_two_values_and_without_any_there_is_none():
    found = similarity.score(mask(0, 1), {"seed": mask(0), "model": mask(1), "target": mask(2)})
    assert set(found) == {f"{name}.{part}" for name in ("seed", "model", "target") for part in ("rank", "iou")}
    assert similarity.score(mask(0, 1), {}) == {}


def test_entropy_by_hand_and_by_scipy():
    assert entropy.score(torch.full((2, 2, 3), 0.7)) == pytest.approx(1)
    assert entropy.score(mask(5)) == 0
    assert entropy.score(mask(0, 1)) == pytest.approx(math.log(2) / math.log(12))
    importance = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(2))
    assert entropy.score(importance) == pytest.approx(stats.entropy(importance.flatten().double()) / math.log(60))
    with pytest.raises(NoPeakError):
        entropy.score(torch.zeros(2, 2, 3))
