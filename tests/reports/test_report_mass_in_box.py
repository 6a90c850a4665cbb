import numpy as np
import pytest
from scipy import stats
from tiny_audit import answer, clips, interval, write_audit


def mass(clip_id, inside, box):
    base = {"clip_id": clip_id, "ratio": 0.1}
    return [
        {**base, "metric": "mass_in_box", "value": inside},
        {**base, "metric": "box_share", "value": box},
    ]


def test_mass_stands_beside_the_share_of_the_boxes(tmp_path):
    failed = {"clip_id": "c", "ratio": 0.1, "metric": "mass_in_box", "status": "no_annotation", "error": "no boxes"}
    rows = [*mass("a", 0.5, 0.1), *mass("b", 0.7, 0.1), failed]
    (row,) = answer(write_audit(tmp_path, {**clips(*"abc"), "scores": rows}), "mass_in_box")
    assert (row["mass_percent"], row["box_percent"], row["times"], row["clips"]) == (60, 10, 6, 2)
    low, high = interval([0.5, 0.7])
    assert (row["mass_percent_low"], row["mass_percent_high"]) == pytest.approx((100 * low, 100 * high), abs=0.06)
    assert row["times_low"] is None  # half of the draws of two clips have no spread, and a quotient may be anything


def test_interval_of_the_quotient_is_clustered_by_clip(tmp_path):
    shares = 0.5 + 0.1 * stats.norm.ppf((np.arange(30) + 0.5) / 30)
    rows = [row for index, inside in enumerate(shares) for row in mass(f"c{index:02}", inside, 0.1)]
    (row,) = answer(
        write_audit(tmp_path, {**clips(*(row["clip_id"] for row in rows[::2])), "scores": rows}), "mass_in_box"
    )
    low, high = stats.t.interval(0.95, 29, 5, 10 * stats.sem(shares))  # equal boxes: ten times the mean and its error
    assert row["times"] == 5
    assert (row["times_low"], row["times_high"]) == pytest.approx((low, high), abs=0.03)  # two digits, drawn


def test_without_the_boxes_share_the_mass_still_stands_there(tmp_path):
    rows = [row for row in mass("a", 0.5, 0.1) if row["metric"] == "mass_in_box"]
    (row,) = answer(write_audit(tmp_path, {**clips("a"), "scores": rows}), "mass_in_box")
    assert (row["mass_percent"], row["box_percent"], row["times"], row["clips"]) == (50, None, None, 1)


def test_a_mass_is_compared_with_the_boxes_of_its_own_annotation(tmp_path):
    """The object is half of the picture, and the decoy a twentieth; half of the map lies on either."""
    values = {"mass_in_box": 0.5, "box_share": 0.5, "decoy_mass": 0.5, "decoy_share": 0.05}
    names = ("a", "b", "c", "d")
    rows = [
        {"clip_id": clip, "ratio": 0.1, "metric": metric, "value": value}
        for clip in names
        for metric, value in values.items()
    ]
    metrics = {
        "mass_in_box": {},
        "box_share": {},
        "decoy_mass": {"use": "mass_in_box", "annotation": "other"},  # before the others in the alphabet
        "decoy_share": {"use": "box_share", "annotation": "other"},
    }
    predictions = [{"clip_id": clip, "rank": 1} for clip in names]
    tables = {**clips(*names), "scores": rows, "predictions": predictions}
    folder = write_audit(tmp_path / "both", tables, metrics=metrics)
    found = {row["metric"]: (row["times"], row["box_percent"]) for row in answer(folder, "mass_in_box")}
    assert found == {"mass_in_box": (1, 50), "decoy_mass": (10, 5)}
    (row,) = answer(folder, "model_overview")
    assert row["on_box_times"] == 1
    del metrics["decoy_share"]
    tables["scores"] = [row for row in rows if row["metric"] != "decoy_share"]
    found = {
        row["metric"]: row["times"]
        for row in answer(write_audit(tmp_path / "one", tables, metrics=metrics), "mass_in_box")
    }
    assert found == {"mass_in_box": 1, "decoy_mass": None}
