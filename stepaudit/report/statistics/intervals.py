"""Intervals and paired tests for ratios of sums over clips, and Holm's correction: one engine for every number.

Clips are the sampling unit: the sixteen frames of a clip are nearly one observation. Everything is vectorised over
columns (a method, a pair of methods, a simulated sample), and the same seed gives the same numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import exp, lgamma, log

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.95
Z = 1.959963984540054  # the normal distribution's 97.5 % quantile
RESAMPLES = 1999  # so that the 95 % quantile is one of them
DRAWS = 10_000
ROUNDING = 1e-12  # a sum of squares below this share of its terms' is rounding, not spread
BLOCK = 2_000_000  # numbers of a batch of resamples
UNITS = 2000  # that are drawn or flipped at most: of more clips, groups


@dataclass(frozen=True)
class Intervals:
    """Values [k] with their 95 % intervals, NaN for none, and the name of the `way` in which each was made."""

    value: Array
    low: Array
    high: Array
    way: list[str | None]


def ratio_intervals(
    parts: Array, wholes: Array, *, smallest_value: float | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> Intervals:
    """Ratio of sums over clips, such as hits over frames, with its 95 % interval, clips the sampling unit.

    The interval is the symmetric bootstrap-t (Hall 1988): clips are drawn with replacement, each draw's deviation is
    measured in its own standard error (of a ratio, linearised), and 95 % of the draws decide how many standard errors
    are taken. It was chosen by simulation: with 15 to 60 clips of unequal length whose frames agree, it covers shares
    and their differences in 92 to 98 %, where percentile and BCa intervals and Student's t cover 80 to 90 % with 15
    clips near 0 or 1. Two limits: differences of two methods that agree on most clips are covered in 99 %, and a mean
    with a long tail (lognormal, σ 0.8) in 90 % with fewer than 30 clips.

    What is known to lie in [0, 1] (`smallest_value` 0), or is the difference of two such (`smallest_value` -1), has an
    interval that is no wider than Wilson's (Newcombe's, of a difference) with a clip as one observation, as if all its
    frames were equal; that also stands in where more than 5 % of the draws have no spread. Anything else has no
    interval there: where all clips are alike, or all but a few, or there is one, they do not say how much others would
    differ.

    Of more than `UNITS` clips, so many groups are drawn (`in_groups`): the same interval but for 2 % of its width.

    Args:
        parts: [N, k], sum of the values of each of N clips, for k columns.
        wholes: [N, k], frames (or their weights) that the sums are over; greater than 0.
        smallest_value: that one frame can have, 0 or -1, if the greatest is 1; None if that is not known.

    Returns:
        k values; all NaN without clips.
    """
    value = _ratio(parts, wholes)
    low, high = np.full_like(value, np.nan), np.full_like(value, np.nan)
    if len(parts) > 1:
        residuals = in_groups(_residuals(parts, wholes, value))
        margin = _bootstrap_margin(residuals, in_groups(wholes), seed, resamples)
        finite = np.isfinite(margin)
        low[finite], high[finite] = (value - margin)[finite], (value + margin)[finite]
    if smallest_value is None or not len(parts):
        return Intervals(value, low, high, [None if np.isnan(x) else "bootstrap-t" for x in low])
    low, high = np.maximum(low, smallest_value), np.minimum(high, 1)
    whole_low, whole_high = _of_whole_clips(parts, wholes, smallest_value)
    chosen = np.isnan(low) | (high - low > whole_high - whole_low)
    way: list[str | None] = ["wilson" if each else "bootstrap-t" for each in chosen]
    return Intervals(value, np.where(chosen, whole_low, low), np.where(chosen, whole_high, high), way)


def wilson(share: Array, size: Array) -> tuple[Array, Array]:
    """Wilson's 95 % interval (1927) of shares seen on `size` independent observations, which may be a fraction."""
    centre = (share + Z**2 / (2 * size)) / (1 + Z**2 / size)
    spread = np.maximum(share * (1 - share), 0) / size
    margin = Z / (1 + Z**2 / size) * np.sqrt(spread + Z**2 / (4 * size**2))
    return np.maximum(centre - margin, 0), np.minimum(centre + margin, 1)


def difference_interval(first: Intervals, second: Intervals) -> tuple[Array, Array]:
    """95 % interval of a difference of two independent estimates, from the interval of each (Zou and Donner 2008)."""
    difference = first.value - second.value
    low = difference - np.hypot(first.value - first.low, second.high - second.value)
    return low, difference + np.hypot(first.high - first.value, second.value - second.low)


def share_intervals(share: Array, clips: int | Array) -> Intervals:
    """Wilson's intervals of shares [k] of clips that each answer yes or no."""
    low, high = wilson(share, np.broadcast_to(np.asarray(clips, float), share.shape))
    return Intervals(share, low, high, ["wilson"] * len(share))


def students_t(freedom: float) -> float:
    """97.5 % quantile of Student's t, within 0.2 %: the Cornish-Fisher series (Abramowitz and Stegun 26.7.5)."""
    if freedom < 3:
        return (np.nan, 12.7062, 4.30265)[int(freedom)]
    return Z + 2.372271 / freedom + 2.822507 / freedom**2 + 2.555852 / freedom**3 + 1.589536 / freedom**4


def sign_flip_test(differences: Array, *, seed: int = 0, draws: int = DRAWS) -> Array:
    """Two-sided p values of paired differences, by flipping the sign of whole clips.

    If two methods are equal on every clip but for chance, each clip's difference might as well have the other sign. The
    p value is the share of flips whose sum is at least as far from 0: of all flips if they are no more than `draws`
    (exact, up to 14 clips for 10,000), else of so many random ones with the one that was seen, so that it is never
    below 1 / (draws + 1) and never too small on average. Of more than `UNITS` clips, groups are flipped (`in_groups`),
    which under the same hypothesis changes as little.

    Args:
        differences: [N, k], a clip's sum of differences; 0 where a pair was not measured changes nothing.

    Returns:
        k values; 1 where all differences are 0, NaN without clips.
    """
    differences = in_groups(differences)
    clips, columns = differences.shape
    if not clips:
        return np.full(columns, np.nan)
    exact = clips - 1 <= np.log2(draws)
    seen = np.abs(differences.sum(axis=0)) - 1e-9 * np.abs(differences).sum(axis=0)
    signs = _all_signs(clips) if exact else _random_signs(clips, draws, seed)
    reached = sum((np.abs(some @ differences) >= seen).sum(axis=0) for some in signs)
    return reached / 2 ** (clips - 1) if exact else (1 + reached) / (1 + draws)


@lru_cache(maxsize=100_000)
def sign_test(less: int, more: int) -> float:
    """Exact two-sided p value of the sign test: of `less` + `more` decided pairs; 1 without any."""
    pairs = less + more
    logs = (lgamma(pairs + 1) - lgamma(k + 1) - lgamma(pairs - k + 1) for k in range(min(less, more) + 1))
    return min(1.0, 2 * sum(exp(ways - pairs * log(2)) for ways in logs))


def in_groups(sums: Array, most: int = UNITS) -> Array:
    """Sums over clips [N, k] as sums over at most so many groups of clips, the same for every array of N clips.

    The clips of a group are drawn at random, so that groups are independent observations as clips are; what is
    resampled then costs no more for a million clips than for `most` of them.
    """
    if len(sums) <= most:
        return sums
    drawn = np.random.default_rng(0).permutation(len(sums))
    starts = np.linspace(0, len(sums), most, endpoint=False).astype(int)
    return np.add.reduceat(sums[drawn], starts, axis=0)


def holm(p: Array) -> Array:
    """Holm's adjusted p values (1979): reject those below α, and all together err with probability α at most.

    Args:
        p: [k], the p values of a family; NaN (no test) stays so and does not count.
    """
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p[order]))
    return adjusted


def _ratio(parts: Array, wholes: Array) -> Array:
    """Ratios of the columns' sums; NaN without clips."""
    return parts.sum(axis=0) / wholes.sum(axis=0) if len(parts) else np.full(parts.shape[1], np.nan)


def _residuals(parts: Array, wholes: Array, value: Array) -> Array:
    """A clip's part less the ratio times its whole [N, k]; rounding errors become 0."""
    residuals = parts - value * wholes
    return np.where(np.abs(residuals) > 1e-10 * np.abs(parts).max(axis=0), residuals, 0)


def _bootstrap_margin(residuals: Array, wholes: Array, seed: int, resamples: int) -> Array:
    """Half the width of the symmetric bootstrap-t interval [k]; infinite where too many resamples have no spread.

    Args:
        residuals: [N, k], a clip's part less the ratio times its whole.
    """
    clips, columns = residuals.shape
    sums, errors = _linearised(residuals, wholes)
    batch = max(1, BLOCK // max(clips, 5 * columns))
    distance = np.concatenate(
        [_studentised(*errors(counts @ sums)) for counts in _counts(clips, batch, seed, resamples)]
    )
    rank = int(np.ceil(LEVEL * (resamples + 1))) - 1
    _, error = errors(sums.sum(axis=0))
    quantile = np.partition(distance, rank, axis=0)[rank]
    return np.where(error > 0, quantile, np.inf) * np.where(error > 0, error, 1)


def _studentised(deviation: Array, error: Array) -> Array:
    """Distance of each resample's ratio from the sample's in its own standard errors: 0 / 0 is 0, x / 0 infinite."""
    without_spread = np.where(deviation == 0, 0, np.inf)
    return np.divide(np.abs(deviation), error, out=without_spread, where=error != 0)


def _linearised(residuals: Array, wholes: Array) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """Columns to sum over the clips of a resample, and the errors of its ratios as a function of these sums.

    Returns:
        columns [N, c], and a function from their sums [..., c] to the deviation [..., k] of each ratio from the
        sample's, and its standard error but for a constant.
    """
    one, clips = wholes[0, 0], len(wholes)

    def errors(sums: Array) -> tuple[Array, Array]:
        residual, whole, squares, products, whole_squares = np.split(sums, 5, axis=-1)
        deviation = residual / whole
        return deviation, _root(squares - 2 * deviation * products + deviation**2 * whole_squares, squares) / whole

    def errors_of_equal_wholes(sums: Array) -> tuple[Array, Array]:
        residual, squares = np.split(sums, 2, axis=-1)
        return residual / (one * clips), _root(squares - residual**2 / clips, squares) / (one * clips)

    if (wholes == one).all():
        return np.hstack([residuals, residuals**2]), errors_of_equal_wholes
    return np.hstack([residuals, wholes, residuals**2, residuals * wholes, wholes**2]), errors


def _root(spread: Array, squares: Array) -> Array:
    """Square root of a sum of squared deviations; 0 where it is a rounding error of its terms."""
    return np.sqrt(np.where(spread > ROUNDING * squares, spread, 0))


@lru_cache(maxsize=2)
def _counts(clips: int, batch: int, seed: int, resamples: int) -> list[Array]:
    """Counts of each clip in each resample, [b, N] in batches; the last are kept, for as many clips are often asked."""
    random = np.random.default_rng(seed)
    counts = []
    for start in range(0, resamples, batch):
        rows = min(batch, resamples - start)
        drawn = random.integers(0, clips, (rows, clips)) + clips * np.arange(rows)[:, None]
        counts.append(np.bincount(drawn.ravel(), minlength=rows * clips).reshape(rows, clips).astype(float))
    return counts


def _of_whole_clips(parts: Array, wholes: Array, smallest_value: float) -> tuple[Array, Array]:
    """Wilson's interval as if all frames of a clip were equal; of differences, Newcombe's (1998, method 10).

    Clips of unequal length count as so many equal ones (Kish 1965).
    """
    total = wholes.sum(axis=0)
    size = total**2 / (wholes**2).sum(axis=0)
    more, less = np.maximum(parts, 0).sum(axis=0) / total, np.maximum(-parts, 0).sum(axis=0) / total
    if smallest_value == 0:
        return wilson(more, size)
    low, high = difference_interval(*(Intervals(share, *wilson(share, size), []) for share in (more, less)))
    return np.maximum(low, smallest_value), np.minimum(high, 1)


def _all_signs(clips: int) -> Iterator[Array]:
    """All choices of signs [2^(N-1), N]; the first is always 1, since flipping all keeps the distance from 0."""
    bits = np.arange(2 ** (clips - 1))[:, None] >> np.arange(clips) & 1
    yield 1.0 - 2.0 * np.roll(bits, 1, axis=1)


def _random_signs(clips: int, draws: int, seed: int) -> Iterator[Array]:
    """Random signs, [b, N] in batches."""
    random = np.random.default_rng(seed)
    batch = max(1, BLOCK // clips)
    for start in range(0, draws, batch):
        rows = min(batch, draws - start)
        flips = np.frombuffer(random.bytes(rows * -(-clips // 8)), np.uint8).reshape(rows, -1)
        yield 1.0 - 2.0 * np.unpackbits(flips, axis=1, count=clips).astype(np.float64)
