"""Rank test, by permutation within groups, that a property goes with an outcome among alike observations."""

from collections.abc import Iterator
from math import erfc, sqrt

import numpy as np

from stepaudit.report.statistics.intervals import BLOCK, DRAWS, Array

NEAR = 1.3  # standard errors up to which a normal approximation serves: p is above 0.19 there
ENOUGH = 100  # orders that reach the sum: p is known well enough, and above 0.01 of 10,000 draws
MANY = 50_000  # observations of which the normal approximation serves if they vary
VARYING = 1000  # of them that do
ROUNDING = 1e-9  # share of the largest of some values up to which neighbours are equal


def midranks(values: Array, groups: np.ndarray) -> Array:
    """Place of each value [N] among those of its group, between 0 and 1; equal values share the middle place.

    Values are equal up to `ROUNDING`: the last digits of a mean depend on the order of its sum.
    """
    places = np.empty(len(values))
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        order = np.argsort(values[own])
        steps = np.diff(values[own][order], prepend=values[own].min())
        number = np.empty(len(own), int)
        number[order] = np.cumsum(steps > ROUNDING * np.abs(values[own]).max())
        counts = np.bincount(number)
        below = np.cumsum(counts) - counts
        places[own] = (below + counts / 2)[number] / len(own)
    return places


def p_value(values: Array, outcomes: Array, groups: np.ndarray, *, seed: int = 0, draws: int = DRAWS) -> float:
    """Two-sided p value that values [N] go with outcomes [N] within groups; 1 if nothing varies.

    If they do not, the outcomes of a group might as well stand in any other order. The p value is the share of random
    orders, the one that was seen among them, in which the products of centred ranks and outcomes sum to at least as
    much; no more are drawn after `ENOUGH` of those. Where the sum is within `NEAR` standard errors of 0, and for more
    than `MANY` observations, the normal approximation stands in; NaN where too few of so many vary for that.
    """
    order = np.argsort(groups, kind="stable")
    _, groups = np.unique(groups[order], return_inverse=True)
    ranks = _centred(midranks(values[order], groups), groups)
    outcomes = _centred(outcomes[order], groups)
    seen, error = float(abs(ranks @ outcomes)), sqrt(_variance(ranks, outcomes, groups))
    if error <= 1e-9:
        return 1.0
    if seen < NEAR * error:
        return erfc(seen / error / sqrt(2))
    if len(ranks) > MANY:
        return erfc(seen / error / sqrt(2)) if min(_varying(ranks), _varying(outcomes)) >= VARYING else np.nan
    return _permutation_p(ranks, outcomes, groups, seen - 1e-9 * error, draws, seed)


def _permutation_p(ranks: Array, outcomes: Array, groups: np.ndarray, least: float, draws: int, seed: int) -> float:
    """p value: share of random orders within groups with a sum at least as far from 0 as `least`."""
    reached = drawn = 0
    for some in _orders(outcomes, groups, draws, seed):
        reached += int((np.abs(some @ ranks) >= least).sum())
        drawn += len(some)
        if reached >= ENOUGH:
            break
    return (1 + reached) / (1 + drawn)


def _varying(values: Array) -> float:
    """Number of values that the spread rests on: all, if it is even, and few, if they alone differ."""
    return float((values**2).sum() ** 2 / (values**4).sum())


def _centred(values: Array, groups: np.ndarray) -> Array:
    """Values less the mean of their group."""
    return values - (np.bincount(groups, values) / np.bincount(groups))[groups]


def _variance(ranks: Array, outcomes: Array, groups: np.ndarray) -> float:
    """Variance of the sum over all orders."""
    squares = np.bincount(groups, ranks**2) * np.bincount(groups, outcomes**2)
    return float((squares / np.maximum(np.bincount(groups) - 1, 1)).sum())


def _orders(outcomes: Array, groups: np.ndarray, draws: int, seed: int) -> Iterator[Array]:
    """Outcomes [b, N] in random orders within their groups, in batches; groups are sorted."""
    random = np.random.default_rng(seed)
    batch = max(1, min(1000, BLOCK // len(outcomes)))
    for start in range(0, draws, batch):
        keys = groups + random.random((min(batch, draws - start), len(outcomes)))
        yield outcomes[np.argsort(keys, axis=1)]
