import random
from itertools import pairwise

import pytest
from tiny_audit import answer, clips, write_audit

from stepaudit.store import database

PRESERVE = {"methods": ["step"], "grid": [0.02, 0.2, 0.7]}


def exact(clip_id, ratio):
    return {"clip_id": clip_id, "ratio": ratio, "lower": ratio - 0.01, "upper": ratio}


def right(clip_id, lower=0.7):
    return {"clip_id": clip_id, "lower": lower, "censored": "right"}


def left(clip_id, upper=0.02):
    return {"clip_id": clip_id, "ratio": 0.019, "lower": 0.0, "upper": upper, "censored": "left"}


def audit(folder, rows):
    return write_audit(folder, {**clips(*[row["clip_id"] for row in rows]), "preservation": rows}, preserve=PRESERVE)


def test_five_clips_worked_out_by_hand(tmp_path):
    rows = [exact("a", 0.1), exact("b", 0.2), right("c", 0.2), exact("d", 0.4), right("e")]
    (row,) = answer(audit(tmp_path, rows), "min_ratio")
    # survival 4/5 from 0.1, × 3/4 = 0.6 from 0.2 (the clip censored there is still at risk), × 1/2 = 0.3 from 0.4
    assert (row["clips"], row["left_censored"], row["right_censored"]) == (5, 0, 2)
    assert row["median_ratio"] == 0.4
    # area: 0.1·1 + 0.1·0.8 + 0.2·0.6 + 0.3·0.3
    assert row["mean_ratio"] == pytest.approx(0.39, abs=1e-4)
    assert row["uncensored_mean_ratio"] == pytest.approx(0.7 / 3, abs=1e-4)
    # Greenwood: 0.29²/(5·4) + 0.21²/(4·3) + 0.09²/(2·1) = 0.01193, × 3/2, root, × t(2) = 4.303: more than 0.39 and 0.31
    assert (row["mean_ratio_low"], row["mean_ratio_high"]) == (0, 0.7)


def test_a_left_censored_clip_counts_at_the_smallest_ratio_tried(tmp_path):
    (row,) = answer(audit(tmp_path, [left("a"), left("b"), exact("c", 0.2)]), "min_ratio")
    assert (row["left_censored"], row["median_ratio"]) == (2, 0.02)
    assert row["mean_ratio"] == pytest.approx((0.02 + 0.02 + 0.2) / 3, abs=1e-4)


def test_clips_that_never_keep_their_answer_have_the_largest_ratio_as_mean_and_no_median(tmp_path):
    (row,) = answer(audit(tmp_path, [right("a"), right("b")]), "min_ratio")
    assert (row["mean_ratio"], row["largest_ratio"], row["right_censored"]) == (0.7, 0.7, 2)
    empty = (
        "median_ratio",
        "median_ratio_low",
        "median_ratio_high",
        "mean_ratio_low",
        "mean_ratio_high",
        "uncensored_mean_ratio",
    )
    assert {row[name] for name in empty} == {None}


def test_failed_searches_are_left_out(tmp_path):
    rows = [exact("a", 0.1), {"clip_id": "b", "status": "upstream", "error": "too_short: 3 frames"}]
    (row,) = answer(audit(tmp_path, rows), "min_ratio")
    assert (row["clips"], row["mean_ratio"]) == (1, 0.1)


def test_without_censoring_mean_and_interval_are_the_usual_ones(tmp_path):
    stats = pytest.importorskip("scipy.stats", reason="SciPy is the independent reference")
    values = [round(random.Random(3).uniform(0.02, 0.6), 3) + index / 1000 for index in range(12)]
    (row,) = answer(audit(tmp_path, [exact(f"c{index}", value) for index, value in enumerate(values)]), "min_ratio")
    mean, error = sum(values) / 12, stats.sem(values)
    low, high = stats.t.interval(0.95, 11, mean, error)
    assert row["mean_ratio"] == pytest.approx(mean, abs=1e-4)
    assert row["mean_ratio_low"] == pytest.approx(low, abs=2e-4)  # four decimals, and t within 0.1 % at 11
    assert row["mean_ratio_high"] == pytest.approx(high, abs=2e-4)


def random_rows(seed):
    draw = random.Random(seed)
    rows = []
    for index in range(draw.randint(5, 60)):
        ratio = draw.choice([round(draw.uniform(0.03, 0.69), 2), round(draw.uniform(0.03, 1.2), 3)])
        rows.append(right(f"c{index}", draw.choice([0.2, 0.7])) if ratio > 0.69 else exact(f"c{index}", ratio))
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_curve_median_and_interval_agree_with_scipy(tmp_path, seed):
    stats = pytest.importorskip("scipy.stats", reason="SciPy is the independent reference")
    rows = random_rows(seed)
    folder = audit(tmp_path, rows)
    (row,) = answer(folder, "min_ratio")
    sample = stats.CensoredData.right_censored(
        [each.get("ratio", each["lower"]) for each in rows], ["censored" in each for each in rows]
    )
    curve = stats.ecdf(sample).sf
    ours = database.query(folder, "select ratio, survival from kaplan_meier where events > 0")[1]
    assert len(ours) >= 3
    for ratio, survival in ours:
        assert survival == pytest.approx(curve.evaluate(ratio), abs=1e-9)
    edges = [0, *[q for q in curve.quantiles if q < 0.7], 0.7]
    area = sum(curve.evaluate(start) * (stop - start) for start, stop in pairwise(edges))
    assert row["mean_ratio"] == pytest.approx(area, abs=1e-4)
    interval = curve.confidence_interval(0.95, method="log-log")
    for name, bound in (
        ("median_ratio", curve),
        ("median_ratio_low", interval.low),
        ("median_ratio_high", interval.high),
    ):
        reached = [q for q, share in zip(bound.quantiles, bound.probabilities, strict=True) if share <= 0.5 + 1e-12]
        assert row[name] == (pytest.approx(min(reached), abs=1e-4) if reached else None), name
