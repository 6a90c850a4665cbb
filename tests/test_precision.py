"""Average precision by hand and by its definition, and intervals whose observations are videos."""

import numpy as np
import pytest
from scipy import stats

from stepaudit.report.statistics import precision


def by_definition(scores, is_there):
    """Σ (R_n − R_{n−1}) P_n over thresholds, as scikit-learn defines it; slow and literal."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [own for score, own in zip(scores, is_there, strict=True) if score >= threshold]
        recall = sum(chosen) / sum(is_there)
        total += (recall - before) * sum(chosen) / len(chosen)
        before = recall
    return total


def test_four_clips_by_hand():
    """scikit-learn's own example: 0.1, 0.4, 0.35, 0.8 of which the last two are there: 0.5 · 1 + 0.5 · 2 / 3."""
    value = precision.average_precision(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    assert value == pytest.approx(0.5 + 1 / 3)


def test_clips_of_the_same_score_come_together():
    """By hand: one threshold with all four, of which one is there."""
    assert precision.average_precision(np.full(4, 0.3), np.array([True, False, False, False])) == 0.25


def test_random_scores_with_ties_agree_with_the_definition():
    random = np.random.default_rng(0)
    for _ in range(50):
        scores, own = random.integers(0, 6, 12) / 6, random.random(12) < 0.4
        own[0] = True
        assert precision.average_precision(scores, own) == pytest.approx(by_definition(scores.tolist(), own.tolist()))


def test_the_interval_is_that_of_as_many_observations_as_videos_have_the_label():
    """Eight clips of four videos, all before the others: 1, of four."""
    scores = np.array([0.9] * 8 + [0.1] * 8)
    own, videos = scores > 0.5, np.array([f"v{place // 2}" for place in range(16)])
    estimate = precision.of_label(scores, own, videos)
    ends = stats.binomtest(4, 4).proportion_ci(method="wilson")
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((1, ends.low, 1))


def test_a_label_that_no_clip_has_counts_in_no_mean():
    none = precision.of_label(np.array([0.2]), np.array([False]), np.array(["v"]))
    assert none.value is None
    some = precision.Precision(0.5, 0.2, 0.8), none, precision.Precision(0.9, 0.8, 1.0)
    assert precision.mean(list(some)) == precision.Precision(0.7, 0.5, 0.9)
    assert precision.mean([none]).value is None


def test_the_interval_covers_the_precision_of_many_clips():
    """Scores of two normal distributions; 60 clips of which 20 have the label, a video each."""
    random = np.random.default_rng(1)

    def drawn(count):
        own = np.arange(count) % 3 == 0
        return random.normal(1.2 * own, 1), own

    truth = precision.average_precision(*drawn(300_000))
    covered = 0
    for _ in range(400):
        scores, own = drawn(60)
        estimate = precision.of_label(scores, own, np.arange(60).astype(str))
        covered += estimate.low <= truth <= estimate.high
    assert covered >= 0.93 * 400
