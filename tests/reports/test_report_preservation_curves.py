"""Kept probability against ratio, and the survival curve of the minimum preservation ratio with its interval."""

import random

import pytest
from tiny_audit import answer, write_audit
from tiny_audit import interval as estimated

from stepaudit.store import database

METHODS = {"step": {"ratios": [0.1, 0.2], "seeds": [3, 0]}}
PRESERVE = {"methods": ["step"], "share": 0.9}


def of(row, *names):
    return tuple(row[name] for name in names)


def interval(row, column):
    return of(row, column, f"{column}_low", f"{column}_high")


# Preservation curves


def mask(clip_id, kept, own, ratio=0.1, **others):
    return {
        "clip_id": clip_id,
        "ratio": ratio,
        "kept_probability": kept,
        "target_probability": own,
        "volume": 0.11,
        **others,
    }


TWELVE = [(0.4, 0.8), (0.6, 0.6), (0.5, 0.6)] * 4
FAILED = {"status": "non_finite", "error": "NaN"}
CURVES = {  # a model for each case
    "twelve_clips": [
        *(mask(clip, *both) for clip, both in zip("abcdefghijkl", TWELVE, strict=True)),
        mask("a", 0.8, 0.8, ratio=0.2),
    ],
    "at_the_bound": [mask("a", 0.72, 0.8), mask("b", 0.7199, 0.8)],
    "hardly_known": [mask("a", 0.101, 0.001), mask("b", 0.5, 1.0)],
    "two_seeds": [mask("a", 0.4, 0.8, seed=0), mask("a", 0.8, 0.8, seed=3), mask("b", None, None, seed=0, **FAILED)],
    "no_mask": [mask("a", None, 0.8, ratio=None, method="middle"), mask("a", 0.3, 0.8, ratio=None, method="middle")],
}


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    """Rows of the report, by case."""
    maps = [row | {"model": case} for case, rows in CURVES.items() for row in rows]
    models = {case: {"use": "r2plus1d_18"} for case in CURVES}
    methods = METHODS | {"middle": {"use": "center"}}
    folder = tmp_path_factory.mktemp("curves")
    found = answer(
        write_audit(folder, {"maps": maps}, models=models, methods=methods, preserve=PRESERVE), "preservation_curves"
    )
    return {case: [row for row in found if row["model"] == case] for case in CURVES}


def test_kept_probability_is_shown_as_it_is_and_as_a_share_of_the_clips_own(curves):
    first, second = curves["twelve_clips"]
    kept, own = zip(*TWELVE, strict=True)
    assert interval(first, "kept_probability") == pytest.approx((0.5, *estimated(kept)), abs=1e-4)
    # 1.5 of 2; residuals 0.4 - 0.6, 0.6 - 0.45, 0.5 - 0.45: error √(4 · 0.065 · 12 / 11) / 8 = 0.0666, × t(11) = 2.2
    assert interval(first, "kept_percent") == pytest.approx((75, 60.3, 89.7), abs=2)  # the bootstrap's is close to it
    low, high = estimated(kept, own, smallest_value=None)
    assert interval(first, "kept_percent") == pytest.approx((75, 100 * low, 100 * high), abs=0.06)
    assert of(first, "ratio", "volume_ratio", "own_probability", "share") == (0.1, 0.11, 0.6667, 0.9)
    assert interval(first, "keeping_percent") == (33.3, 13.8, 60.9)  # b and its like; Wilson, 4 of 12
    assert first["clips"] == 12
    assert of(second, "ratio", "kept_percent", "keeping_percent", "clips") == (0.2, 100, 100, 1)


def test_exactly_the_required_share_keeps_the_bound(curves):
    (row,) = curves["at_the_bound"]
    assert row["keeping_percent"] == 50


def test_a_clip_that_the_model_hardly_knows_does_not_decide_the_relative_curve(curves):
    """A mask that lifts 0.001 to 0.101 keeps 101 times the clip's own; both clips together keep 0.601 of 1.001."""
    (row,) = curves["hardly_known"]
    assert row["kept_percent"] == 60


def test_seeds_are_averaged_and_what_failed_is_left_out(curves):
    (row,) = curves["two_seeds"]
    assert of(row, "kept_probability", "keeping_percent", "clips") == (0.6, 50, 1)
    assert row["kept_probability_low"] == pytest.approx(estimated([0.6])[0], abs=1e-4)  # as of one observation


def test_maps_that_were_not_optimised_at_a_ratio_have_no_curve(curves):
    assert curves["no_mask"] == []


# Survival curves


def exact(clip_id, ratio, **others):
    return {"clip_id": clip_id, "seed": 3, "ratio": ratio, "lower": ratio - 0.01, "upper": ratio, **others}


def right(clip_id, lower=0.7, **others):
    return {"clip_id": clip_id, "seed": 3, "lower": lower, "censored": "right", **others}


def censored_sample(seed):
    """Rows of a curve, some of equal ratios and many right-censored anywhere."""
    draw = random.Random(seed)
    kinds = [right if draw.random() < seed / 10 else exact for _ in range(draw.randint(4, 50))]
    return [kind(f"c{index}", round(draw.uniform(0.03, 0.7), draw.choice([1, 3]))) for index, kind in enumerate(kinds)]


SURVIVAL = {  # a bound for each case
    "hand": [
        exact("a", 0.1, lower=0.0, censored="left"), exact("b", 0.2), right("c", 0.2), exact("d", 0.4), right("e")
    ],
    "nought": [exact("a", 0.1), exact("b", 0.2)],
    "two seeds": [
        exact("a", 0.1), exact("a", 0.3, seed=0), exact("b", 0.2), right("b", seed=0), exact("c", 0.5, seed=0),
        {"clip_id": "c", "seed": 3, "status": "upstream", "error": "bad_video"},
    ],
}  # fmt: skip
SAMPLES = {f"sample {seed}": censored_sample(seed) for seed in range(9)}


@pytest.fixture(scope="module")
def survival(tmp_path_factory):
    """Rows of the report, and of min_ratio, by case."""
    rows = [row | {"bound": case} for case, rows in (SURVIVAL | SAMPLES).items() for row in rows]
    made = write_audit(tmp_path_factory.mktemp("survival"), {"preservation": rows}, methods=METHODS, preserve=PRESERVE)
    found = {"curve": answer(made, "kaplan_meier_curves", "min_ratio"), "min_ratio": database.query(made, MIN_RATIO)[1]}
    curves = {case: [row for row in found["curve"] if row["bound"] == case] for case in SURVIVAL | SAMPLES}
    return curves, {case: tuple(values) for case, *values in found["min_ratio"]}


MIN_RATIO = "select bound, clips, median_ratio, mean_ratio from min_ratio"


def test_a_curve_worked_out_by_hand(survival):
    found = survival[0]["hand"]
    shown = ("ratio", "needing_more_percent", "at_risk", "events", "left_censored", "right_censored", "clips")
    assert [of(row, *shown) for row in found] == [
        (0, 100, 5, 0, 0, 0, 5),
        (0.1, 80, 5, 1, 1, 0, 5),
        (0.2, 60, 4, 1, 0, 1, 5),
        (0.4, 30, 2, 1, 0, 0, 5),
        (0.7, 30, 1, 0, 0, 1, 5),
    ]
    # at 0.4: Greenwood 1/20 + 1/12 + 1/2 = 0.6333; ln(-ln 0.3) = 0.1856 ± 1.96 · 0.7958 / 1.204 = ± 1.2955
    assert interval(found[3], "needing_more_percent") == (30, 1.2, 71.9)  # exp(-exp(1.4811)), exp(-exp(-1.1099))
    assert interval(found[0], "needing_more_percent") == (100, None, None)


def test_a_curve_that_reaches_nought_has_no_interval_there(survival):
    assert interval(survival[0]["nought"][-1], "needing_more_percent") == (0, None, None)


def test_curve_and_median_are_those_of_the_first_seed_alone_which_need_not_be_the_smallest(survival):
    curves, summaries = survival
    shown = [of(row, "ratio", "needing_more_percent", "clips") for row in curves["two seeds"]]
    assert shown == [(0, 100, 2), (0.1, 50, 2), (0.2, 0, 2)]
    assert summaries["two seeds"] == (2, 0.1, 0.15)


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")  # at 0, where we have none
def test_curves_and_intervals_agree_with_scipy_however_many_clips_are_censored(survival):
    stats = pytest.importorskip("scipy.stats", reason="SciPy is the independent reference")
    compared = 0
    for name, sample in SAMPLES.items():
        censored = [row.get("censored") == "right" for row in sample]
        times = [row["lower"] if out else row["ratio"] for row, out in zip(sample, censored, strict=True)]
        curve = stats.ecdf(stats.CensoredData.right_censored(times, censored)).sf
        theirs = curve.confidence_interval(0.95, method="log-log")
        for row in (row for row in survival[0][name] if row["events"]):
            share, *bounds = interval(row, "needing_more_percent")
            expected = [100 * each.evaluate(row["ratio"]) for each in (curve, theirs.low, theirs.high)]
            if share == 0:
                assert (expected[0], bounds) == (0, [None, None])
            else:
                assert [share, *bounds] == pytest.approx(expected, abs=0.051), (name, row["ratio"])
            assert row["at_risk"] == sum(time >= row["ratio"] for time in times)
            compared += share > 0
    assert compared > 60  # the premise
