"""Means and shares over clips whose classes are a level of their own: clips of a class go together.

Clips of one class are alike, and with few classes nobody can tell from the data how much others would differ. So the
ratio ρ of the spread between classes to that within is not estimated but averaged over: half-Cauchy(0.5) before the
data (Gelman 2006), weighted by the likelihood of a one-way random model. For each ρ the plain mean has a Student
interval; the mixture of them gives interval and p value. `python -m benchmarks classes` says what it covers.
"""

from dataclasses import dataclass
from math import erfc

import numpy as np

from stepaudit.report.statistics.intervals import LEVEL, Array, wilson

SCALE = 0.5  # of ρ's half-Cauchy
RHO = np.concatenate([[0.0], np.geomspace(0.05, 2000, 150)])
WEIGHTS = np.gradient(RHO) / (1 + (RHO / SCALE) ** 2)
MIN_WITHIN_SHARE = 1e-4  # of the variance of all clips: clips of a class are never taken to be more alike
NEGLIGIBLE = 1e-8  # weight of a ρ that changes nothing that is shown
EXACT = 30  # degrees of freedom; for more, Wallace's approximation is within 3e-5
ROUNDING = 1e-12  # spread below this share of the values' squares is rounding


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval and the p value of the mean 0; None where clips do not tell."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    clips: int
    classes: int


def mean(values: Array, classes: np.ndarray) -> Estimate:
    """Mean over clips [N], with classes [N] (any labels) as a level of their own where there are several."""
    clips, count = len(values), len(np.unique(classes))
    if not clips:
        return Estimate(None, None, None, None, 0, 0)
    value = float(values.mean())
    weights, scales = _mixture(values, classes)
    if not len(scales):
        return Estimate(value, None, None, None, clips, count)
    margin = _margin(weights, scales, clips - 1)
    p = float(weights @ tail(abs(value) / scales, clips - 1))
    return Estimate(value, value - margin, value + margin, min(1.0, p), clips, count)


def share(answers: Array, classes: np.ndarray) -> Estimate:
    """Share of clips [N] that answer 1 and not 0: Wilson's interval of as many independent clips as tell as much."""
    if not len(answers):
        return Estimate(None, None, None, None, 0, 0)
    value, size = float(answers.mean()), len(answers) / likeness(answers, classes)
    low, high = (float(end) for end in wilson(np.array(value), np.array(max(1.0, size))))
    return Estimate(value, low, high, None, len(answers), len(np.unique(classes)))


def likeness(values: Array, classes: np.ndarray) -> float:
    """Number of clips that are worth one independent one: the squared ratio of the intervals' widths, at least 1."""
    weights, scales = _mixture(values, classes)
    if not len(scales):
        return 1.0
    alone = values.std(ddof=1) / np.sqrt(len(values))
    freedom = len(values) - 1
    margin = _margin(weights, scales, freedom) / _margin(np.ones(1), np.array([alone]), freedom)
    return max(1.0, float(margin) ** 2)


def tail(t: Array, freedom: int) -> Array:
    """Two-sided tail of Student's t for a whole number of degrees of freedom.

    The finite series of Abramowitz and Stegun (26.7.3, 26.7.4), or Wallace's normal approximation (1959).
    """
    if freedom > EXACT:
        z = (8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(t**2 / freedom) / 2)
        return np.array([erfc(each) for each in z])
    angle = np.arctan(t / np.sqrt(freedom))
    odd = freedom % 2
    steps = np.arange(1 + odd, freedom - 1, 2)
    factors = np.concatenate([[1.0], np.cumprod(steps / (steps + 1))])
    powers = np.cos(angle)[..., None] ** (2 * np.arange(len(factors)) + odd)
    inner = np.sin(angle) * (powers @ factors if freedom > 1 else 0)
    return 1 - (2 / np.pi * (angle + inner) if odd else inner)


def _mixture(values: Array, classes: np.ndarray) -> tuple[Array, Array]:
    """Weights of each ρ and the mean's standard error under it; one of each for one class, none without spread."""
    clips = len(values)
    spread = ((values - values.mean()) ** 2).sum()
    if clips < 2 or spread <= ROUNDING * (values**2).sum():
        return np.empty(0), np.empty(0)
    _, numbers = np.unique(classes, return_inverse=True)
    sizes = np.bincount(numbers).astype(float)
    if len(sizes) == 1:
        return np.ones(1), np.array([np.sqrt(spread / (clips - 1) / clips)])
    means = np.bincount(numbers, values) / sizes
    least = MIN_WITHIN_SHARE * spread * (clips - len(sizes)) / (clips - 1)
    within = max(((values - means[numbers]) ** 2).sum(), least)
    growth = 1 + sizes * RHO[:, None] ** 2
    parts = sizes / growth
    total = parts.sum(axis=1)
    centre = (parts @ means) / total
    squares = within + (parts * (means - centre[:, None]) ** 2).sum(axis=1)
    log_likelihood = -0.5 * (np.log(growth).sum(axis=1) + np.log(total) + (clips - 1) * np.log(squares))
    weights = WEIGHTS * np.exp(log_likelihood - log_likelihood.max())
    variance = squares / (clips - 1) * (1 / clips + RHO**2 * (sizes**2).sum() / clips**2)
    counts = weights > NEGLIGIBLE * weights.max()
    return weights[counts] / weights[counts].sum(), np.sqrt(variance[counts])


def _margin(weights: Array, scales: Array, freedom: int) -> float:
    """Half of the 95 % interval of a mixture of Student distributions, by bisection."""
    low, high = 0.0, float(scales.max())
    while weights @ tail(high / scales, freedom) > 1 - LEVEL:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if weights @ tail(middle / scales, freedom) > 1 - LEVEL else (low, middle)
    return high
