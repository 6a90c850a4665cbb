"""The game as released: class rates averaged, frames without a box missed, x and y swapped."""

import pytest
from tiny_audit import answer, write_audit

METHODS = {"step": {"ratios": [0.1]}, "middle": {"use": "center"}}
METRICS = {"right": {"use": "spatial_pointing"}, "released": {"use": "spatial_pointing_released"}}
FRAMES = 4


def scored(clip_id, hits, metric="released", method="step"):
    base = {"clip_id": clip_id, "method": method, "ratio": 0.1 if method == "step" else None, "metric": metric}
    missing = {"status": "no_annotation", "error": "no box"}
    fates = [missing if hit is None else {"value": float(hit)} for hit in hits]
    return [{**base, "frame": frame, **fate} for frame, fate in enumerate(fates)]


def box(clip_id, frame, label, *edges):
    return {
        "clip_id": clip_id,
        "frame": frame,
        "label": label,
        **dict(zip(("x0", "y0", "x1", "y1"), edges, strict=True)),
    }


def audit(folder, scores, boxes=()):
    """Clips a1 and a2 of one class, b1 of another."""
    labels = {"a1": "a", "a2": "a", "b1": "b"}
    rows = {
        "segments": [{"clip_id": clip_id, "label": label} for clip_id, label in labels.items()],
        "clips": [{"clip_id": c, "label": label, "frames": list(range(FRAMES))} for c, label in labels.items()],
        "clip_boxes": list(boxes),
        "scores": scores,
    }
    return write_audit(folder, rows, methods=METHODS, metrics=METRICS)


def of_step(folder):
    return next(row for row in answer(folder, "spatial_pointing_released") if row["method"] == "step")


def test_each_class_counts_the_same_however_many_clips_it_has(tmp_path):
    scores = [*scored("a1", [1, 1, 1, 1]), *scored("a2", [1, 1, 0, 0]), *scored("b1", [0, 0, 0, 0])]
    row = of_step(audit(tmp_path, scores))
    assert row["released_percent"] == 37.5  # mean of 6/8 and 0/4, where 6 of all 12 frames would be 50
    assert (row["frames"], row["clips"], row["clips_asked"]) == (12, 3, 3)
    assert 0 <= row["released_percent_low"] < 37.5 < row["released_percent_high"] <= 100


def test_the_right_game_and_the_floors_stand_beside_it(tmp_path):
    scores = [*scored("a1", [1, 0, 0, 0]), *scored("b1", [0, 0, 0, 0])]
    scores += [*scored("a1", [1, 1, None, None], "right"), *scored("b1", [0, 0, None, None], "right")]
    scores += [*scored("a1", [0, 1, 1, 0], method="middle"), *scored("b1", [0, 0, 0, 0], method="middle")]
    row = of_step(audit(tmp_path, scores))
    assert (row["metric"], row["released_percent"], row["right_percent"]) == ("released", 12.5, 50)
    assert (row["floors"], row["gain_points"]) == ("middle 25.0", -12.5)


def test_ceilings_are_the_annotated_frames_and_those_where_a_swapped_centre_meets_a_box(tmp_path):
    on_the_diagonal = [box("a1", frame, "a", 40, 40, 50, 50) for frame in range(FRAMES)]  # the swap changes nothing
    beside_it = [box("a2", frame, "a", 10, 80, 20, 90) for frame in range(2)]  # (15, 85) is read as (85, 15)
    within_reach = [box("b1", 0, "b", 40, 50, 46, 56), box("b1", 1, "other", 0, 0, 9, 9)]  # (53, 43) is 7 px off
    folder = audit(tmp_path, scored("a1", [1] * 4), [*on_the_diagonal, *beside_it, *within_reach])
    row = of_step(folder)
    assert row["annotated_percent"] == 50  # mean of 6/8 and 1/4
    assert row["perfect_percent"] == 37.5  # mean of 4/8 and 1/4


def test_without_boxes_nothing_can_be_hit(tmp_path):
    row = of_step(audit(tmp_path, scored("a1", [0] * 4)))
    assert (row["released_percent"], row["annotated_percent"], row["perfect_percent"]) == (0, 0, 0)


def test_clips_without_a_class_weigh_as_one_class(tmp_path):
    """Class a: 1 and 0.5; without a class: 0 and 0.25. A clip without a class weighed as much as a class."""
    shares = {"a0": (1, 1, 1, 1), "a1": (1, 1, 0, 0), "u0": (0, 0, 0, 0), "u1": (1, 0, 0, 0)}
    rows = {
        "segments": [{"clip_id": clip, "label": "a" if clip[0] == "a" else None} for clip in shares],
        "scores": [row for clip, hits in shares.items() for row in scored(clip, hits)],
    }
    found = of_step(write_audit(tmp_path, rows, methods=METHODS, metrics=METRICS))
    assert found["released_percent"] == pytest.approx(100 * (0.75 + 0.125) / 2, abs=0.06)
