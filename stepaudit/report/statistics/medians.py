"""Medians over clips with 95 % intervals, of values that may be known only to lie between two ends."""

from functools import lru_cache

import numpy as np

from stepaudit.report.statistics.intervals import BLOCK, RESAMPLES, Array

MIN_CLIPS = 6  # clips, for an interval of a median


def lower_median(values: Array) -> Array:
    """Median over the last axis; of an even number, the lower of the two in the middle."""
    return np.sort(values, axis=-1)[..., (values.shape[-1] - 1) // 2]


def median_difference_interval(ends: Array, *, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % interval of B's median less A's: percentiles of the bootstrap over clips; NaN below `MIN_CLIPS` clips.

    Args:
        ends: [N, 4], A's low and high end and B's low and high end for N clips, equal where a value is known.
    """
    clips = len(ends)
    if clips < MIN_CLIPS:
        return np.nan, np.nan
    random = np.random.default_rng(seed)
    lows, highs = [], []
    for batch in np.array_split(np.arange(resamples), max(1, resamples * clips // BLOCK)):
        drawn = ends[random.integers(0, clips, (len(batch), clips))]
        a_low, a_high, b_low, b_high = np.moveaxis(lower_median(np.moveaxis(drawn, 1, -1)), -1, 0)
        lows.append(b_low - a_high)
        highs.append(b_high - a_low)
    rank = int(0.025 * (resamples + 1))
    return np.sort(np.concatenate(lows))[rank - 1], np.sort(np.concatenate(highs))[-rank]


def median_interval(low: Array, high: Array) -> tuple[float, float]:
    """Exact 95 % interval of a median by order statistics, from the low ends to the high ends [N]; NaN for few."""
    rank = interval_rank(len(low))
    return (np.sort(low)[rank - 1], np.sort(high)[-rank]) if rank else (np.nan, np.nan)


@lru_cache(maxsize=1000)
def interval_rank(clips: int) -> int:
    """Rank from either end of the values that bound their median in 95 % of samples; 0 if none does."""
    ways, total, rank, limit = 1, 0, 0, 2**clips // 40  # of 2^N ways in which N values lie below or above the median
    while total + ways <= limit:
        total += ways
        ways = ways * (clips - rank) // (rank + 1)
        rank += 1
    return rank
