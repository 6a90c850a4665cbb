"""Rank accuracy, IoU and mass in segment: means over frames or clips, their intervals, and the floors beside them.

What holds for all four is asked of one audit whose rows are the same for each metric.
"""

from tiny_audit import clips, write_audit

from stepaudit import config, database

METHODS = {
    "step": {"ratios": [0.1]},
    "middle": {"use": "center"},
    "noise": {"use": "random_pixel"},
    "where": {"use": "annotation_prior"},
    "moves": {"use": "motion_energy"},
    "grad_cam": {},
}
OF_FRAMES, OF_CLIPS = {"box_auc": "auc", "box_iou": "iou"}, {"segment_auc": "auc", "mass_in_segment": "mass"}
COLUMNS = {**OF_FRAMES, **OF_CLIPS}
FLOORS = ("center_percent", "random_percent", "prior_percent", "motion_percent")


def measured(clip_id, values, method="step", metrics=COLUMNS, **others):
    """Score rows of a clip: one for each frame, None without a box; metrics of whole clips take the first value."""
    base = {"clip_id": clip_id, "method": method, "ratio": 0.1 if method == "step" else None, **others}
    missing = {"status": "no_annotation", "error": "no box"}
    fates = [missing if value is None else {"value": value} for value in values]
    rows = [{**base, "metric": name, **fates[0]} for name in metrics if name in OF_CLIPS]
    by_frame = [{**base, "frame": frame, **fate} for frame, fate in enumerate(fates)]
    return rows + [{**row, "metric": name} for name in metrics if name in OF_FRAMES for row in by_frame]


def answers(folder, scores, names=COLUMNS, **changes):
    """Rows of the reports of these names. In each clip's first frame of four the action happens; in `long` in three."""
    rows = {**clips(*sorted({row["clip_id"] for row in scores})), "scores": scores}
    for row in rows["clips"]:
        row["in_action"] = [True, *[row["clip_id"] == "long"] * 2, False]
    made = write_audit(folder, rows, **{"methods": METHODS, "metrics": dict.fromkeys(COLUMNS), **changes})
    database.create(made, config.load(made / "config.yaml"))
    with database.connect(made) as connection:
        return {name: database.records(connection, f'from "{name}"') for name in names}


def of_method(found, method="step"):
    """The one row of the method in each report, its mean under one name."""
    picked = {}
    for name, rows in found.items():
        (row,) = [row for row in rows if row["method"] == method]
        renamed = {key.replace(f"{COLUMNS[name]}_percent", "mean"): value for key, value in row.items()}
        picked[name] = renamed
    return picked


def interval(row, column="mean"):
    return tuple(row[f"{column}{bound}"] for bound in ("", "_low", "_high"))


def test_every_annotated_frame_counts_the_same(tmp_path):
    scores = [*measured("a", [0.9, 0.8, 0.7, None]), *measured("b", [0.4, None, None, None])]
    for row in of_method(answers(tmp_path, scores, OF_FRAMES)).values():
        # residuals 2.4 - 3 · 0.7 = 0.3 and 0.4 - 0.7 = -0.3: error √(0.18 · 2) / 4 = 0.15, × 12.706: cut at 0 and 100
        assert interval(row) == (70, 0, 100)  # 2.8 of 4, where the mean of the clips' means would be 60
        assert (row["frames"], row["clips"], row["clips_asked"], row["ratio"]) == (4, 2, 2, 0.1)


def test_the_interval_takes_clips_as_the_sampling_unit_however_many_equal_frames_they_have(tmp_path):
    scores = [
        row for clip_id, value in zip("abc", (0.6, 0.7, 0.8), strict=True) for row in measured(clip_id, [value] * 9)
    ]
    for name, row in of_method(answers(tmp_path, scores)).items():
        assert interval(row) == (70, 45.2, 94.8)  # sd 0.1, error 0.0577, × t(2) = 4.303: 0.7 ± 0.2484
        assert (row["clips"], row["reason"], row.get("frames")) == (3, None, 27 if name in OF_FRAMES else None)


def test_every_floor_stands_beside_it_and_the_gain_is_over_the_best(tmp_path):
    values = {"step": 0.9, "middle": 0.7, "noise": 0.5, "where": 0.4, "moves": 0.6}
    scores = [row for method, value in values.items() for row in measured("a", [value], method)]
    found = answers(tmp_path, scores)
    for row in of_method(found).values():
        assert [row[name] for name in FLOORS] == [70, 50, 40, 60]
        assert interval(row, "gain_points") == (20, None, None)  # one clip tells nothing about its spread
    for floor in ("middle", "noise", "where", "moves"):
        assert [row["gain_points"] for row in of_method(found, floor).values()] == [None] * 4


def test_without_floors_their_columns_are_empty(tmp_path):
    for row in of_method(answers(tmp_path, measured("a", [0.9]))).values():
        assert [row[name] for name in (*FLOORS, "gain_points", "gain_points_low")] == [None] * 6


def test_the_gain_is_paired_by_clip(tmp_path):
    values = {"step": (0.6, 0.7, 0.8), "middle": (0.4, 0.6, 0.5)}
    pairs = [(method, *pair) for method, of_clips in values.items() for pair in zip("abc", of_clips, strict=True)]
    scores = [row for method, clip_id, value in pairs for row in measured(clip_id, [value], method)]
    for row in of_method(answers(tmp_path, scores)).values():
        assert interval(row, "gain_points") == (20, -4.8, 44.8)  # differences 0.2, 0.1, 0.3: 0.2 ± 4.303 · 0.1 / √3


def test_floors_are_measured_on_the_same_frames_and_clips(tmp_path):
    scores = [*measured("a", [0.9, None, 0.7]), *measured("a", [0.5, 0.1, None], "middle")]
    scores += measured("b", [None, None, None]) + measured("b", [0.1, 0.1, 0.1], "middle")
    for name, row in of_method(answers(tmp_path, scores)).items():
        assert row["mean"] == (80 if name in OF_FRAMES else 90)
        assert (row["center_percent"], row["gain_points"]) == (50, 40)  # of the first frame of clip a alone
        assert (row["clips"], row["clips_asked"]) == (1, 2)


def test_seeds_of_a_map_are_averaged_not_counted(tmp_path):
    for row in of_method(answers(tmp_path, measured("a", [0.6], seed=0) + measured("a", [0.8], seed=1))).values():
        assert (*interval(row), row["clips"]) == (70, None, None, 1)


def test_what_was_measured_nowhere_is_a_row_with_its_reason(tmp_path):
    for row in of_method(answers(tmp_path, measured("a", [None], "grad_cam")), "grad_cam").values():
        assert (row["reason"], row["clips"], row["clips_asked"]) == ("no_annotation: no box", 0, 1)
        assert {row[name] for name in row if any(word in name for word in ("mean", "percent", "points"))} == {None}
        assert row.get("times") is None


def test_a_metric_is_found_by_what_it_uses_and_other_metrics_are_left_out(tmp_path):
    metrics = {"mass_in_box": {}, **{f"my_{name}": {"use": name} for name in COLUMNS}}
    scores = [row | {"metric": f"my_{row['metric']}"} for row in measured("a", [0.7])]
    scores += [row | {"metric": "mass_in_box"} for row in measured("a", [0.1], metrics=["segment_auc"])]
    found = answers(tmp_path, scores, metrics=metrics)
    assert {name: [row["metric"] for row in rows] for name, rows in found.items()} == {n: [f"my_{n}"] for n in COLUMNS}
    assert {row["mean"] for row in of_method(found).values()} == {70}


def test_an_audit_that_does_not_name_a_metric_has_no_rows_of_it(tmp_path):
    scores = measured("a", [0.7], metrics=["box_auc"])
    found = answers(
        tmp_path, scores + [row | {"metric": "spatial_pointing"} for row in scores], metrics={"spatial_pointing": {}}
    )
    assert found == {name: [] for name in COLUMNS}


def test_mass_in_segment_stands_beside_the_actions_share_of_the_frames(tmp_path):
    scores = [*measured("short", [0.5]), *measured("long", [0.9]), *measured("none", [None])]
    row = of_method(answers(tmp_path, scores))["mass_in_segment"]
    assert (row["mean"], row["segment_percent"], row["clips"]) == (70, 50, 2)  # 1 and 3 frames of 4
    # 1.4 of 1; residuals 0.5 - 1.4 · 0.25 = 0.15 and 0.9 - 1.4 · 0.75 = -0.15: error √(0.045 · 2), × 12.706: ± 3.81
    assert interval(row, "times") == (1.4, 0, 5.21)


def test_the_share_is_that_of_the_clips_that_the_model_saw(tmp_path):
    """Two models, each with clips of its own: of one 1 frame of 4 lies in the action, of the other 1 of 2."""
    models = {"r3d": {"use": "r2plus1d_18"}, "short": {"use": "r3d_18", "clips": {"frames": 8}}}
    inside = {"16x112x112": [True, False, False, False], "8x112x112": [True, False]}
    rows = clips("a")
    rows["clips"] = [{"clip_id": "a", "size": size, "in_action": frames} for size, frames in inside.items()]
    rows["scores"] = [row for model in models for row in measured("a", [0.5], metrics=["mass_in_segment"], model=model)]
    made = write_audit(tmp_path, rows, models=models, methods=METHODS, metrics={"mass_in_segment": {}})
    database.create(made, config.load(made / "config.yaml"))
    found = database.query(made, "select model, times, segment_percent from mass_in_segment")[1]
    assert [tuple(row) for row in found] == [("r3d", 2, 25), ("short", 1, 50)]
