import pytest
from tiny_audit import answer, clips, write_audit


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
    # sd 0.1414, error 0.1, × t(1) = 12.706: 60 ± 127, clamped
    assert (row["mass_percent_low"], row["mass_percent_high"]) == (0, 100)


def test_interval_of_the_quotient_is_clustered_by_clip(tmp_path):
    rows = [row for index, inside in enumerate((0.4, 0.5, 0.6)) for row in mass(f"c{index}", inside, 0.1)]
    (row,) = answer(write_audit(tmp_path, {**clips("c0", "c1", "c2"), "scores": rows}), "mass_in_box")
    # equal boxes: ten times the mean and its error, 5 ± 4.303 · 10 · 0.1 / √3
    assert row["times"] == 5
    assert row["times_low"] == pytest.approx(5 - 2.484, abs=0.01)
    assert row["times_high"] == pytest.approx(5 + 2.484, abs=0.01)


def test_without_the_boxes_share_the_mass_still_stands_there(tmp_path):
    rows = [row for row in mass("a", 0.5, 0.1) if row["metric"] == "mass_in_box"]
    (row,) = answer(write_audit(tmp_path, {**clips("a"), "scores": rows}), "mass_in_box")
    assert (row["mass_percent"], row["box_percent"], row["times"], row["clips"]) == (50, None, None, 1)
