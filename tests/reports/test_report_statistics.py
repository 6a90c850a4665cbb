"""Estimates, comparisons and reliability in the database, and the reports over them: rows given, answers by hand."""

import numpy as np
import pytest
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.report.statistics import estimate_tables, estimates
from stepaudit.report.statistics.intervals import ratio_intervals, wilson
from stepaudit.store import database

METHODS = {
    "step": {"ratios": [0.1]},
    "middle": {"use": "center"},
    "noise": {"use": "random_pixel"},
    "where": {"use": "annotation_prior"},
    "moves": {"use": "motion_energy"},
    "grad_cam": {},
}
METRICS = {"spatial_pointing": {}, "mass_in_box": {}, "box_share": {}}
READ = (
    *(*estimates.MADE, "measured", "pointing_rates", "spatial_pointing", "method_gains", "method_comparisons"),
    *("annotation_control", "annotation_frames", "metric_reliability"),
)


def scored(values, method="step", metric="mass_in_box", **others):
    """A score row of whole clips `c00`, `c01`, … for each value."""
    base = {"method": method, "metric": metric, "ratio": 0.1 if method.startswith("step") else None, **others}
    return [{**base, "clip_id": f"c{number:02}", "value": value} for number, value in enumerate(values)]


def framed(values, method="step", clip="c00", metric="spatial_pointing", **others):
    """Score rows of a clip's frames; None is a frame without a box, text a status."""
    rows = []
    for frame, value in enumerate(values):
        status = "no_annotation" if value is None else value if isinstance(value, str) else "ok"
        fate = {"value": value, "status": status} if status == "ok" else {"status": status, "error": status}
        ratio = 0.1 if method == "step" else None
        rows.append(
            {"method": method, "metric": metric, "ratio": ratio, "clip_id": clip, "frame": frame, **others, **fate}
        )
    return rows


def audit(folder, scores, **changes):
    rows = {**clips(*sorted({row["clip_id"] for row in scores})), "scores": scores}
    return made(write_audit(folder, rows, **{"methods": METHODS, "metrics": METRICS, **changes}))


def made(folder):
    """The audit's folder, with its database of what is read here."""
    build_database.create(folder, config.load(folder / "config.yaml"), READ)
    return folder


def records(folder, sql):
    with database.connect(folder) as connection:
        return database.records(connection, sql)


def test_the_tables_are_there_with_their_comments_and_without_scores_they_are_empty(tmp_path):
    folder = made(write_audit(tmp_path))
    for table in estimate_tables.TABLES:
        assert records(folder, f"from {table.name}") == []
        sql = f"select column_name, comment from duckdb_columns() where table_name = '{table.name}'"
        assert database.query(folder, sql)[1] == [(column.name, column.text) for column in table.columns]
        assert all(column.text.endswith(".") for column in table.columns)
    kinds = "select table_name, internal from duckdb_tables() where table_name in ('cells', 'uses', 'estimates')"
    assert database.query(folder, kinds)[1] == [("estimates", False)]  # nothing temporary stays


def test_an_estimate_is_a_ratio_of_sums_over_clips_with_its_interval(tmp_path):
    scores = framed([1, 1, 0, None], clip="a") + framed([1, None, None, None], clip="b") + framed([0, 0.5], clip="c")
    (row,) = records(audit(tmp_path, scores), "from estimates")
    assert (row["value"], row["clips"], row["frames"]) == (pytest.approx(3.5 / 6), 3, 6)
    found = ratio_intervals(np.array([[2], [1], [0.5]]), np.array([[3.0], [1], [2]]), smallest_value=0)
    assert (row["low"], row["high"]) == pytest.approx((found.low[0], found.high[0]))
    assert (row["way"], row["reason"]) == (found.way[0], None)


def test_it_is_the_value_of_the_reports_that_were_there_before(tmp_path):
    random = np.random.default_rng(0)
    scores = []
    for clip in "abcdef":
        for method in ("step", "middle"):
            frames = [None if random.random() < 0.3 else float(random.random() < 0.6) for _ in range(6)]
            scores += [row for name in METRICS for row in framed(frames, method, clip, name)]
    extra = {"metrics": {**METRICS, "spatial_pointing_released": {}}}
    scores += [row | {"metric": "spatial_pointing_released"} for row in scores if row["metric"] == "spatial_pointing"]
    folder = audit(tmp_path, scores, **extra)
    pointing = records(folder, "select value, rate from estimates join pointing_rates using (model, method, metric)")
    assert len(pointing) == 4
    assert [row["value"] for row in pointing] == pytest.approx([row["rate"] for row in pointing])
    by_hand = "select model, method, metric, avg(value) as mean from measured group by all"
    means = records(
        folder, f"select estimates.value, mean from estimates join ({by_hand}) using (model, method, metric)"
    )
    assert len(means) == 2 * (len(METRICS) + 1)
    assert [row["value"] for row in means] == pytest.approx([row["mean"] for row in means])


def test_the_released_game_weighs_classes_as_its_report_does(tmp_path):
    metrics = {"spatial_pointing_released": {}}
    rows = {name: [] for name in ("segments", "clips")}
    for clip, label in (("a", "x"), ("b", "x"), ("c", "y")):
        for name, found in clips(clip, label=label).items():
            rows[name] += found
    scores = [framed(values, clip=clip) for clip, values in (("a", [1, 1]), ("b", [1, 0]), ("c", [0, 0, 0, 0]))]
    rows["scores"] = [row | {"metric": "spatial_pointing_released"} for some in scores for row in some]
    folder = made(write_audit(tmp_path, rows, methods=METHODS, metrics=metrics))
    assert records(folder, "select value from estimates") == [{"value": 0.375}]  # of ¾ and 0; 3 of 8 frames by chance
    assert records(folder, "select rate from pointing_rates") == [{"rate": 0.375}]


def test_the_gain_is_over_the_greatest_floor_on_the_same_frames(tmp_path):
    scores = scored([0.9] * 6 + [0.7] * 6)
    scores += scored([0.5] * 12, "middle") + scored([0.5, 0.6, 0.7] * 2, "noise") + scored([0.2] * 12, "where")
    rows = records(audit(tmp_path, scores), "from method_gains")
    (row,) = [row for row in rows if row["method"] == "step"]
    assert row["floors"] == "noise 0.600, middle 0.500, where 0.200"
    # over noise, on the six clips that have it, 0.2 to 0.4: 2 of 64 flips are as far from 0; Holm counts three floors
    assert (row["best_floor"], row["gain"], row["gain_clips"]) == ("noise", 0.3, 6)
    assert (row["value"], row["clips"], row["p"], row["holm_p"]) == (0.8, 12, 0.0313, 0.0313)
    assert row["answer"] == "yes"
    assert {row["method"] for row in rows} == {"step"}  # a floor has no gain


def test_a_method_that_is_worse_than_the_best_floor_is_said_to_be(tmp_path):
    scores = scored(np.linspace(0.1, 0.3, 12)) + scored(np.linspace(0.6, 0.7, 12), "middle")
    (row,) = records(audit(tmp_path, scores), "from method_gains")
    assert (row["gain"], row["answer"], row["best_floor"]) == (-0.45, "no", "middle")
    assert row["gain_low"] < -0.45 < row["gain_high"] < 0
    assert row["p"] == round(2 / 2**12, 4)


def test_a_method_that_an_edge_detector_beats_points_no_better_than_trivial_pointers(tmp_path):
    random, scores = np.random.default_rng(1), []
    for method, rate in (("step", 0.62), ("center", 0.3), ("edges", 0.95)):
        for clip in range(15):
            hits = random.random(16) < np.clip(random.normal(rate, 0.25), 0, 1)
            scores += framed(hits.astype(float), method, f"c{clip:02}")
    methods = {"step": {"ratios": [0.1]}, "center": {}, "edges": {}}
    folder = audit(tmp_path, scores, methods=methods)
    (row,) = records(folder, "from method_gains")
    assert (row["best_floor"], row["answer"]) == ("edges", "no")
    assert row["gain_high"] < 0
    (row,) = [row for row in records(folder, "from spatial_pointing") if row["method"] == "step"]
    assert row["gain_points_high"] < 0


def test_without_floors_or_without_values_the_row_stays(tmp_path):
    failed = {"method": "grad_cam", "metric": "mass_in_box", "clip_id": "c00", "status": "no_peak", "error": "flat"}
    step, cam = sorted(
        records(audit(tmp_path, [*scored([0.5, 0.6]), failed]), "from method_gains"),
        key=lambda row: row["method"] == "grad_cam",
    )
    assert (step["value"], step["gain"], step["answer"], step["reason"]) == (0.55, None, None, None)
    assert (cam["value"], cam["clips"], cam["reason"]) == (None, 0, "no_peak: flat")


def test_pairs_are_compared_at_one_ratio_and_corrected_together(tmp_path):
    methods = {"step": {"ratios": [0.1, 0.2]}, "ep3d": {"ratios": [0.1]}, "grad_cam": {}, "middle": {"use": "center"}}
    values = {"step": 0.9, "ep3d": 0.5, "grad_cam": 0.1}
    spread = np.tile([0.05, -0.05], 5)
    scores = [row for name, mean in values.items() for row in scored(mean + spread, name, ratio=0.1)]
    scores = [row | {"ratio": None} if row["method"] == "grad_cam" else row for row in scores]
    scores += scored([0.4] * 10, ratio=0.2) + scored([0.2] * 10, "middle")
    rows = records(audit(tmp_path, scores, methods=methods), "from method_comparisons")
    found = [(row["method"], row["ratio"], row["other_method"], row["other_ratio"]) for row in rows]
    assert found == [
        ("ep3d", 0.1, "grad_cam", None),
        ("ep3d", 0.1, "step", 0.1),
        ("grad_cam", None, "step", 0.1),
        ("grad_cam", None, "step", 0.2),
    ]
    first, second = rows[0], rows[1]
    assert (first["difference"], first["better_clips"], first["worse_clips"], first["clips"]) == (0.4, 10, 0, 10)
    assert (first["p"], first["holm_p"]) == (0.002, 0.0078)  # 2 / 2^10; the least of four such
    assert (first["more"], second["more"], second["difference"]) == ("the first", "the second", -0.4)


def test_frames_that_only_one_of_a_pair_has_do_not_count(tmp_path):
    scores = framed([1, 1, None, 0]) + framed([0, "no_peak", None, 1], "grad_cam")
    (row,) = records(audit(tmp_path, scores), "from comparisons")
    assert (row["frames"], row["clips"], row["value"], row["other_value"]) == (2, 1, 0.5, 0.5)
    assert (row["difference"], row["p"], row["better_clips"], row["worse_clips"]) == (0, 1, 0, 0)


def test_pairs_with_different_clips_are_each_resampled_over_their_own(tmp_path):
    random = np.random.default_rng(0)
    own, cam, half = random.random((3, 12))
    scores = scored(own) + scored(cam, "grad_cam") + scored(half[:7], "noise")
    rows = records(audit(tmp_path, scores), "from comparisons order by family, method")
    assert [(row["method"], row["other_method"], row["clips"]) for row in rows] == [
        ("grad_cam", "noise", 7),
        ("step", "noise", 7),
        ("grad_cam", "step", 12),
    ]
    for row, differences in zip(rows, (cam[:7] - half[:7], own[:7] - half[:7], cam - own), strict=True):
        found = ratio_intervals(differences[:, None], np.ones((len(differences), 1)), smallest_value=-1)
        assert (row["difference"], row["low"], row["high"]) == pytest.approx(
            (differences.mean(), found.low[0], found.high[0])
        )


def test_two_methods_with_the_same_hits_may_differ_elsewhere(tmp_path):
    scores = [row for clip in "abcd" for method in ("step", "grad_cam") for row in framed([1, 0], method, clip)]
    (row,) = records(audit(tmp_path, scores), "from comparisons")
    most = wilson(np.array([0.0]), np.array([4.0]))[1][0]
    assert (row["low"], row["high"], row["way"]) == (pytest.approx(-most), pytest.approx(most), "wilson")


def test_the_clips_own_annotation_is_compared_with_the_shuffled_one_of_the_same_options(tmp_path):
    metrics = {
        "mass_in_box": {},
        "shuffled": {"use": "mass_in_box", "annotation": "shuffled"},
        "spatial_pointing": {},
        "wide": {"use": "spatial_pointing", "annotation": "shuffled", "options": {"tolerance_px": 30}},
    }
    spread = np.linspace(0, 0.1, 10)
    scores = scored(0.6 + spread) + scored(0.2 - spread, metric="shuffled") + scored([0.3] * 10, "middle")
    scores += framed([1]) + framed([0], metric="wide")
    rows = records(audit(tmp_path, scores, metrics=metrics), "from annotation_control")
    (row,) = rows  # `wide` has other options, and `middle` has no shuffled value
    assert (row["metric"], row["control_metric"], row["control"], row["method"]) == (
        *("mass_in_box", "shuffled", "shuffled", "step"),
    )
    assert (row["own"], row["control_value"], row["difference"], row["answer"]) == (0.65, 0.15, 0.5, "yes")
    assert (row["better_clips"], row["worse_clips"], row["clips"], row["p"]) == (10, 0, 10, 0.002)
    assert row["difference_low"] < 0.5 < row["difference_high"]


def test_a_metric_that_orders_the_methods_alike_on_every_clip_is_reliable_and_noise_is_not(tmp_path):
    names = [f"step{number}" for number in range(5)]
    methods = {name: {"use": "step", "ratios": [0.1]} for name in names} | {"middle": {"use": "center"}}
    random = np.random.default_rng(8)
    scores = scored(random.random(20), "middle")
    for number, name in enumerate(names):
        scores += scored(0.1 * number + random.random(20) * 0.05, name)
        scores += scored(random.random(20), name, "kept_probability") + scored([0.3] * 20, name, "box_share")
    metrics = {"mass_in_box": {}, "kept_probability": {}, "box_share": {}}
    folder = audit(tmp_path, scores, methods=methods, metrics=metrics)
    noise, order = records(folder, "from metric_reliability")
    assert (order["split_half"], order["alpha"], order["methods"], order["clips"]) == (1, 1, 5, 20)
    assert (order["answer"], order["note"]) == ("yes", None)
    assert noise["answer"] == "no"
    assert noise["split_half"] < 0.7
    assert abs(noise["alpha"]) < 0.15
    assert noise["note"].startswith("cannot rank")
    (constant,) = records(folder, "select * from reliability where metric = 'box_share'")
    assert (constant["split_half"], constant["reason"]) == (None, "all methods have the same value on every clip")


def test_a_metric_of_two_methods_or_of_three_clips_says_why_it_has_no_reliability(tmp_path):
    scores = scored([0.1, 0.2, 0.3, 0.4]) + scored([0.3, 0.2, 0.1, 0.2], "grad_cam")
    (row,) = records(audit(tmp_path, scores), "from metric_reliability")
    assert (row["answer"], row["split_half"], row["note"], row["methods"]) == (None, None, "fewer than 3 methods", 2)


def test_a_method_that_rarely_has_a_value_does_not_cost_the_others_their_clips(tmp_path):
    methods = {name: {"use": "grad_cam"} for name in ("a", "b", "c", "rare")}
    random = np.random.default_rng(0)
    scores = [row for name in "abc" for row in scored(random.random(8), name)] + scored([0.5, 0.6], "rare")
    (row,) = records(audit(tmp_path, scores, methods=methods), "from reliability")
    assert (row["methods"], row["clips"], row["reason"]) == (3, 8, None)


def test_frames_are_counted_by_what_became_of_them(tmp_path):
    scores = framed([1, 0.25, 0, None]) + framed(["no_peak"] * 4, clip="c01")
    scores += framed([1, 1, 1, None], "grad_cam") + framed([0, 0, None, None], "grad_cam", "c01")
    scores += framed(["upstream"] * 4, clip="c02") + framed(["upstream"] * 4, "grad_cam", "c02")
    step, cam = sorted(
        records(audit(tmp_path, scores), "from annotation_frames"), key=lambda row: row["method"], reverse=True
    )
    # of c00 three frames have a box, of c01 two, of c02 nobody knows
    counts = ("asked", "annotated", "unannotated", "unknown", "measured", "constant", "not_measured", "tied", "clips")
    assert [step[name] for name in counts] == [12, 5, 3, 4, 3, 2, 0, 1, 3]
    assert [cam[name] for name in counts] == [12, 5, 3, 4, 5, 0, 0, 0, 3]
    assert step["counted"] == "frames"


def test_ties_of_rank_accuracy_are_frames_at_one_half_and_mass_has_none(tmp_path):
    scores = framed([0.5, 0.7, None], metric="box_auc") + scored([0.5])
    mass, auc = sorted(
        records(audit(tmp_path, scores, metrics={"box_auc": {}, "mass_in_box": {}}), "from annotation_frames"),
        key=lambda row: row["counted"],
    )
    assert (auc["tied"], auc["measured"], auc["unannotated"]) == (1, 2, 1)
    assert (mass["tied"], mass["asked"], mass["counted"]) == (None, 1, "clips")


def test_seeds_are_averaged_before_anything_is_compared(tmp_path):
    scores = [row for seed, shift in ((0, 0.1), (1, -0.1)) for row in scored([0.5 + shift, 0.7 + shift], seed=seed)]
    (row,) = records(audit(tmp_path, scores), "from estimates")
    assert (row["value"], row["clips"], row["frames"]) == (pytest.approx(0.6), 2, 2)
