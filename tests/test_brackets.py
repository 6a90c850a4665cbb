"""Medians of values in brackets, against SciPy."""

import numpy as np
import pytest
from scipy import optimize, stats

from stepaudit.report.statistics import brackets
from stepaudit.report.statistics.medians import median_interval


def test_known_values_have_their_empirical_distribution():
    values = np.array([3.0, 1.0, 2.0, 2.0])
    left, right, shares = brackets.turnbull(values, values)
    assert right.tolist() == [1, 2, 3]
    assert (right - left).max() < 1e-12
    assert shares == pytest.approx([0.25, 0.5, 0.25])


@pytest.mark.parametrize("seed", range(4))
def test_values_that_are_known_or_only_known_to_be_larger_have_the_kaplan_meier_curve(seed):
    random = np.random.default_rng(seed)
    times, limits = random.integers(1, 12, 40).astype(float), random.integers(3, 14, 40).astype(float)
    seen = np.minimum(times, limits)
    low, high = seen, np.where(times <= limits, seen, np.inf)
    _, right, shares = brackets.turnbull(low, high)
    curve = stats.ecdf(stats.CensoredData.right_censored(seen, times > limits)).cdf
    for value in curve.quantiles:
        assert shares[right <= value].sum() == pytest.approx(curve.evaluate(value), abs=1e-6), value


def brackets_of(seed, clips=25):
    random = np.random.default_rng(seed)
    value, wide = random.lognormal(-2, 0.8, clips), random.uniform(1.05, 2.5, clips)
    place = random.uniform(0, 1, clips)
    return value * wide ** (place - 1), value * wide**place


@pytest.mark.parametrize("seed", range(4))
def test_no_distribution_makes_the_brackets_more_likely(seed):
    """SciPy's optimiser over all cells between the brackets' ends, not only the innermost ones."""
    low, high = brackets_of(seed)
    left, right, shares = brackets.turnbull(low, high)

    def log_likelihood(starts, stops, parts):
        inside = (low[:, None] <= starts + 1e-12) & (stops - 1e-12 <= high[:, None])
        return np.log(inside @ parts).sum()

    ends = np.unique([low, high])
    starts, stops = ends[:-1], ends[1:]

    def loss(weights):
        return -log_likelihood(starts, stops, np.exp(weights) / np.exp(weights).sum())

    best = optimize.minimize(loss, np.zeros(len(starts)), method="L-BFGS-B", options={"maxiter": 3000, "maxfun": 10**6})
    assert shares.sum() == pytest.approx(1)
    assert log_likelihood(left, right, shares) >= -best.fun - 1e-6
    assert log_likelihood(left, right, shares) == pytest.approx(-best.fun, abs=0.02)  # it ends a little early


def test_a_median_by_hand():
    low, high = np.array([0.1, 0.1, 0.3, 0.5]), np.array([0.2, 0.4, 0.4, np.inf])
    # innermost: (0.1, 0.2], (0.3, 0.4], (0.5, ∞): the second clip may be in either of the first two
    left, right, shares = brackets.turnbull(low, high)
    assert (left.tolist(), right.tolist()) == ([0.1, 0.3, 0.5], [0.2, 0.4, np.inf])
    # shares p, q, 1/4 with p = (1 + p / (p + q)) / 4, p + q = 3/4: p = q = 3/8
    assert shares == pytest.approx([0.375, 0.375, 0.25], abs=1e-6)
    assert brackets.median(low, high) == 0.4
    assert brackets.median(np.array([0.2, 0.9, 0.9]), np.array([0.3, np.inf, np.inf])) == np.inf


def test_the_interval_of_a_median_goes_from_lower_ends_to_upper_ends():
    low, high = brackets_of(5, 20)
    plain = median_interval(low, high)
    assert brackets.median_interval(low, high) == plain
    low_end, high_end = brackets.median_interval(low, high, likeness=2.0)
    assert low_end < plain[0] < brackets.median(low, high) < plain[1] < high_end
    assert np.isnan(brackets.median_interval(low[:5], high[:5])).all()
