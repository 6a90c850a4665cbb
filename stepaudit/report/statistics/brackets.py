"""Medians of values that are known to lie in brackets: the maximum likelihood of Turnbull (1976)."""

import numpy as np

from stepaudit.report.statistics.intervals import Array
from stepaudit.report.statistics.medians import interval_rank

CLOSE = 1e-9  # change of a probability at which the iteration ends
MAX_ITERATIONS = 20_000
WORK = 2_000_000  # iterations times values: of thousands of clips the median is known long before the last digits


def turnbull(low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Distribution of values that lie in (low, high] [N], or are known where these are equal.

    Returns:
        low ends, high ends and probabilities [k] of the intervals that hold the values, ascending.
    """
    open_low = np.where(low < high, low, np.nextafter(high, -np.inf))
    left, right = _innermost(open_low, high)
    first, stop = np.searchsorted(left, open_low, side="left"), np.searchsorted(right, high, side="right")
    shares = np.full(len(left), 1 / len(left))
    for _ in range(min(MAX_ITERATIONS, WORK // (len(low) + len(left)))):
        updated = shares * _weights(shares, first, stop)
        change, shares = np.abs(updated - shares).max(), updated
        if change < CLOSE:
            break
    return left, right, shares


def _weights(shares: Array, first: np.ndarray, stop: np.ndarray) -> Array:
    """Mean over brackets of 1 / (their probability), for each interval over the brackets that hold it, [k].

    A bracket holds the intervals from `first` to `stop`, so that sums over them are differences of cumulative sums.
    """
    total = np.concatenate([[0.0], np.cumsum(shares)])
    each = 1 / (total[stop] - total[first]) / len(first)
    steps = np.bincount(first, each, len(shares) + 1) - np.bincount(stop, each, len(shares) + 1)
    return np.cumsum(steps)[:-1]


def median(low: Array, high: Array) -> float:
    """Upper end of the interval in which Turnbull's distribution reaches one half; infinite if that is open."""
    _, right, shares = turnbull(low, high)
    return float(right[np.searchsorted(np.cumsum(shares), 0.5 - 1e-6)])


def median_interval(low: Array, high: Array, likeness: float = 1.0) -> tuple[float, float]:
    """95 % interval of a median by order statistics, from the low ends to the high ends [N]; NaN for few clips.

    Args:
        likeness: number of clips that are worth one independent one.
    """
    size = max(1, int(len(low) / likeness))
    rank = interval_rank(size)
    place = int(rank / size * len(low))
    return (np.sort(low)[place - 1], np.sort(high)[-place]) if rank else (np.nan, np.nan)


def _innermost(low: Array, high: Array) -> tuple[Array, Array]:
    """Intervals from a low end to the next high end, no end between; of equal ends a high one comes first."""
    ends = np.concatenate([low, high])
    is_low = np.repeat([True, False], len(low))
    order = np.lexsort([is_low, ends])
    ends, is_low = ends[order], is_low[order]
    here = np.flatnonzero(is_low[:-1] & ~is_low[1:])
    return ends[here], ends[here + 1]
