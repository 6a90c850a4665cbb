"""The score stage: a row for each map and metric, or one for each frame."""

from collections import Counter

import numpy as np
import pytest
import torch

from stepaudit.audit import plan
from stepaudit.audit.jobs import Job
from stepaudit.audit.sections import Metric
from stepaudit.clips.tensors import boxes_by_frame
from stepaudit.errors import UsageError
from stepaudit.maps import render
from stepaudit.metrics import box_share, mass_in_box, spatial_pointing, temporal_pointing
from stepaudit.stages import score
from stepaudit.stages._measurements import Measurements, Shard
from stepaudit.store import tables

PLANTED = {"dataset": "planted", "model": "r3d"}
OFFERED = {
    "importance", "boxes", "in_action", "steps", "clip", "model", "peers", "target", "ratio", "references"
}  # fmt: skip


def score_all(made, method):
    for shard in plan.shard_names(made.shards, "test"):
        score.run(Job(made, "score", method=method, shard=shard, **PLANTED))


def test_every_map_has_one_row_for_each_metric_or_one_for_each_of_its_frames(whole, rows):
    frames = {"spatial_pointing": range(16)}
    expected = Counter(
        (row["model"], row["method"], row["clip_id"], row["ratio"], row["seed"], metric, frame)
        for row in rows(whole, "maps")
        for metric in whole.metrics
        for frame in frames.get(metric, [None])
    )
    keys = ("model", "method", "clip_id", "ratio", "seed", "metric", "frame")
    assert Counter(tuple(row[key] for key in keys) for row in rows(whole, "scores")) == expected


def test_maps_that_failed_have_rows_that_say_what_was_wrong(whole, rows):
    failed = {row["clip_id"]: f"upstream: {row['error']}" for row in rows(whole, "maps", status="upstream")}
    for row in rows(whole, "scores"):
        assert (row["value"] is None) == (row["status"] != "ok") == (row["error"] is not None)
        if row["clip_id"] in failed:
            assert (row["status"], row["error"]) == ("upstream", failed[row["clip_id"]])
        else:
            assert row["status"] in ("ok", "no_annotation", "not_applicable", "no_peak")


def test_a_clip_without_annotation_has_values_only_where_none_is_needed(whole, rows):
    found = rows(whole, "scores", clip_id="broken-not_annotated", method="step")
    status = {metric: {row["status"] for row in found if row["metric"] == metric} for metric in whole.metrics}
    needy = {"spatial_pointing", "temporal_pointing", "mass_in_box", "box_share"}
    assert status == {**{metric: {"no_annotation"} for metric in needy}, "kept_probability": {"ok"}}


def test_a_map_with_too_few_time_steps_is_not_asked_when(whole, rows):
    """Grad-CAM on R(2+1)D has 2 steps for 16 frames, on VGG16LSTM 16."""
    for model, status in (("r3d", "not_applicable"), ("rnn", "ok")):
        found = rows(whole, "scores", model=model, method="grad_cam", metric="temporal_pointing")
        sound = {row["status"] for row in found if not row["clip_id"].startswith("broken")}
        assert sound <= {status, "no_peak"}
        assert status in sound


def test_values_are_those_of_the_metrics_on_what_the_tables_hold(whole, rows, tested):
    """Maps, boxes and actions read from the tables by hand."""
    clips, boxes = {clip["clip_id"]: clip for clip in tested}, rows(whole, "clip_boxes", view="middle")
    found = {
        (row["method"], row["clip_id"], row["ratio"], row["metric"], row["frame"]): row["value"]
        for row in rows(whole, "scores", model="rnn", seed=0)
    }
    checked = 0
    for row in rows(whole, "maps", model="rnn", seed=0, status="ok"):
        clip = clips[row["clip_id"]]
        own = boxes_by_frame([box for box in boxes if box["clip_id"] == row["clip_id"]], clip["label"], 16)
        if not any(own):
            continue
        importance = render(torch.tensor(row["grid"]).view(1, *row["grid_shape"]), row["upsampling"], (16, 32, 32))[0]
        key = (row["method"], row["clip_id"], row["ratio"])
        assert found[*key, "box_share", None] == box_share.score(importance, own)
        if importance.max() > importance.min():
            assert found[*key, "mass_in_box", None] == mass_in_box.score(importance, own)
            assert found[*key, "temporal_pointing", None] == temporal_pointing.score(importance, clip["in_action"], 16)
            for frame, value in enumerate(spatial_pointing.score(importance, own)):
                assert found[*key, "spatial_pointing", frame] == (value if own[frame] else None)
            checked += 1
    assert checked > 20


def pixels_in(boxes):
    """Pixels whose centre lies in a box, of each frame that has one."""
    found = {}
    for box in boxes:
        columns = [x for x in range(32) if box["x0"] <= x + 0.5 < box["x1"]]
        rows = [y for y in range(32) if box["y0"] <= y + 0.5 < box["y1"]]
        found.setdefault(box["frame"], set()).update((x, y) for x in columns for y in rows)
    return found


def test_the_decoys_boxes_do_not_count(whole, rows, tested):
    """The box share of each clip, counted pixel by pixel."""
    checked = 0
    for clip in tested:
        boxes = rows(whole, "clip_boxes", clip_id=clip["clip_id"])
        own = pixels_in(box for box in boxes if box["label"] == clip["label"])
        for row in rows(whole, "scores", metric="box_share", clip_id=clip["clip_id"], status="ok"):
            assert row["value"] == pytest.approx(sum(map(len, own.values())) / len(own) / 32**2)
            checked += 1
        assert not own or sum(map(len, pixels_in(boxes).values())) > sum(map(len, own.values()))  # there is a decoy
    assert checked == 6 * 2 * 7  # annotated clips, models, and maps of each


def test_a_metric_may_score_some_methods_alone(changed, rows):
    made = changed(metrics={"few": {"use": "mass_in_box", "methods": ["step"]}})
    for method in ("center", "step"):
        score_all(made, method)
    assert {row["method"] for row in rows(made, "scores", metric="few")} == {"step"}


def test_options_of_a_metric_are_passed_on(changed, rows):
    made = changed(metrics={"wide": {"use": "spatial_pointing", "options": {"tolerance_px": 100}}})
    score_all(made, "center")
    found = rows(made, "scores", metric="wide", model="r3d", method="center", status="ok")
    assert {row["value"] for row in found} == {1.0}
    assert len(found) == len(rows(made, "scores", metric="spatial_pointing", model="r3d", method="center", status="ok"))


def test_a_metric_of_the_users_own_is_found_and_measured(changed, rows):
    made = changed(metrics={"own": {"use": "odd_methods:mean_by_frame", "options": {"scale": 2.0}}})
    score_all(made, "noise")
    found = rows(made, "scores", metric="own", model="r3d", status="ok")
    assert len(found) == 7 * 2 * 16
    assert all(row["value"] == pytest.approx(2 / 32**2) for row in found)


def test_a_bug_in_a_metric_crashes_and_leaves_the_table_as_it_was(changed, whole):
    made = changed(metrics={"buggy": {"use": "odd_methods:buggy_metric"}})
    path = Job(made, "score", **PLANTED, method="center", shard="test-000").file("scores")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="a bug"):
        score_all(made, "center")
    assert path.read_bytes() == before


def test_running_again_gives_the_same_file(changed):
    made = changed()
    path = Job(made, "score", **PLANTED, method="step", shard="test-001").file("scores")
    before = path.read_bytes()
    path.unlink()
    score_all(made, "step")
    assert path.read_bytes() == before


def offered(made, method="step", place=0):
    """Measurements of a map of the first shard."""
    maps = tables.read("maps", Job(made, "attribute", **PLANTED, method=method, shard="test-000").file("maps"))
    sound = [row for row in maps if row["status"] == "ok"]
    return Measurements(
        Shard(Job(made, "score", **PLANTED, method=method, shard="test-000"), maps, pixels=True), sound[place]
    )


def test_the_measurements_are_those_that_the_contract_of_metrics_names(whole):
    """tests/metrics/test_metric_contract.py calls every metric with these names."""
    found = {name: offered(whole).get(name, "own") for name in OFFERED}
    assert found["importance"].shape == (16, 32, 32)
    assert found["clip"].shape == (3, 16, 32, 32)
    assert found["steps"] == 16
    assert len(found["boxes"]) == len(found["in_action"]) == 16
    assert list(found["peers"]) == ["rnn"]


def test_a_control_is_told_the_annotation_of_another_clip_and_a_decoy_metric_that_of_other_things(whole, rows):
    first = offered(whole)
    clip = first._clip
    boxes = rows(whole, "clip_boxes", view="middle")
    own, shuffled, other = (first.get("boxes", annotation) for annotation in ("own", "shuffled", "other"))
    decoys = [box for box in boxes if box["clip_id"] == clip["clip_id"] and box["label"] == "decoy"]
    assert other == boxes_by_frame(decoys, "decoy", 16)
    assert any(other)
    following = first._shard.next_clip(clip)
    assert following["clip_id"] != clip["clip_id"]
    others = [box for box in boxes if box["clip_id"] == following["clip_id"]]
    assert shuffled == boxes_by_frame(others, following["label"], 16) != own
    assert first.get("in_action", "shuffled") == following["in_action"]
    assert first.get("in_action", "other") is None


def test_pixels_are_read_only_for_metrics_that_measure_on_the_clip(changed, whole, monkeypatch):
    read, columns = tables.read, []

    def reading(table, *paths, **options):
        columns.extend(options.get("columns") or ["pixels"] if table == "clips" else [])
        return read(table, *paths, **options)

    monkeypatch.setattr(tables, "read", reading)
    for metric, needed in (("spatial_pointing", False), ("box_share", False), ("deletion_insertion", True)):
        columns.clear()
        made = changed(metrics={**dict.fromkeys(whole.metrics, False), metric: None})
        score.run(Job(made, "score", **PLANTED, method="center", shard="test-000"))
        assert ("pixels" in columns) == needed, metric
        assert "frames" in columns


def test_clips_that_follow_each_other_make_a_ring_of_the_annotated_ones(whole):
    shard = offered(whole)._shard
    start = clip = shard.next_clip(next(clip for clip in shard.clips.values() if shard.next_clip(clip)))
    seen = []
    while not seen or clip is not start:
        seen.append(clip["clip_id"])
        clip = shard.next_clip(clip)
    annotated = [name for name, clip in shard.clips.items() if clip["in_action"] is not None]
    assert sorted(seen) == sorted(annotated)
    assert len(seen) > 1


def test_the_clip_that_follows_is_not_the_same_stretch_of_video_with_another_label(whole):
    shard = offered(whole)._shard
    first, *others = [clip for clip in shard.clips.values() if shard.next_clip(clip)]
    twin = {**first, "clip_id": f"{first['clip_id']}#b"}
    vars(shard).pop("_annotated")
    shard.clips = {first["clip_id"]: first, twin["clip_id"]: twin, **{clip["clip_id"]: clip for clip in others}}
    shard.boxes[twin["clip_id"]] = []
    assert [shard.next_clip(clip)["clip_id"] for clip in (first, twin)] == [others[0]["clip_id"]] * 2
    shard.clips = {first["clip_id"]: first, twin["clip_id"]: twin}
    vars(shard).pop("_annotated")
    assert shard.next_clip(first) is None


def test_another_seeds_map_is_compared_with_the_first_seeds(whole, rows):
    maps = tables.read("maps", Job(whole, "attribute", **PLANTED, method="noise", shard="test-000").file("maps"))
    sound = [row for row in maps if row["status"] == "ok"]
    common = Shard(Job(whole, "score", **PLANTED, method="noise", shard="test-000"), maps, pixels=True)
    seeds = sorted({row["seed"] for row in sound})
    assert len(seeds) > 1  # the premise
    for row in sound:
        references = Measurements(common, row).get("references", "own")
        assert set(references) == (set() if row["seed"] == seeds[0] else {"seed"})
        if references:
            (first,) = [other for other in sound if other["clip_id"] == row["clip_id"] and other["seed"] == seeds[0]]
            assert torch.equal(references["seed"], common.importance(first))


def test_a_metric_of_several_parts_has_a_row_for_each(changed, rows):
    made = changed(metrics={"both": {"use": "odd_methods:extremes"}})
    score_all(made, "center")
    found = [row for row in rows(made, "scores", model="r3d", method="center") if row["metric"].startswith("both")]
    parts = Counter(row["metric"] for row in found if row["status"] == "ok")
    assert set(parts) == {"both.least", "both.greatest"}
    assert len(set(parts.values())) == 1
    least, greatest = (
        {row["value"] for row in found if row["metric"] == name} - {None} for name in sorted(parts)[::-1]
    )
    assert max(least) < min(greatest)
    failed = [row for row in found if row["status"] == "upstream"]
    assert {row["metric"] for row in failed} == {"both"}


def scored(changed, rows, **metrics):
    made = changed(metrics=metrics)
    score_all(made, "step")
    return made, rows(made, "scores", method="step", model="r3d")


def test_what_is_no_number_is_a_row_with_a_status_and_never_ok(changed, rows):
    kinds = {kind: {"use": "odd_methods:no_number", "options": {"kind": kind}} for kind in ("nan", "inf", "none")}
    found = [row for row in scored(changed, rows, **kinds)[1] if row["status"] != "upstream"]
    found = [row for row in found if row["metric"] in kinds]
    assert {(row["metric"], row["status"], row["value"], row["error"]) for row in found} == {
        ("nan", "non_finite", None, "the metric gave nan"),
        ("inf", "non_finite", None, "the metric gave inf"),
        ("none", "not_applicable", None, "the metric gave no value (None)"),
    }


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", "'0.5' is no number"),
        ("list", "annotate `-> list"),
    ],
)
def test_what_can_never_be_a_number_ends_the_job_with_metric_and_clip(changed, rows, kind, text):
    with pytest.raises(UsageError, match=rf"metric 'own' of clip '.+': .*{text}"):
        scored(changed, rows, own={"use": "odd_methods:no_number", "options": {"kind": kind}})


def test_a_metric_that_writes_into_its_inputs_changes_no_other_metrics_values(changed, rows):
    sound = {"mass_in_box": {}, "kept_probability": {}}
    alone = scored(changed, rows, **sound)[1]
    after = scored(changed, rows, **{"first": {"use": "odd_methods:spoiling"}, **sound})[1]
    key = ("clip_id", "ratio", "metric", "value", "status")
    assert [[row[name] for name in key] for row in after if row["metric"] != "first"] == [
        [row[name] for name in key] for row in alone
    ]


def scorer(*, per_frame=False, is_share=False):
    return score.Scorer("own", len, Metric(use="entropy"), ("importance",), per_frame, is_share)


def test_a_share_lies_between_0_and_1_and_every_frame_has_a_value():
    assert score._values(scorer(is_share=True), 1.0, 2) == [{"metric": "own", "value": 1.0, "status": "ok"}]
    assert score._values(scorer(), np.float32(7), 2)[0]["value"] == 7.0
    assert score._values(scorer(), torch.tensor(7), 2)[0]["value"] == 7.0
    with pytest.raises(UsageError, match="7 is no share; return values from 0 to 1"):
        score._values(scorer(is_share=True), 7.0, 2)
    with pytest.raises(UsageError, match="3 values for 2 frames"):
        score._values(scorer(per_frame=True), [0.0, 0.1, 0.2], 2)
