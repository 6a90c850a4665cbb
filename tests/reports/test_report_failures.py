from tiny_audit import answer, clips, write_audit

BROKEN = {"status": "bad_video", "error": "broken.mp4: no video"}
UPSTREAM = {"status": "upstream", "error": "bad_video: broken.mp4: no video"}
METHODS = {"step": {"ratios": [0.1, 0.2]}, "middle": {"use": "center"}}


def audit(folder):
    """Clip a is fine but for one map; the video of clip b is broken; both for one model and two methods."""
    tables = clips("a", "b")
    tables["clips"][1] |= BROKEN
    tables["predictions"] = [{"clip_id": "a", "rank": 1}, {"clip_id": "b", **UPSTREAM}]
    asked = [("step", 0.1), ("step", 0.2), ("middle", None)]
    keys = [{"clip_id": clip_id, "method": method, "ratio": ratio} for clip_id in "ab" for method, ratio in asked]
    tables["maps"] = [{**key, **_fate(key)} for key in keys]
    tables["scores"] = [{**key, "metric": "temporal_pointing", **_score(key)} for key in keys]
    return write_audit(folder, tables, methods=METHODS)


def _fate(key):
    if key["clip_id"] == "b":
        return UPSTREAM
    return {"status": "non_finite", "error": "NaN after 17 steps"} if key["ratio"] == 0.2 else {}


def _score(key):
    return {"status": "upstream", "error": "…"} if _fate(key) else {"value": 1.0}


def test_a_broken_video_is_one_row_with_all_that_it_took_along(tmp_path):
    first, second = answer(audit(tmp_path), "failures")
    assert (first["stage"], first["clip_id"], first["status"]) == ("clips", "b", "bad_video")
    assert first["error"] == "broken.mp4: no video"
    assert (first["rows"], first["upstream_rows"]) == (1, 1 + 3 + 3)  # prediction, maps, scores
    assert (second["stage"], second["clip_id"], second["status"]) == ("maps", "a", "non_finite")
    assert (second["models"], second["methods"], second["rows"], second["upstream_rows"]) == ("r3d", "step", 1, 1)


def test_every_broken_video_is_named(tmp_path):
    tables = clips("a", "b", "c")
    for row in tables["clips"]:
        row |= {"status": "too_short", "error": "9 frames"}
    rows = answer(write_audit(tmp_path, tables), "failures")
    assert [row["clip_id"] for row in rows] == ["a", "b", "c"]


def test_reasons_that_differ_only_in_numbers_are_one_row_of_many_clips(tmp_path):
    names = [f"c{index}" for index in range(5)]
    gone = [{"clip_id": name, "metric": "spatial_pointing", "frame": 3, "status": "no_annotation"} for name in names]
    scores = [{**row, "ratio": 0.1, "error": f"no box in frame {index}"} for index, row in enumerate(gone)]
    (row,) = answer(write_audit(tmp_path, {**clips(*names), "scores": scores}), "failures")
    assert (row["rows"], row["clip_id"], row["metric"]) == (5, "c0, c1, c2 and 2 more", "spatial_pointing")


def test_an_upstream_row_whose_cause_is_not_there_is_still_shown(tmp_path):
    scores = [{"clip_id": "a", "ratio": 0.1, "metric": "temporal_pointing", "status": "upstream", "error": "lost"}]
    (row,) = answer(write_audit(tmp_path, {**clips("a"), "scores": scores}), "failures")
    assert (row["stage"], row["status"], row["error"], row["rows"]) == ("scores", "upstream", "lost", 1)


def test_coverage_counts_rows_by_stage_and_status(tmp_path):
    found = {(row["stage"], row["method"]): row for row in answer(audit(tmp_path), "coverage")}
    counts = {key: (row["asked"], row["missing"], row["ok"], row["failed"]) for key, row in found.items()}
    assert counts == {
        ("segments", None): (2, 0, 2, 0),
        ("clips", None): (2, 0, 1, 1),
        ("predictions", None): (2, 0, 1, 1),
        ("maps", "step"): (4, 0, 1, 3),
        ("maps", "middle"): (2, 0, 1, 1),
        ("scores", "step"): (4, 0, 1, 3),
        ("scores", "middle"): (2, 0, 1, 1),
    }
    assert found["maps", "step"]["failures"] == "2 upstream, 1 non_finite"


def test_coverage_shows_what_the_configuration_asks_for_and_nobody_made(tmp_path):
    preserve = {"methods": ["step"], "bounds": ["probability", "top1"]}
    methods = {"step": {"ratios": [0.1, 0.2], "seeds": [0, 1]}}
    folder = write_audit(tmp_path, clips("a", "b", "c"), methods=methods, preserve=preserve)
    missing = {row["stage"]: (row["asked"], row["missing"]) for row in answer(folder, "coverage") if row["missing"]}
    assert missing == {"predictions": (3, 3), "maps": (12, 12), "preservation": (12, 12)}


def test_reasons_that_differ_by_the_metric_alone_have_an_order(tmp_path):
    failed = {"clip_id": "a", "ratio": 0.1, "status": "no_annotation", "error": "no frame has a box"}
    rows = [{**failed, "metric": metric} for metric in ("mass_in_box", "spatial_pointing", "box_share")]
    found = answer(
        write_audit(tmp_path, {**clips("a"), "scores": rows}, metrics=dict.fromkeys(row["metric"] for row in rows)),
        "failures",
    )
    assert [row["metric"] for row in found] == ["box_share", "mass_in_box", "spatial_pointing"]
