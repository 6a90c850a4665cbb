"""The optimisers against PyTorch's."""

import pytest
import torch

from stepaudit.extremal.descent import optimizer_step
from stepaudit.extremal.settings import Settings

SHAPE = (4, 3, 3)
THEIRS = {
    "sgd": lambda seeds: torch.optim.SGD([seeds], lr=0.01, momentum=0.9, dampening=0.9),
    "adam": lambda seeds: torch.optim.Adam([seeds], lr=0.01),
}


def gradient(row: int, step: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(100 * row + step))


def theirs(optimizer: str, row: int, steps: int) -> torch.Tensor:
    """A row by itself, with PyTorch's optimiser."""
    seeds = torch.full(SHAPE, 0.5, requires_grad=True)
    rule = THEIRS[optimizer](seeds)
    for step in range(steps):
        seeds.grad = gradient(row, step)
        rule.step()
        with torch.no_grad():
            seeds.clamp_(0, 1)
    return seeds.detach()


@pytest.mark.parametrize("optimizer", THEIRS)
def test_each_row_goes_the_way_of_pytorchs_optimiser(optimizer):
    settings = Settings(optimizer=optimizer, learning_rate=0.01, momentum=0.9, dampening=0.9)
    seeds, moments = torch.full((3, *SHAPE), 0.5), torch.zeros(3, 2, *SHAPE)
    for step in range(40):
        slopes = torch.stack([gradient(row, step) for row in range(3)])
        seeds, moments = optimizer_step(seeds, slopes, moments, step, settings)
    for row in range(3):
        torch.testing.assert_close(seeds[row], theirs(optimizer, row, 40), atol=1e-6, rtol=1e-5)


def test_the_learning_rate_falls_along_a_cosine():
    chosen = Settings(iterations=100, learning_rate=0.2, decay_start=0.5)
    rates = [chosen.learning_rate_at(step) for step in (0, 50, 75, 100)]
    assert rates == pytest.approx([0.2, 0.2, 0.1, 0.0])


def test_seeds_stay_between_0_and_1():
    seeds, moments = torch.rand(1, *SHAPE), torch.zeros(1, 2, *SHAPE)
    after, _ = optimizer_step(seeds, gradient(0, 0)[None], moments, 0, Settings(learning_rate=100.0))
    assert (after.min(), after.max()) == (0, 1)
