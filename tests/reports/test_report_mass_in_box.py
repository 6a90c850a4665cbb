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
