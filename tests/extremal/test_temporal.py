"""The temporal Gaussian against its literal form."""

import math

import pytest
import torch

from stepaudit.extremal.temporal import temporal_gaussian


def literal(seed_masks, reach):
    """Eq. 12, term by term."""
    frames = seed_masks.shape[1]
    smoothed = []
    for t in range(frames):
        near = [s for s in range(t - reach, t + reach + 1) if 0 <= s < frames]
        weights = [math.exp(-((s - t) ** 2) / (0.6 * reach)) for s in near]
        parts = [weight * seed_masks[:, s] for weight, s in zip(weights, near, strict=True)]
        smoothed.append(sum(parts) / sum(weights))
    return torch.stack(smoothed, dim=1)


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_smoothing_equals_the_literal_form_in_value_and_gradient(reach):
    seeds = torch.rand(2, 7, 3, 4, dtype=torch.float64, requires_grad=True)
    fast, slow = temporal_gaussian(seeds, reach), literal(seeds, reach)
    torch.testing.assert_close(fast, slow, atol=1e-7, rtol=1e-6)  # the weights are made in float32
    other = torch.rand_like(slow)
    gradients = [torch.autograd.grad((values * other).sum(), seeds)[0] for values in (fast, slow)]
    torch.testing.assert_close(*gradients, atol=1e-7, rtol=1e-6)


def test_no_reach_changes_nothing():
    seeds = torch.rand(1, 4, 2, 2)
    assert temporal_gaussian(seeds, 0) is seeds
