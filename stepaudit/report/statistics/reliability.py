"""Reliability of rankings of methods on other clips: split halves and Krippendorff's α."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HALVES = 500
MIN_METHODS = 3  # two can only be in the same or the other order
MIN_CLIPS = 4  # two in each half


def split_half(totals: Array, frames: Array, *, seed: int = 0, halves: int = HALVES) -> float:
    """Rank correlation to expect between the rankings of methods by two samples of as many clips as there are here.

    Clips are split in two halves at random, many times; the methods' means over one half are correlated with those over
    the other (Spearman: the question is their order, and one method far off must not answer it), the correlations are
    averaged, and the average is stepped up to the whole sample, 2r / (1 + r) (Spearman and Brown 1910; exact for
    Pearson's correlation, close for ranks). Half a sample in which all methods are equal ranks nothing and counts as 0.

    Args:
        totals: [methods, clips], sum of the values of a clip.
        frames: [methods, clips], how many values that is; greater than 0.

    Returns:
        At most 1; an average below 0 is returned as it is, since the step up has no meaning there. NaN with fewer than
        three methods or four clips.
    """
    methods, clips = totals.shape
    if methods < MIN_METHODS or clips < MIN_CLIPS:
        return float("nan")
    order = np.random.default_rng(seed).random((halves, clips)).argsort(axis=1)
    first = (order < clips // 2).astype(float)
    means = [(half @ totals.T) / (half @ frames.T) for half in (first, 1 - first)]
    correlation = _correlations(*(ranks(mean) for mean in means)).mean()
    return float(2 * correlation / (1 + correlation) if correlation > 0 else correlation)


def krippendorff_alpha(values: Array) -> float:
    """Krippendorff's α with squared differences (interval data): 1 is agreement, 0 is what chance gives.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability". Units that one observer saw do not count.

    Args:
        values: [observers, units]; NaN is missing.

    Returns:
        NaN if all values are equal, or no unit was seen twice.
    """
    seen = np.isfinite(values)
    values, seen = values[:, seen.sum(axis=0) > 1], seen[:, seen.sum(axis=0) > 1]
    counts = seen.sum(axis=0)
    if not counts.size or np.ptp(values[seen]) == 0:
        return float("nan")
    filled = np.where(seen, values, 0) - np.where(seen, values.mean(where=seen), 0)
    within = (filled**2).sum(axis=0) - filled.sum(axis=0) ** 2 / counts
    observed = (within * counts / (counts - 1)).sum() / counts.sum()
    expected = (filled**2).sum() / (counts.sum() - 1)
    return float(1 - observed / expected)


def ranking_alpha(values: Array) -> float:
    """Krippendorff's α of how clips rank methods: clips are the observers, methods the units, ranks the data.

    Each clip ranks the methods (ties share their rank) before α compares the ranks. By the values themselves, and also
    by their order in the pooled sample (ordinal α), a clip that is hard for all methods would disagree with an easy one
    although both put the methods in the same order. It tells what a single clip is worth; a metric with a low α may
    still rank reproducibly over many clips, which `split_half` tells.

    Args:
        values: [methods, clips], the clip's mean.

    Returns:
        NaN with fewer than three methods or two clips, or if every clip ranks all methods equal.
    """
    methods, clips = values.shape
    return krippendorff_alpha(ranks(values.T)) if methods >= MIN_METHODS and clips > 1 else float("nan")


def ranks(values: Array) -> Array:
    """Ranks within each row, from 1; values that differ by no more than rounding share the mean of their ranks.

    Args:
        values: [rows, k].
    """
    rounding = 1e-10 * np.abs(values).max(initial=0)
    ranked = np.full(values.shape, 0.5)
    for column in values.T:
        gap = values - column[:, None]
        ranked += np.where(gap > rounding, 1, np.where(gap < -rounding, 0, 0.5))
    return ranked


def _correlations(first: Array, second: Array) -> Array:
    """Pearson's correlation of each pair of rows; 0 where one of them does not vary."""
    first, second = (rows - rows.mean(axis=1, keepdims=True) for rows in (first, second))
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.where(scale > 0, (first * second).sum(axis=1) / np.where(scale > 0, scale, 1), 0)
