import pytest
from test_report_pointing import frames
from tiny_audit import answer, clips, interval, write_audit

METHODS = {
    "plain": {"use": "ep3d", "ratios": [0.1]},
    "even": {"use": "ep3d_evenly", "ratios": [0.1]},
    "gauss": {"use": "ep3d_gaussian", "ratios": [0.1], "options": {"reach": 2}},
    "step": {"ratios": [0.1]},
    "step_paper": {"use": "step", "ratios": [0.1], "options": {"preset": "paper"}},
    "grad_cam": {},
}


def rows_of(folder, hits):
    """A row of the report for each method, from hits by method and clip."""
    scores = [
        row
        for method, of_clip in hits.items()
        for clip_id, values in of_clip.items()
        for row in frames(clip_id, values, method, ratio=None if method == "grad_cam" else 0.1)
    ]
    names = sorted({clip_id for of_clip in hits.values() for clip_id in of_clip})
    audit = write_audit(folder, {**clips(*names), "scores": scores}, methods=METHODS)
    return {row["method"]: row for row in answer(audit, "smoothness")}


def test_every_way_of_smoothing_is_compared_with_ep3d_on_the_same_frames(tmp_path):
    hits = {
        "plain": {"a": [1, 0, 0, 0], "b": [1, 1, 0, 0]},
        "even": {"a": [1, 1, 0, 0], "b": [1, 1, 1, 1]},
        "gauss": {"a": [0, 0, None, None]},
        "step": {"a": [1, 0, 0, 0], "b": [1, 1, 0, 0]},
        "grad_cam": {"a": [1, 1, 1, 1]},
    }
    found = rows_of(tmp_path, hits)
    assert list(found) == ["even", "gauss", "plain", "step"]
    shown = {
        name: (row["reach"], row["hit_percent"], row["ep3d"], row["over_ep3d_points"]) for name, row in found.items()
    }
    assert shown == {
        "even": (None, 75, "plain", 37.5),  # 3 more hits of 8
        "gauss": (2, 0, "plain", -50),  # on frames 0 and 1 of clip a, where EP-3D hits one
        "plain": (None, 37.5, None, None),
        "step": (None, 37.5, "plain", 0),
    }


def test_the_interval_of_the_gain_takes_clips_as_the_sampling_unit(tmp_path):
    more = {"a": 4, "b": 2, "c": 2, "d": 4}
    hits = {"plain": dict.fromkeys(more, [0] * 8), "even": {c: [1] * n + [0] * (8 - n) for c, n in more.items()}}
    row = rows_of(tmp_path, hits)["even"]
    low, high = interval(list(more.values()), [8] * 4, smallest_value=-1)
    assert row["over_ep3d_points"] == 37.5
    ends = (row["over_ep3d_points_low"], row["over_ep3d_points_high"])
    assert ends == pytest.approx((100 * low, 100 * high), abs=0.06)


def test_a_method_of_another_preset_is_not_compared_with_it(tmp_path):
    found = rows_of(tmp_path, {"plain": {"a": [0, 0]}, "step_paper": {"a": [1, 1]}})
    assert (found["step_paper"]["ep3d"], found["step_paper"]["over_ep3d_points"]) == (None, None)


def test_a_method_that_failed_is_a_row_with_its_reason(tmp_path):
    failed = [
        row | {"value": None, "status": "upstream", "error": "…"} for row in frames("a", [1, 1], "even", ratio=0.1)
    ]
    maps = [{"clip_id": "a", "method": "even", "ratio": 0.1, "status": "non_finite", "error": "NaN after 3 steps"}]
    audit = write_audit(tmp_path, {**clips("a"), "maps": maps, "scores": failed}, methods=METHODS)
    (row,) = answer(audit, "smoothness")
    assert (row["method"], row["hit_percent"], row["reason"]) == ("even", None, "non_finite: NaN after 3 steps")
