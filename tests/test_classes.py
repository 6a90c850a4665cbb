"""Means and shares over clips whose classes go together, against SciPy and simulation."""

import numpy as np
import pytest
from scipy import integrate, stats

from stepaudit.report.statistics import classes
from stepaudit.report.statistics.intervals import wilson


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 12, 31, 99, 400])
def test_the_tail_of_students_t_is_scipys(freedom):
    t = np.array([0.0, 0.3, 1.0, 2.2, 7.0])
    near = 1e-12 if freedom <= classes.EXACT else 3e-5
    assert classes.tail(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), abs=near)


def test_clips_of_one_class_have_students_interval_and_p():
    values = np.array([0.2, -0.4, 1.5, 0.9, 0.8, -0.1])
    found = classes.mean(values, np.repeat("a", 6))
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    assert (found.value, found.low, found.high, found.p) == pytest.approx(
        (values.mean(), interval.low, interval.high, expected.pvalue), abs=1e-9
    )
    assert (found.clips, found.classes) == (6, 1)


def literal_p(values, labels):
    """The p value, by integrals over ρ and the classes' means written out clip by clip."""
    count = len(values)
    same = labels[:, None] == labels

    def likelihood(rho):
        covariance = np.eye(count) + rho**2 * same
        inverse = np.linalg.inv(covariance)
        total = inverse.sum()
        centre = (inverse @ values).sum() / total
        squares = (values - centre) @ inverse @ (values - centre)
        weight = 1 / (1 + (rho / 0.5) ** 2)
        density = weight * (np.linalg.det(covariance) * total) ** -0.5 * squares ** (-(count - 1) / 2)
        error = np.sqrt(squares / (count - 1) * covariance.sum()) / count
        return density, 2 * stats.t.sf(abs(values.mean()) / error, count - 1)

    whole = integrate.quad(lambda rho: likelihood(rho)[0], 0, 50, limit=200)[0]
    return integrate.quad(lambda rho: np.prod(likelihood(rho)), 0, 50, limit=200)[0] / whole


@pytest.mark.parametrize("between", [0, 1])
def test_the_p_value_is_that_of_the_model_with_its_covariance_written_out(between):
    random = np.random.default_rng(2)
    labels = np.array(list("aaabbbbbbcc"))
    values = (
        0.5 + random.normal(size=11) + between * np.array([1.0, -0.5, 0.4])[np.unique(labels, return_inverse=True)[1]]
    )
    # the grid of ρ stands for an integral
    assert classes.mean(values, labels).p == pytest.approx(literal_p(values, labels), rel=0.03)


def test_the_interval_ends_where_the_p_value_is_5_percent():
    random = np.random.default_rng(3)
    values, labels = random.normal(size=20), np.repeat(list("abcd"), 5)
    found = classes.mean(values, labels)
    for end in (found.low, found.high):
        assert classes.mean(values - end, labels).p == pytest.approx(0.05, abs=1e-6)


def test_classes_whose_clips_are_equal_are_one_observation_each():
    """Three classes have nearly the interval of three values; the prior makes it a little narrower."""
    values, labels = np.repeat([1.0, 3.0, 5.0], 8), np.repeat(list("abc"), 8)
    found = classes.mean(values + np.tile([0.01, -0.01], 12), labels)
    three = stats.ttest_1samp([1.0, 3.0, 5.0], 0).confidence_interval(0.95)
    assert (three.high - three.low) * 0.6 < found.high - found.low < (three.high - three.low) * 1.2


def test_classes_that_differ_make_the_interval_wider_and_the_order_of_clips_changes_nothing():
    values = np.array([1.0, 1.1, 0.9, 1.05, 3.0, 3.1, 2.9, 2.95, 5.0, 5.2, 4.9, 5.1])
    labels = np.repeat(list("abc"), 4)
    apart = classes.mean(values, labels)
    mixed = classes.mean(values, np.tile(list("abc"), 4))
    assert apart.high - apart.low > 2 * (mixed.high - mixed.low)
    order = np.random.default_rng(0).permutation(12)
    shuffled = classes.mean(values[order], labels[order])
    assert (shuffled.low, shuffled.p) == pytest.approx((apart.low, apart.p), abs=1e-9)


@pytest.mark.parametrize(("values", "value"), [([], None), ([0.7], 0.7), ([2.0, 2.0, 2.0], 2.0)])
def test_clips_that_do_not_tell_give_no_interval(values, value):
    found = classes.mean(np.array(values), np.array(list("abc"[: len(values)])))
    assert (found.value, found.low, found.high, found.p) == (value, None, None, None)


def test_a_share_of_clips_that_are_alike_within_classes_counts_as_one_of_fewer():
    answers, labels = np.tile([1.0, 0.0], 20), np.repeat(list("abcdefgh"), 5)
    low, high = wilson(np.array(0.5), np.array(40.0))
    even, apart = classes.share(answers, labels), classes.share(np.sort(answers), labels)
    assert even.value == apart.value == 0.5
    assert (even.low, even.high) == pytest.approx((low, high), abs=0.06)
    assert apart.high - apart.low > 1.5 * (high - low)
    unanimous = classes.share(np.ones(40), labels)
    assert (unanimous.low, unanimous.high) == pytest.approx(wilson(np.array(1.0), np.array(40.0)))


@pytest.mark.parametrize("count", [2, 4, 10, 24])
@pytest.mark.parametrize("between", [0, 0.5, 1])
def test_intervals_cover_the_mean_of_all_classes_in_90_percent_of_samples_or_more(count, between):
    """`python -m benchmarks classes` measures this with more samples; 300 have a standard error of 1.5 points."""
    random = np.random.default_rng(1)
    held = []
    for _ in range(300):
        labels = np.repeat(np.arange(count), random.integers(5, 21, count))
        found = classes.mean(random.normal(size=len(labels)) + between * random.normal(size=count)[labels], labels)
        held.append(found.low <= 0 <= found.high)
    assert np.mean(held) >= 0.9 - 0.03
