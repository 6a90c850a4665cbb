import pytest
from tiny_audit import answer, clips, interval, write_audit


def prediction(clip_id, rank, probability):
    return {"clip_id": clip_id, "rank": rank, "target_probability": probability}


def test_rates_count_only_clips_with_a_prediction_and_have_wilson_intervals(tmp_path):
    rows = [prediction("a", 1, 0.5), prediction("b", 1, 0.5), prediction("c", 3, 0.6), prediction("d", 7, 0.4)]
    rows.append({"clip_id": "e", "status": "upstream", "error": "bad_video: no video"})
    (row,) = answer(write_audit(tmp_path, {**clips(*"abcde"), "predictions": rows}), "accuracy")
    assert (row["clips_asked"], row["clips"]) == (5, 4)
    assert (row["top1_percent"], row["top5_percent"], row["target_probability"]) == (50, 75, 0.5)
    # Wilson, 2 of 4: 15.0 to 85.0; 3 of 4: 30.1 to 95.4
    assert (row["top1_percent_low"], row["top1_percent_high"]) == (15.0, 85.0)
    assert (row["top5_percent_low"], row["top5_percent_high"]) == (30.1, 95.4)
    expected = interval([0.5, 0.5, 0.6, 0.4])
    assert (row["target_probability_low"], row["target_probability_high"]) == pytest.approx(expected, abs=0.0006)


@pytest.mark.parametrize(("classes", "top5"), [(5, None), (6, 75)])
def test_of_at_most_five_classes_it_says_nothing_that_the_label_is_among_the_first_five(tmp_path, classes, top5):
    rows = [
        prediction(name, rank, 0.5) | {"probabilities": [0.1] * classes}
        for name, rank in zip("abcd", (1, 1, 3, 6), strict=True)
    ]
    (row,) = answer(write_audit(tmp_path, {**clips(*"abcd"), "predictions": rows}), "accuracy")
    assert (row["clips"], row["top1_percent"], row["top5_percent"]) == (4, 50, top5)


def test_a_model_whose_predictions_all_failed_has_no_rate(tmp_path):
    rows = [{"clip_id": "a", "status": "non_finite", "error": "NaN"}]
    (row,) = answer(write_audit(tmp_path, {**clips("a"), "predictions": rows}), "accuracy")
    assert (row["clips_asked"], row["clips"]) == (1, 0)
    assert {value for name, value in row.items() if "percent" in name or "probability" in name} == {None}


def test_the_mean_of_one_clip_has_wilsons_interval_of_one_observation(tmp_path):
    (row,) = answer(write_audit(tmp_path, {**clips("a"), "predictions": [prediction("a", 1, 0.9)]}), "accuracy")
    assert row["target_probability"] == 0.9
    # z² = 3.841: (0.9 + 1.921) / 4.841 ± 1.96 / 4.841 · √(0.09 + 0.960)
    assert row["target_probability_low"] == pytest.approx(0.168, abs=0.001)
    assert row["target_probability_high"] == pytest.approx(0.998, abs=0.001)
