"""Intervals, tests and reliability against simulation, SciPy, worked examples and samples whose answer is known."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from stepaudit.report.statistics import survival
from stepaudit.report.statistics.intervals import (
    UNITS,
    Z,
    holm,
    in_groups,
    ratio_intervals,
    share_intervals,
    sign_flip_test,
    students_t,
    wilson,
)
from stepaudit.report.statistics.reliability import krippendorff_alpha, ranking_alpha, ranks, split_half

FRAMES = ([1, 2, 4, 8, 12, 16], [0.1, 0.1, 0.2, 0.2, 0.1, 0.3])


def clip_rates(random, mean, correlation, shape):
    """Each clip's own hit rate: beta distributed, so that two frames of a clip correlate by `correlation`."""
    strength = (1 - correlation) / correlation
    return random.beta(mean * strength, (1 - mean) * strength, shape)


def hits_and_frames(clips, mean, correlation, samples=1000, seed=0):
    """Hits and frames [clips, samples] of clips of very unequal length."""
    random = np.random.default_rng(seed)
    frames = random.choice(FRAMES[0], (clips, samples), p=FRAMES[1])
    rates = clip_rates(random, mean, correlation, (clips, samples))
    return random.binomial(frames, rates).astype(float), frames.astype(float)


def coverage(found, truth):
    """Percent of the samples whose interval holds the truth."""
    return 100 * np.mean((found.low <= truth + 1e-9) & (truth - 1e-9 <= found.high))


@pytest.mark.parametrize("clips", [15, 30, 60])
@pytest.mark.parametrize(("rate", "correlation"), [(0.5, 0.6), (0.7, 0.6), (0.85, 0.6), (0.3, 0.3), (0.5, 0.9)])
def test_intervals_of_a_hit_rate_cover_it_in_92_to_98_percent_of_samples(clips, rate, correlation):
    hits, frames = hits_and_frames(clips, rate, correlation)
    assert 92 <= coverage(ratio_intervals(hits, frames, smallest_value=0, resamples=999), rate) <= 98


@pytest.mark.parametrize("clips", [15, 30, 60])
def test_intervals_of_an_unbounded_mean_cover_it_where_clips_decide_and_long_clips_are_harder(clips):
    random = np.random.default_rng(3)
    frames = random.choice([4.0, 16.0], (clips, 1000))
    level = np.where(frames > 4, 0.5, 0.8)
    totals = frames * (level + random.gamma(4, 0.1, (clips, 1000)) - 0.4)
    truth = (4 * 0.8 + 16 * 0.5) / 20
    assert 92 <= coverage(ratio_intervals(totals, frames, resamples=999), truth) <= 98


@pytest.mark.parametrize("clips", [15, 30, 60])
@pytest.mark.parametrize(("own", "other"), [(0.7, 0.5), (0.9, 0.6), (0.5, 0.5)])
def test_intervals_of_a_paired_difference_cover_it(clips, own, other):
    """In the last case the two agree on half of the clips, as variants of a method do; there it covers a bit more."""
    random = np.random.default_rng(7)
    frames = random.choice(FRAMES[0], (clips, 1000), p=FRAMES[1])
    first = clip_rates(random, own, 0.5, frames.shape)
    second = clip_rates(random, other, 0.5, frames.shape)
    if own == other:
        second = np.where(random.random(frames.shape) < 0.5, first, second)
    differences = random.binomial(frames, first) - random.binomial(frames, second).astype(float)
    found = ratio_intervals(differences, frames.astype(float), smallest_value=-1, resamples=999)
    assert 92 <= coverage(found, own - other) <= (99 if own == other else 98)


def test_ignoring_that_frames_belong_to_clips_gives_intervals_that_are_far_too_narrow():
    """The same frames as their own clips: half as wide, and they miss the truth in more than a third of the samples."""
    random = np.random.default_rng(1)
    hits = random.binomial(1, clip_rates(random, 0.6, 0.6, (20, 1, 500)), (20, 8, 500)).astype(float)
    clustered = ratio_intervals(hits.sum(axis=1), np.full((20, 500), 8.0), smallest_value=0, resamples=999)
    ignored = ratio_intervals(hits.reshape(160, 500), np.ones((160, 500)), smallest_value=0, resamples=399)
    assert 92 <= coverage(clustered, 0.6) <= 98
    assert coverage(ignored, 0.6) < 67
    assert np.median(ignored.high - ignored.low) < 0.5 * np.median(clustered.high - clustered.low)


def test_the_bootstrap_agrees_with_students_t_where_clips_are_equal_and_normal():
    values = np.random.default_rng(0).normal(size=(40, 1))
    found = ratio_intervals(values, np.ones((40, 1)), resamples=9999)
    low, high = stats.t.interval(0.95, 39, values.mean(), stats.sem(values[:, 0]))
    assert found.value[0] == pytest.approx(values.mean())
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=0.03 * (high - low))  # error of a drawn tail


@pytest.mark.parametrize("wholes", [[4.0, 5, 2, 8, 8, 6], [7.0] * 6])
def test_a_resample_is_studentised_as_the_equations_say(wholes):
    """One clip after the other, resample after resample: the slow version, with resamples of our own."""
    parts, wholes = np.array([3.0, 1, 0, 7, 2, 5]), np.array(wholes)
    ratio, random, distances = parts.sum() / wholes.sum(), np.random.default_rng(0), []
    for _ in range(1999):
        drawn = random.integers(0, 6, (1, 6))[0]
        part, whole = parts[drawn], wholes[drawn]
        again = part.sum() / whole.sum()
        distances.append(abs(again - ratio) * whole.sum() / np.sqrt(((part - again * whole) ** 2).sum()))
    error = np.sqrt(((parts - ratio * wholes) ** 2).sum()) / wholes.sum()
    margin = sorted(distances)[1899] * error
    columns = np.stack([parts, parts], axis=1), np.stack([wholes, wholes], axis=1)
    found = ratio_intervals(*columns)
    assert found.low == pytest.approx([ratio - margin] * 2)
    assert found.high == pytest.approx([ratio + margin] * 2)


def test_where_clips_are_alike_a_share_has_wilsons_interval_and_anything_else_none():
    frames = np.full((18, 3), 16.0)
    hits = frames * [1, 0, 0.5]
    known, unknown = ratio_intervals(hits, frames, smallest_value=0), ratio_intervals(hits, frames)
    for column, count in enumerate((18, 0, 9)):
        expected = stats.binomtest(count, 18).proportion_ci(method="wilson")
        assert (known.low[column], known.high[column]) == pytest.approx((expected.low, expected.high))
    assert known.way == ["wilson"] * 3
    assert unknown.way == [None] * 3
    assert np.isnan([unknown.low, unknown.high]).all()
    assert unknown.value.tolist() == [1, 0, 0.5]


@pytest.mark.parametrize("clips", [1, 7, 40])
def test_yes_or_no_of_each_clip_has_wilsons_interval(clips):
    for count in (0, clips // 3, clips):
        expected = stats.binomtest(count, clips).proportion_ci(method="wilson")
        found = share_intervals(np.array([count / clips]), clips)
        assert (found.low[0], found.high[0]) == pytest.approx((expected.low, expected.high))


def test_students_t_is_scipys():
    for freedom in range(1, 200):
        assert students_t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)
    assert np.isnan(students_t(0))


def test_survival_curves_and_their_intervals_are_scipys():
    random = np.random.default_rng(0)
    times, limits = random.choice([0.05, 0.1, 0.2, 0.4, 0.7], (2, 60), p=[0.1, 0.2, 0.3, 0.2, 0.2])
    reached, seen = times <= limits, np.minimum(times, limits)
    ratios = np.unique(seen)
    events, censored = (np.array([(of & (seen == ratio)).sum() for ratio in ratios]) for of in (reached, ~reached))
    at_risk, curve, _, low, high = survival.curve(events.astype(float), censored.astype(float))
    sample = stats.CensoredData(uncensored=seen[reached], right=seen[~reached])
    expected = stats.ecdf(sample).sf
    ends = expected.confidence_interval(method="log-log")
    assert at_risk.tolist() == [(seen >= ratio).sum() for ratio in ratios]
    assert curve == pytest.approx(expected.evaluate(ratios))
    inner = curve > 0
    assert low[inner] == pytest.approx(ends.low.evaluate(ratios)[inner])
    assert high[inner] == pytest.approx(ends.high.evaluate(ratios)[inner])


def test_two_pointers_that_hit_the_same_frames_may_still_differ_on_other_clips():
    found = ratio_intervals(np.zeros((18, 1)), np.ones((18, 1)), smallest_value=-1)
    _, most = wilson(np.array([0.0]), np.array([18.0]))
    assert (found.value[0], found.low[0], found.high[0]) == pytest.approx((0, -most[0], most[0]))
    assert most[0] == pytest.approx(0.1759, abs=1e-4)  # z² / (18 + z²)


def test_one_clip_and_none_say_so():
    one = ratio_intervals(np.array([[3.0]]), np.array([[4.0]]))
    assert (one.value[0], one.way) == (0.75, [None])
    assert np.isnan([one.low[0], one.high[0]]).all()
    share = ratio_intervals(np.array([[3.0]]), np.array([[4.0]]), smallest_value=0)
    assert share.low[0] < 0.2  # Wilson's, of one observation: nearly anything is possible
    assert share.high[0] > 0.97
    none = ratio_intervals(np.zeros((0, 2)), np.zeros((0, 2)), smallest_value=0)
    assert np.isnan([none.value, none.low, none.high]).all()
    assert none.way == [None, None]


def test_a_share_never_has_a_wider_interval_than_if_all_frames_of_a_clip_were_equal():
    hits, frames = hits_and_frames(15, 0.95, 0.5, samples=300)
    found = ratio_intervals(hits, frames, smallest_value=0)
    low, high = wilson(hits.sum(axis=0) / frames.sum(axis=0), frames.sum(axis=0) ** 2 / (frames**2).sum(axis=0))
    assert (found.high - found.low <= high - low + 1e-9).all()
    assert ((found.low >= 0) & (found.high <= 1)).all()


def test_the_same_seed_gives_the_same_interval_whatever_stands_beside_it():
    hits, frames = hits_and_frames(20, 0.6, 0.5, samples=5)
    together, alone = (
        ratio_intervals(hits, frames, smallest_value=0),
        ratio_intervals(hits[:, [2]], frames[:, [2]], smallest_value=0),
    )
    assert (together.low[2], together.high[2]) == pytest.approx((alone.low[0], alone.high[0]), rel=1e-12)


@pytest.mark.parametrize("clips", [1, 6, 12])
def test_few_clips_are_flipped_in_every_way(clips):
    differences = np.random.default_rng(clips).normal(0.4, 1, (clips, 2))
    flips = np.array(list(product([1, -1], repeat=clips)))
    expected = (abs(flips @ differences) >= abs(differences.sum(axis=0)) - 1e-9).mean(axis=0)
    assert sign_flip_test(differences) == pytest.approx(expected)


def test_the_paired_test_agrees_with_scipy():
    differences = np.random.default_rng(5).normal(0.3, 1, 10)
    expected = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    assert sign_flip_test(differences[:, None])[0] == pytest.approx(expected)


def test_random_flips_come_near_to_all_of_them_and_never_say_zero():
    differences = np.random.default_rng(2).normal(0.35, 1, (14, 1))
    exact = sign_flip_test(differences)  # 8192 flips
    assert sign_flip_test(differences, draws=5000) == pytest.approx(exact, abs=0.015)  # four standard errors
    assert sign_flip_test(np.ones((40, 1)))[0] == 1 / 10_001


def test_methods_that_are_equal_on_every_clip_have_p_one_and_no_clips_none():
    assert sign_flip_test(np.zeros((20, 1)))[0] == 1
    assert np.isnan(sign_flip_test(np.zeros((0, 1)))[0])
    padded = np.vstack([np.ones((5, 1)), np.zeros((4, 1))])
    assert sign_flip_test(padded)[0] == 2 / 2**5  # clips without a difference change nothing


@pytest.mark.parametrize("clips", [8, 25])
def test_p_values_are_uniform_if_neither_method_is_better(clips):
    """Differences with heavy tails, symmetric, of clips of very different size: the test assumes no distribution."""
    random = np.random.default_rng(clips)
    differences = random.standard_t(2, (clips, 3000)) * random.choice([1, 4, 16], (clips, 1))
    p = sign_flip_test(differences, draws=2000)
    assert stats.kstest(p, "uniform").statistic < 0.03  # 1 % of uniform samples of 3000 are further off
    for level in (0.01, 0.05, 0.2):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 3000))


def test_groups_hold_every_clip_once_and_leave_few_clips_alone():
    sums = np.arange(2 * 4711.0).reshape(4711, 2)
    grouped = in_groups(sums, most=100)
    assert grouped.shape == (100, 2)
    np.testing.assert_allclose(grouped.sum(axis=0), sums.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(grouped[:, 1] - grouped[:, 0], in_groups(np.ones((4711, 1)), most=100)[:, 0])
    assert in_groups(sums, most=4711) is sums


def test_groups_of_very_many_sorted_clips_give_the_interval_and_the_p_value_of_the_equations():
    """Clips come class by class, as they are named: groups of neighbours, or of every n-th clip, would err."""
    random = np.random.default_rng(0)
    clips = 20 * UNITS
    parts = np.repeat(random.normal(0, 1, 40), clips // 40)[:, None] + random.normal(0.3, 1, (clips, 4))
    found = ratio_intervals(parts, np.ones_like(parts))
    expected = Z * parts.std(axis=0, ddof=1) / clips**0.5
    np.testing.assert_allclose(found.value, parts.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose((found.high - found.low) / 2, expected, rtol=0.06)  # 2,000 groups: 1.6 %, three times
    shifted = parts - parts.mean(axis=0) + np.array([0, 1, 2, 3]) * parts.std(axis=0) / clips**0.5
    expected = 2 * stats.norm.sf([0, 1, 2, 3])
    np.testing.assert_allclose(sign_flip_test(shifted), expected, atol=0.03)


def test_holm_is_the_step_down_of_the_textbook():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, np.nan, 0.7])).tolist()[::2] == [1, 1]
    assert np.isnan(holm(np.array([0.6, np.nan, 0.7]))[1])
    assert holm(np.array([])).tolist() == []


def test_all_pairs_of_equal_methods_together_err_in_five_percent_of_audits():
    """Six methods of which none is better: 15 pairs that depend on each other, in 300 audits of 12 clips."""
    random, first, second = np.random.default_rng(0), *np.triu_indices(6, 1)
    values = random.normal(size=(12, 300, 6)) + random.normal(size=(12, 300, 1))
    differences = (values[:, :, first] - values[:, :, second]).reshape(12, -1)
    p = sign_flip_test(differences).reshape(300, 15)
    assert np.mean(p.min(axis=1) < 0.05) > 0.2  # uncorrected, one audit in three finds a winner
    assert np.mean([holm(family).min() < 0.05 for family in p]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


MISSING = np.nan
KRIPPENDORFF = [  # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": 4 observers, 12 units
    [1, 2, 3, 3, 2, 1, 4, 1, 2, MISSING, MISSING, MISSING],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, MISSING, 3],
    [MISSING, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, MISSING],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, MISSING],
]


def test_alpha_is_that_of_krippendorffs_own_example():
    assert krippendorff_alpha(np.array(KRIPPENDORFF)) == pytest.approx(0.849, abs=5e-4)


def test_alpha_knows_agreement_chance_and_contradiction():
    order = np.arange(6.0)
    assert krippendorff_alpha(np.tile(order, (5, 1))) == 1
    assert krippendorff_alpha(np.random.default_rng(0).random((200, 40))) == pytest.approx(0, abs=0.01)
    # two observers, two units, 0 1 and 1 0: every pair within a unit differs, of all six pairs four do
    assert krippendorff_alpha(np.array([[0.0, 1], [1, 0]])) == pytest.approx(1 - 1 / (4 / 6))
    assert np.isnan(krippendorff_alpha(np.ones((3, 3))))
    assert np.isnan(krippendorff_alpha(np.full((3, 3), MISSING)))


def test_alpha_of_rankings_does_not_mind_how_hard_a_clip_is():
    values = np.array([0.1, 0.3, 0.2, 0.5])[:, None] + np.random.default_rng(0).normal(0, 10, 30)
    assert ranking_alpha(values) == 1
    assert krippendorff_alpha(values.T) < 0.01


def test_ranks_are_scipys_but_for_rounding():
    values = np.random.default_rng(0).integers(0, 4, (20, 6)).astype(float)
    assert ranks(values) == pytest.approx(stats.rankdata(values, axis=1))
    assert ranks(np.array([[0.1 + 0.2, 0.3, 0.1]])).tolist() == [[2.5, 2.5, 1]]


def test_split_half_of_methods_in_one_order_everywhere_is_one_and_of_noise_about_zero():
    frames = np.random.default_rng(0).integers(1, 17, (8, 20)).astype(float)
    assert split_half(np.arange(8.0)[:, None] * frames, frames) == pytest.approx(1)
    noise = [
        split_half(np.random.default_rng(seed).random((8, 20)), np.ones((8, 20)), halves=100) for seed in range(100)
    ]
    assert np.median(noise) == pytest.approx(0, abs=0.12)
    assert np.mean(np.array(noise) >= 0.7) < 0.03  # of metrics that rank nothing, few pass


def test_split_half_foretells_the_agreement_with_other_clips():
    """Methods that differ by 1, clips that are off by 3: over 18 clips the reliability is 1 / (1 + 9 / 18) = 0.667."""
    random, found, met = np.random.default_rng(0), [], []
    for _ in range(60):
        quality = random.normal(size=(30, 1))
        here, there = (quality + random.normal(0, 3, (30, 18)) for _ in range(2))
        found.append(split_half(here, np.ones((30, 18)), halves=100))
        met.append(stats.spearmanr(here.mean(axis=1), there.mean(axis=1)).statistic)
    assert np.mean(found) == pytest.approx(np.mean(met), abs=0.05)
    assert np.mean(found) == pytest.approx(6 / np.pi * np.arcsin(2 / 3 / 2), abs=0.05)  # Spearman's of normal samples


def test_split_half_steps_the_halves_correlation_up():
    """Four clips in three ways of halving: the correlations are worked out with SciPy, one by one."""
    values = np.array([[1.0, 4, 2, 6], [2, 1, 5, 3], [9, 3, 4, 1], [7, 9, 8, 2]])
    ways = [([0, 1], [2, 3]), ([0, 2], [1, 3]), ([0, 3], [1, 2])]
    halves = [[values[:, half].mean(axis=1) for half in way] for way in ways]
    mean = np.mean([stats.spearmanr(*pair).statistic for pair in halves])
    expected = 2 * mean / (1 + mean) if mean > 0 else mean
    assert split_half(values, np.ones((4, 4)), halves=20_000) == pytest.approx(expected, abs=0.02)


def test_too_few_methods_or_clips_rank_nothing():
    assert np.isnan(split_half(np.ones((2, 9)), np.ones((2, 9))))
    assert np.isnan(split_half(np.ones((5, 3)), np.ones((5, 3))))
    assert np.isnan(ranking_alpha(np.ones((2, 9))))
    assert split_half(np.ones((5, 8)), np.ones((5, 8))) == 0  # all equal: no order
