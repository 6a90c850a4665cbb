import pytest
from scipy import stats
from tiny_audit import answer, clips, interval, write_audit

METHODS = {
    "step": {"ratios": [0.1]},
    "middle": {"use": "center"},
    "noise": {"use": "random_pixel"},
    "where": {"use": "annotation_prior"},
    "moves": {"use": "motion_energy"},
    "grad_cam": {},
}


def frames(clip_id, hits, method="step", **values):
    """Score rows of a clip's frames; None is a frame without a box."""
    ratio = 0.1 if method == "step" else None
    base = {"clip_id": clip_id, "method": method, "ratio": ratio, "metric": "spatial_pointing", **values}
    missing = {"status": "no_annotation", "error": "no box in this frame"}
    fates = [missing if hit is None else {"value": float(hit)} for hit in hits]
    return [{**base, "frame": frame, **fate} for frame, fate in enumerate(fates)]


def whole(clip_id, value, method="step", **values):
    return {**frames(clip_id, [value], method)[0], "metric": "temporal_pointing", "frame": None, **values}


def by_method(folder, report):
    return {row["method"]: row for row in answer(folder, report)}


def two_clips(folder):
    """Clip a: 4 annotated frames of 6, 3 hits; clip b: 2 of 6, 1 hit. The centre hits 2 and 0 of them, noise none."""
    scores = [
        *frames("a", [1, 1, 0, 1, None, None]),
        *frames("b", [0, 1, None, None, None, None]),
        *frames("a", [1, 1, 0, 0, None, None], "middle"),
        *frames("b", [0, 0, None, None, None, None], "middle"),
        *frames("a", [0, 0, 0, 0, None, None], "noise"),
        *frames("b", [0, 0, None, None, None, None], "noise"),
    ]
    return write_audit(folder, {**clips("a", "b"), "scores": scores}, methods=METHODS)


def test_rate_is_over_annotated_frames_with_floors_beside_it(tmp_path):
    row = by_method(two_clips(tmp_path), "spatial_pointing")["step"]
    assert (row["frames"], row["clips"], row["clips_asked"], row["ratio"]) == (6, 2, 2, 0.1)
    assert row["hit_percent"] == 66.7  # 4 of 6
    assert row["clip_mean_percent"] == 62.5  # mean of 3/4 and 1/2
    assert row["floors"] == "middle 33.3, noise 0.0"
    assert row["gain_points"] == 33.3  # over the better floor: 4 - 2 hits of 6 frames


def test_intervals_take_clips_as_the_sampling_unit(tmp_path):
    row = by_method(two_clips(tmp_path), "spatial_pointing")["step"]
    # half of the draws have no spread: Wilson's interval of ⅔ seen on (4 + 2)² / (4² + 2²) = 1.8 clips of equal length
    assert row["hit_percent_low"] == pytest.approx(14.8, abs=0.1)
    assert row["hit_percent_high"] == pytest.approx(95.8, abs=0.1)
    low, high = interval([1, 1], [4, 2], smallest_value=-1)  # differences of the hits
    assert (row["gain_points_low"], row["gain_points_high"]) == pytest.approx((100 * low, 100 * high), abs=0.06)


def test_sixteen_equal_frames_of_a_clip_count_as_one_observation(tmp_path):
    hits = {f"c{index}": int(index < 6) for index in range(10)}
    rows = [row for clip_id, hit in hits.items() for row in frames(clip_id, [hit] * 16)]
    audit = write_audit(tmp_path, {**clips(*hits), "scores": rows}, methods=METHODS)
    row = by_method(audit, "spatial_pointing")["step"]
    assert (row["hit_percent"], row["frames"], row["clips"]) == (60, 160, 10)
    wilson = stats.binomtest(6, 10).proportion_ci(method="wilson")
    assert row["hit_percent_low"] == pytest.approx(100 * wilson.low, abs=0.06)
    assert row["hit_percent_high"] == pytest.approx(100 * wilson.high, abs=0.06)


def test_all_hits_still_have_an_interval(tmp_path):
    rows = [row for clip_id in "abcd" for row in frames(clip_id, [1] * 16)]
    audit = write_audit(tmp_path, {**clips(*"abcd"), "scores": rows}, methods=METHODS)
    row = by_method(audit, "spatial_pointing")["step"]
    assert (row["hit_percent"], row["hit_percent_high"]) == (100, 100)
    assert row["hit_percent_low"] == 51.0  # Wilson, 4 of 4


def test_seeds_of_a_map_are_averaged_not_counted(tmp_path):
    rows = [*frames("a", [1, 1], seed=0), *frames("a", [0, 1], seed=1)]
    audit = write_audit(tmp_path, {**clips("a"), "scores": rows}, methods=METHODS)
    row = by_method(audit, "spatial_pointing")["step"]
    assert (row["hit_percent"], row["frames"], row["clips"]) == (75, 2, 1)


def test_floors_have_no_gain_over_themselves(tmp_path):
    rows = by_method(two_clips(tmp_path), "spatial_pointing")
    assert (rows["middle"]["hit_percent"], rows["middle"]["floors"]) == (33.3, "middle 33.3, noise 0.0")
    assert rows["middle"]["gain_points"] is None
    assert rows["noise"]["gain_points"] is None


def test_floors_are_measured_where_the_method_was(tmp_path):
    failed = [{**row, "value": None, "status": "upstream", "error": "non_finite"} for row in frames("a", [1, 1])]
    rows = [*failed, *frames("b", [1, 1]), *frames("a", [1, 1], "middle"), *frames("b", [0, 0], "middle")]
    audit = write_audit(tmp_path, {**clips("a", "b"), "scores": rows}, methods=METHODS)
    found = by_method(audit, "spatial_pointing")
    assert found["step"]["floors"] == "middle 0.0"
    assert found["middle"]["hit_percent"] == 50
    assert (found["step"]["clips"], found["step"]["clips_asked"]) == (1, 2)


def test_gain_is_over_the_better_floor(tmp_path):
    rows = [*frames("a", [1, 1, 1, 0]), *frames("a", [1, 0, 0, 0], "middle"), *frames("a", [1, 1, 0, 0], "noise")]
    audit = write_audit(tmp_path, {**clips("a"), "scores": rows}, methods=METHODS)
    row = by_method(audit, "spatial_pointing")["step"]
    assert (row["floors"], row["gain_points"]) == ("noise 50.0, middle 25.0", 25)
    assert row["gain_points_low"] < -50  # one clip tells nothing about its spread: as wide as one observation leaves it
    assert row["gain_points_high"] > 75


def test_with_one_floor_the_gain_is_over_that_one(tmp_path):
    rows = [*frames("a", [1, 1, 1, 0]), *frames("a", [1, 0, 0, 0], "middle")]
    audit = write_audit(tmp_path, {**clips("a"), "scores": rows}, methods=METHODS)
    row = by_method(audit, "spatial_pointing")["step"]
    assert (row["floors"], row["gain_points"]) == ("middle 25.0", 50)


def test_every_floor_of_the_audit_stands_beside_a_rate_and_the_gain_is_over_the_best(tmp_path):
    floors = {"middle": [1, 0, 0, 0], "noise": [0, 0, 0, 0], "where": [1, 1, 0, 0], "moves": [1, 1, 1, 0]}
    rows = [row for method, hits in {"step": [1, 1, 1, 1], **floors}.items() for row in frames("a", hits, method)]
    audit = write_audit(tmp_path, {**clips("a"), "scores": rows}, methods=METHODS)
    found = by_method(audit, "spatial_pointing")
    names = ("floors", "gain_points")
    assert [found["step"][name] for name in names] == ["moves 75.0, where 50.0, middle 25.0, noise 0.0", 25]
    assert [found[floor]["gain_points"] for floor in floors] == [None] * 4
    nothing = write_audit(tmp_path / "bare", {**clips("a"), "scores": frames("a", [1, 0])}, methods=METHODS)
    assert [by_method(nothing, "spatial_pointing")["step"][name] for name in names] == [None, None]


def test_a_floor_that_failed_on_a_clip_is_compared_on_the_others_alone(tmp_path):
    still = [
        row | {"value": None, "status": "no_peak", "error": "nothing moves"} for row in frames("b", [1, 1], "moves")
    ]
    rows = [*frames("a", [1, 1]), *frames("b", [0, 0]), *frames("a", [1, 0], "moves"), *still]
    audit = write_audit(tmp_path, {**clips("a", "b"), "scores": rows}, methods=METHODS)
    row = by_method(audit, "spatial_pointing")["step"]
    assert (row["hit_percent"], row["floors"], row["gain_points"]) == (50, "moves 50.0", 50)  # clip a: 2 − 1 hits


def test_metrics_are_found_by_what_they_use_even_if_a_name_begins_with_another(tmp_path):
    metrics = {"pt": {"use": "spatial_pointing"}, "pt.loose": {"use": "spatial_pointing"}}
    rows = [*frames("a", [1, 0], metric="pt"), *frames("a", [1, 1], metric="pt.loose")]
    audit = write_audit(tmp_path, {**clips("a"), "scores": rows}, methods=METHODS, metrics=metrics)
    found = answer(audit, "spatial_pointing")
    assert [(row["metric"], row["hit_percent"]) for row in found] == [("pt", 50), ("pt.loose", 100)]


def test_temporal_game_leaves_clips_without_a_segment_out(tmp_path):
    nothing = {"status": "no_annotation", "error": "the action covers every frame"}
    rows = [whole("a", 1), whole("b", 0), whole("c", 0.5), whole("d", None, **nothing)]
    audit = write_audit(tmp_path, {**clips(*"abcd"), "scores": rows}, methods=METHODS)
    row = by_method(audit, "temporal_pointing")["step"]
    assert (row["hit_percent"], row["clips"], row["clips_asked"], row["reason"]) == (50, 3, 4, None)


def test_what_is_not_applicable_is_a_row_with_its_reason(tmp_path):
    reason = {"status": "not_applicable", "error": "2 temporal steps"}
    rows = [whole("a", None, "grad_cam", **reason), whole("b", None, "grad_cam", **reason)]
    audit = write_audit(tmp_path, {**clips("a", "b"), "scores": rows}, methods=METHODS)
    row = by_method(audit, "temporal_pointing")["grad_cam"]
    assert row["reason"] == "not_applicable: 2 temporal steps"
    assert (row["clips"], row["clips_asked"]) == (0, 2)
    assert {row[name] for name in row if "percent" in name or "points" in name} == {None}


def test_a_method_that_explains_nothing_gives_the_reason_of_its_maps(tmp_path):
    maps = [{"clip_id": "a", "method": "grad_cam", "status": "not_applicable", "error": "no activation layer"}]
    scores = [whole("a", None, "grad_cam", status="upstream", error="not_applicable: no activation layer")]
    audit = write_audit(tmp_path, {**clips("a"), "maps": maps, "scores": scores}, methods=METHODS)
    assert by_method(audit, "temporal_pointing")["grad_cam"]["reason"] == "not_applicable: no activation layer"
