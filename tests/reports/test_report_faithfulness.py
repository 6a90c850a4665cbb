"""Deletion and insertion: areas, curves, and whether the order of methods depends on the fill."""

from itertools import combinations

import pytest
from scipy import stats
from tiny_audit import clips, write_audit
from tiny_audit import interval as estimated

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.store import database

METHODS = {
    "step": {"ratios": [0.1]},
    "grad_cam": {},
    "occlusion": {},
    "runner_up": {"use": "grad_cam", "target": "runner_up"},
    "noise": {"use": "random_pixel"},
}
METRICS = {"deletion_insertion": {}}
CLIPS = "abcdefghijklmnopqrstu"


def scored(clip_id, parts, method="step", metric="deletion_insertion", **others):
    """Score rows of a clip by the part's name."""
    base = {"clip_id": clip_id, "method": method, "ratio": 0.1 if method == "step" else None, **others}
    return [{**base, "metric": f"{metric}.{part}", "value": value} for part, value in parts.items()]


def areas(clip_id, deletion, insertion, random=0.5, method="step", on="blur.blocks", **others):
    parts = {"deletion": deletion, "insertion": insertion, "random": random}
    return scored(clip_id, {f"{name}.{on}.auc": value for name, value in parts.items()}, method, **others)


def gains(method, fill, *values, **others):
    """Areas of clips a, b, …, of which insertion less deletion is the value."""
    pairs = zip(CLIPS, values, strict=False)
    on = f"{fill}.blocks"
    return [row for name, gain in pairs for row in areas(name, 0.5 - gain, 0.5, method=method, on=on, **others)]


def answers(folder, scores, maps=(), report="faithfulness", metrics=METRICS):
    names = sorted({row["clip_id"] for row in (*scores, *maps)})
    rows, models = (
        {**clips(*names), "scores": scores, "maps": list(maps)},
        {"r3d": {"use": "r3d_18"}, "other": {"use": "s3d"}},
    )
    made = write_audit(folder, rows, models=models, methods=METHODS, metrics=metrics)
    build_database.create(made, config.load(made / "config.yaml"), [report])
    with database.connect(made) as connection:
        return database.records(connection, f"from {report}")


def interval(row, column):
    return tuple(row[f"{column}{bound}"] for bound in ("", "_low", "_high"))


def percent(value, ends):
    return tuple(100 * number for number in (value, *ends))


def test_areas_gain_and_times_are_means_over_clips_with_their_interval(tmp_path):
    even = zip(CLIPS, [(0.2, 0.6), (0.3, 0.8), (0.4, 1.0)] * 7, strict=True)
    scores = [row for clip, both in even for row in areas(clip, *both)]
    uneven = [
        areas(clip, *of)
        for clip, of in zip(CLIPS, [(0.1, 0.6, 0.2), (0.2, 0.6, 0.6), (0.3, 0.6, 0.4)] * 7, strict=True)
    ]
    scores += [row | {"model": "other"} for rows in uneven for row in rows]
    row, other = sorted(answers(tmp_path, scores), key=lambda row: row["model"] == "other")
    assert (row["fill"], row["unit"], row["clips"], row["clips_asked"], row["reason"]) == (
        "blur",
        "blocks",
        21,
        21,
        None,
    )
    # sd 0.0837, error 0.0183, × t(20) = 2.086: ± 3.8; and twice of it: the bootstrap's are close to that
    assert interval(row, "deletion_percent") == pytest.approx((30, 26.2, 33.8), abs=0.3)
    assert interval(row, "deletion_percent") == pytest.approx(percent(0.3, estimated([0.2, 0.3, 0.4] * 7)), abs=0.06)
    assert interval(row, "insertion_percent") == pytest.approx(percent(0.8, estimated([0.6, 0.8, 1.0] * 7)), abs=0.06)
    gain = estimated([0.4, 0.5, 0.6] * 7, smallest_value=-1)
    assert interval(row, "gain_points") == pytest.approx(percent(0.5, gain), abs=0.06)
    assert row["random_percent"] == 50
    # 0.6 of 1.2; residuals 0.1 − 0.1 = 0, 0.2 − 0.3 = −0.1, 0.3 − 0.2 = 0.1: error √(7 · 0.02 · 21/20) / 8.4, × 2.086
    assert interval(other, "deletion_times") == pytest.approx((0.5, 0.4, 0.6), abs=0.011)
    # 1.8 of 1.2; residuals 0.6 − 0.3, 0.6 − 0.9, 0.6 − 0.6: error √(7 · 0.18 · 21/20) / 8.4 = 0.137, × 2.086
    random = [0.2, 0.6, 0.4] * 7
    assert interval(other, "insertion_times") == pytest.approx((1.5, 1.21, 1.79), abs=0.06)
    expected = (1.5, *estimated([0.6] * 21, random, smallest_value=None))
    assert interval(other, "insertion_times") == pytest.approx(expected, abs=0.006)


def test_fills_units_and_metrics_of_this_use_are_rows_of_their_own_and_seeds_are_averaged(tmp_path):
    metrics = {"mass_in_box": {}, "fine": {"use": "deletion_insertion"}, "fine.st": {"use": "deletion_insertion"}}
    scores = areas("a", 0.2, 0.5, on="blur-pyramid.pixels", metric="fine")
    scores += [row for seed in (0, 1) for row in areas("a", 0.3 + 0.2 * seed, 0.6, metric="fine", seed=seed)]
    scores += areas("a", 0.1, 0.5, on="freeze.tubelets", metric="fine.st")
    scores += [{"clip_id": "a", "ratio": 0.1, "metric": "mass_in_box", "value": 0.1}]
    found = answers(tmp_path, scores, metrics=metrics)
    assert [(row["metric"], row["fill"], row["unit"], row["deletion_percent"], row["clips"]) for row in found] == [
        ("fine", "blur", "blocks", 40, 1),
        ("fine", "blur-pyramid", "pixels", 20, 1),
        ("fine.st", "freeze", "tubelets", 10, 1),
    ]
    assert interval(found[0], "gain_points") == pytest.approx(
        percent(0.2, estimated([0.2], smallest_value=-1)), abs=0.06
    )  # one observation


def test_a_fill_on_which_the_maps_were_made_is_in_sample(tmp_path):
    fills = ("blur", "blur-pyramid", "fade", "freeze", "noise")
    made_on = {
        ("step", 0.1): ("blur:sigma=20", {"blur", "blur-pyramid"}),
        ("step", 0.2): ("blur-pyramid:sigma=20", {"blur", "blur-pyramid"}),
        ("step", 0.3): ("freeze", {"freeze"}),
        ("occlusion", None): ("fade", {"fade"}),
        ("runner_up", None): ("black", set()),
        ("grad_cam", None): (None, set()),
    }
    scores = [
        row
        for method, ratio in made_on
        for on in fills
        for row in areas("a", 0.2, 0.6, 0.5, method, f"{on}.x", ratio=ratio)
    ]
    maps = [
        {"clip_id": "a", "method": method, "ratio": ratio, "perturbation": name}
        for (method, ratio), (name, _) in made_on.items()
    ]
    found = answers(tmp_path, scores, maps)
    assert len(found) == len(made_on) * len(fills)
    for (method, ratio), (_, expected) in made_on.items():
        rows = [row for row in found if (row["method"], row["ratio"]) == (method, ratio)]
        assert {row["fill"] for row in rows if row["in_sample"]} == expected


def test_what_has_no_curve_is_a_row_with_its_reason(tmp_path):
    failed = {
        "clip_id": "a",
        "method": "grad_cam",
        "metric": "deletion_insertion",
        "status": "no_peak",
        "error": "flat",
    }
    scores = [failed, *areas("a", 0.2, 0.6), {**failed, "method": "step", "ratio": 0.1, "clip_id": "b"}]
    rows = {row["method"]: row for row in answers(tmp_path, scores)}
    assert rows["grad_cam"]["reason"] == "no_peak: flat"
    assert (rows["grad_cam"]["fill"], rows["grad_cam"]["in_sample"], rows["grad_cam"]["clips"]) == (None, None, 0)
    assert (rows["step"]["reason"], rows["step"]["clips"], rows["step"]["clips_asked"]) == (None, 1, 2)


def test_curves_stand_beside_a_random_order_of_which_as_much_is_seen(tmp_path):
    scores = []
    for name, fall in zip(CLIPS, [0.0, 0.1, 0.2] * 7, strict=True):
        parts = {f"deletion.blur.blocks.{share}": v for share, v in (("0", 0.9), ("0.25", 0.5 - fall), ("1", 0.1))}
        parts |= {f"random.blur.blocks.{share}": value for share, value in (("0", 0.1), ("0.75", 0.8), ("1", 0.9))}
        parts |= {"insertion.blur.blocks.0.75": 0.7, "deletion.blur.blocks.auc": 0.5}
        scores += scored(name, parts)
    rows = {(row["direction"], row["share"]): row for row in answers(tmp_path, scores, report="faithfulness_curves")}
    assert list(rows) == [("deletion", 0), ("deletion", 0.25), ("deletion", 1), ("insertion", 0.75)]
    # without a quarter of the units, beside a random order that still shows three quarters
    row = rows["deletion", 0.25]
    assert interval(row, "probability_percent") == pytest.approx(percent(0.4, estimated([0.5, 0.4, 0.3] * 7)), abs=0.06)
    assert (row["random_percent"], row["clips"], row["in_sample"]) == (80, 21, False)
    assert [rows[key]["random_percent"] for key in rows] == [90, 80, 10, 80]


def test_the_order_depends_on_the_fill_if_a_clear_pair_is_reversed_and_does_not_if_it_stays(tmp_path):
    """Each case is a metric of its own: what METHODS gain under blur, and under fade."""
    low, middle, high = (0.1, 0.2, 0.31) * 7, (0.3, 0.3, 0.5) * 7, (0.4, 0.5, 0.6) * 7
    wide, top = (0.4, 0.1, 0.9) * 7, (0.7, 0.81, 0.9) * 7
    cases = {
        "reversed": ((high, low), (low, high)),
        "stays": ((high, low), (high, low)),
        "open": ((wide, middle), (low, high)),
        "single": ((high[:1], low[:1]), (low[:1], high[:1])),
        "weakly_turned": ((high, low), (middle, wide)),
        "one_of_three": ((top, low, high), (top, low, (0.05, 0.3, 0.2) * 7)),
        "on_the_clips_of_both": (((0.4, 0.8, 0.9), (0.6,)), (high, (0.7,))),  # on the one clip grad_cam leads
        "of_the_label_alone": ((high, low, (), high), (high, low, (), low)),
    }
    scores = [
        row | {"metric": row["metric"].replace("deletion_insertion", case)}
        for case, both in cases.items()
        for fill, values in zip(("blur", "fade"), both, strict=True)
        for method, of_clips in zip(METHODS, values, strict=False)
        for row in gains(method, fill, *of_clips)
    ]
    maps = [{"clip_id": "a", "method": "step", "ratio": 0.1, "perturbation": "blur:sigma=20"}]
    maps += [{"clip_id": "a", "method": "grad_cam"}, {"clip_id": "a", "method": "runner_up", "target": 1}]
    metrics = {case: {"use": "deletion_insertion"} for case in cases}
    rows = {row["metric"]: row for row in answers(tmp_path, scores, maps, "faithfulness_ranks", metrics)}
    columns = ("answer", "kendall_tau", "clips", "turned_pairs", "agreed_pairs", "reversed_pairs")
    assert {name: tuple(row[column] for column in columns) for name, row in rows.items()} == {
        "reversed": ("yes", -1, 21, 1, 0, 1),
        "stays": ("no", 1, 21, 0, 1, 0),
        "open": ("cannot tell", -1, 21, 1, 0, 0),
        "single": ("cannot tell", -1, 1, 1, 0, 0),
        "weakly_turned": ("cannot tell", -1, 21, 1, 0, 0),
        "one_of_three": ("cannot tell", 0.33, 21, 1, 2, 0),  # occlusion is clearly above grad_cam under blur alone
        "on_the_clips_of_both": ("cannot tell", 1, 1, 0, 0, 0),
        "of_the_label_alone": ("no", 1, 21, 0, 1, 0),
    }
    row = rows["reversed"]
    assert (row["fill"], row["other_fill"], row["unit"], row["methods"], row["pairs"]) == (
        "blur",
        "fade",
        "blocks",
        2,
        1,
    )
    assert row["reversed_in_sample_pairs"] == 1


def test_one_pair_that_is_reversed_among_more_than_a_hundred_may_be_chance(tmp_path):
    order = list(range(15))
    places = {"blur": order, "fade": [1, 0, *order[2:]]}  # 105 pairs, of which the first two methods change places
    scores = [
        row
        for fill, of in places.items()
        for i, place in enumerate(of)
        for row in gains("step", fill, *(0.1 * place + 1e-4 * (i * j % 31) for j in range(1, 13)), ratio=(i + 1) / 100)
    ]
    (row,) = answers(tmp_path, scores, report="faithfulness_ranks")
    assert (row["answer"], row["methods"], row["pairs"], row["reversed_pairs"]) == ("cannot tell", 15, 105, 1)
    assert row["agreed_pairs"] == 104


def test_tau_is_scipys_for_every_two_fills_and_counts_ties(tmp_path):
    means = {
        "blur": {"step": 0.4, "grad_cam": 0.3, "occlusion": 0.2, "noise": 0.1},
        "fade": {"step": 0.1, "grad_cam": 0.4, "occlusion": 0.3, "noise": 0.3},
        "freeze": {"step": 0.5, "grad_cam": 0.5, "occlusion": 0.1, "noise": 0.2},
    }
    scores = [row for fill, of in means.items() for method, mean in of.items() for row in gains(method, fill, mean)]
    rows = answers(tmp_path, scores, report="faithfulness_ranks")
    assert [(row["fill"], row["other_fill"]) for row in rows] == list(combinations(means, 2))
    for row in rows:
        pair = [[means[row[key]][method] for method in means["blur"]] for key in ("fill", "other_fill")]
        assert row["kendall_tau"] == pytest.approx(stats.kendalltau(*pair).statistic, abs=0.005)
        assert (row["methods"], row["pairs"]) == (4, 6)
