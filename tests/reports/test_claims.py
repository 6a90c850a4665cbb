"""The paper's claims in words: rows on which the answer is yes, no, or not to be told."""

import numpy as np
import pytest
from test_report_pointing import frames
from tiny_audit import answer, clips, interval, write_audit

MODELS = {"conv": {"use": "r2plus1d_18"}, "lstm": {"use": "vgg16_lstm"}}
METHODS = {"step": {"ratios": [0.1]}, "ep3d": {"ratios": [0.1]}}
T = 16


def names_of(count):
    return [f"c{index}" for index in range(count)]


# Larger ratio


def bracket(clip_id, model, lower, upper):
    """A search that found a* in (lower, upper]; without an upper end no mask sufficed."""
    censored = "right" if upper is None else "left" if lower == 0 else None
    ratios = {"ratio": upper, "lower": float(lower), "upper": upper, "censored": censored}
    return {"clip_id": clip_id, "model": model, "method": "ep3d", **ratios}


def larger_ratio(folder, pairs):
    """The report's row, from brackets of R(2+1)D and VGG16LSTM by clip."""
    names = names_of(len(pairs))
    rows = [
        bracket(clip_id, model, *of_model)
        for clip_id, pair in zip(names, pairs, strict=True)
        for model, of_model in zip(MODELS, pair, strict=True)
    ]
    preserve = {"methods": ["ep3d"], "bounds": ["probability"]}
    tables = {**clips(*names), "preservation": rows}
    (row,) = answer(
        write_audit(folder, tables, models=MODELS, methods=METHODS, preserve=preserve), "claim_larger_ratio"
    )
    return row


LESS, MORE = (0.05, 0.1), (0.2, 0.3)


def test_yes_where_vgg16lstm_needs_more_on_most_clips(tmp_path):
    row = larger_ratio(tmp_path, [(LESS, MORE)] * 9 + [(MORE, LESS)])
    assert (row["answer"], row["larger_clips"], row["smaller_clips"], row["larger_percent"]) == ("yes", 9, 1, 90)
    assert (row["larger_percent_low"], row["larger_percent_high"]) == (59.6, 98.2)  # Wilson, 9 of 10


def test_no_where_it_needs_less(tmp_path):
    row = larger_ratio(tmp_path, [(MORE, LESS)] * 9)
    assert (row["answer"], row["larger_percent"], row["larger_percent_high"]) == ("no", 0, 29.9)


def test_a_few_clips_or_a_split_vote_tell_nothing(tmp_path):
    assert larger_ratio(tmp_path / "few", [(LESS, MORE)] * 3)["answer"] == "cannot tell"  # Wilson, 3 of 3: from 43.9
    assert larger_ratio(tmp_path / "split", [(LESS, MORE)] * 6 + [(MORE, LESS)] * 5)["answer"] == "cannot tell"


@pytest.mark.parametrize(
    ("conv", "lstm", "decided"),
    [
        ((0, 0.02), (0, 0.02), None),  # both left-censored: either may be the smaller
        ((0.7, None), (0.7, None), None),  # both right-censored
        ((0.1, 0.2), (0.15, 0.25), None),  # the brackets overlap
        ((0.1, 0.2), (0.2, 0.3), "larger_clips"),  # a* is above the lower and at most the upper end
        ((0, 0.02), (0.05, 0.1), "larger_clips"),
        ((0.1, 0.2), (0.7, None), "larger_clips"),
        ((0.7, None), (0.4, 0.7), "smaller_clips"),
    ],
)
def test_a_clip_is_decided_only_if_the_brackets_leave_one_order(tmp_path, conv, lstm, decided):
    row = larger_ratio(tmp_path, [(conv, lstm)])
    counts = {name: row[name] for name in ("larger_clips", "smaller_clips", "undecided_clips")}
    assert counts == {name: int(name == (decided or "undecided_clips")) for name in counts}


def test_clips_that_only_one_model_was_searched_on_do_not_count_and_none_is_no_answer(tmp_path):
    rows = [bracket("a", "conv", *LESS), bracket("b", "lstm", *MORE)]
    preserve = {"methods": ["ep3d"], "bounds": ["probability"]}
    audit = write_audit(
        tmp_path, {**clips("a", "b"), "preservation": rows}, models=MODELS, methods=METHODS, preserve=preserve
    )
    (row,) = answer(audit, "claim_larger_ratio")
    assert (row["answer"], row["clips"], row["larger_percent"]) == ("cannot tell", 0, None)


# STEP against EP-3D


def step_against_ep3d(folder, pairs):
    """The report's row, from hits of STEP and EP-3D by clip."""
    names = names_of(len(pairs))
    rows = [
        row
        for clip_id, (step, ep3d) in zip(names, pairs, strict=True)
        for row in (*frames(clip_id, step), *frames(clip_id, ep3d, "ep3d", ratio=0.1))
    ]
    audit = write_audit(folder, {**clips(*names), "scores": rows}, methods=METHODS)
    (row,) = answer(audit, "claim_step_beats_ep3d")
    return row


def test_yes_where_step_hits_more_frames_clip_by_clip(tmp_path):
    row = step_against_ep3d(tmp_path, [([1, 1, 1, 0], [1, 0, 0, 0]), ([1, 1, 0, 0], [0, 0, 0, 0])] * 4)
    assert (row["answer"], row["gain_points"], row["step_percent"], row["ep3d_percent"]) == ("yes", 50, 62.5, 12.5)
    assert (row["step_better_clips"], row["ep3d_better_clips"], row["equal_clips"], row["clips"]) == (8, 0, 0, 8)
    # all clips differ by a half, as if STEP hit more on 4 of 8 and EP-3D on none (Newcombe): 0.5 - √(0.285² + 0.324²)
    assert row["gain_points_low"] == pytest.approx(6.8, abs=0.1)


def test_no_where_ep3d_hits_more(tmp_path):
    row = step_against_ep3d(tmp_path, [([0, 0], [1, 1]), ([1, 0], [1, 1]), ([0, 0], [1, 0])] * 3)
    assert (row["answer"], row["gain_points"]) == ("no", -66.7)


def test_a_difference_within_its_interval_tells_nothing(tmp_path):
    row = step_against_ep3d(tmp_path, [([1, 1], [0, 0]), ([0, 0], [1, 1]), ([1, 0], [0, 0])])
    assert row["answer"] == "cannot tell"
    assert row["gain_points_low"] < 0 < row["gain_points_high"]


def test_two_clips_that_agree_tell_nothing(tmp_path):
    row = step_against_ep3d(tmp_path, [([1, 1], [0, 0])] * 2)
    assert (row["answer"], row["gain_points"]) == ("cannot tell", 100)


def test_without_scores_there_is_a_row_that_cannot_tell(tmp_path):
    (row,) = answer(write_audit(tmp_path, clips("a"), methods=METHODS), "claim_step_beats_ep3d")
    assert (row["step"], row["ep3d"], row["ratio"], row["answer"], row["clips"]) == (
        "step",
        "ep3d",
        0.1,
        "cannot tell",
        0,
    )


def test_a_data_set_without_boxes_has_no_row(tmp_path):
    rows = [*frames("a", [None] * 3), *frames("a", [None] * 3, "ep3d", ratio=0.1)]
    assert answer(write_audit(tmp_path, {**clips("a"), "scores": rows}, methods=METHODS), "claim_step_beats_ep3d") == []


# Head and tail


def volumes(head=0.1, tail=0.1, middle=0.1):
    return [head] * 2 + [middle] * (T - 4) + [tail] * 2


def head_and_tail(folder, profiles, model="conv", method="ep3d", **others):
    """The report's rows by model, from volumes of the frames of each clip."""
    names = names_of(len(profiles))
    base = {"model": model, "ratio": 0.1}
    rows = [
        base | {"clip_id": clip_id, "method": method, "frame_volume": profile}
        for clip_id, profile in zip(names, profiles, strict=True)
    ]
    rows += [
        base | {"clip_id": c, "method": m, "frame_volume": profile} for m, profile in others.items() for c in names
    ]
    audit = write_audit(folder, {**clips(*names), "maps": rows}, models=MODELS, methods=METHODS)
    return {row["model"]: row for row in answer(audit, "claim_head_and_tail")}


def test_yes_where_the_ends_hold_more_than_their_frames_share(tmp_path):
    profiles = [volumes(head=0.6, tail=0.3, middle=middle) for middle in (0.05, 0.06) * 6]
    row = head_and_tail(tmp_path, profiles, step=volumes())["conv"]
    # 1.2 + 0.6 of 2.4 or of 2.52: 75 and 71.43
    assert (row["claim"], row["answer"]) == ("EP-3D favours the head and tail frames", "yes")
    assert (row["ends_percent"], row["even_percent"], row["clips"]) == (73.2, 25, 12)
    assert row["ends_percent_low"] == pytest.approx(100 * interval([0.75, 1.8 / 2.52] * 6)[0], abs=0.06)
    assert (row["head_percent"], row["tail_percent"]) == (48.8, 24.4)
    assert (row["step"], row["step_ends_percent"], row["step_clips"]) == ("step", 25, 12)


def test_no_where_the_ends_hold_less(tmp_path):
    profiles = [volumes(head=0.01, tail=tail) for tail in np.linspace(0.01, 0.03, 8)]
    assert head_and_tail(tmp_path, profiles)["conv"]["answer"] == "no"


def test_ends_that_hold_more_in_one_clip_and_less_in_another_tell_nothing(tmp_path):
    row = head_and_tail(tmp_path, [volumes(head=0.9), volumes(head=0, tail=0)])["conv"]
    assert row["answer"] == "cannot tell"


def test_for_vgg16lstm_only_the_front_counts(tmp_path):
    front, back = ([volumes(**{end: share}) for share in np.linspace(0.5, 0.7, 8)] for end in ("head", "tail"))
    row = head_and_tail(tmp_path / "front", front, "lstm")["lstm"]
    assert (row["claim"], row["answer"], row["even_percent"]) == ("EP-3D favours the front frames", "yes", 12.5)
    assert head_and_tail(tmp_path / "back", back, "lstm")["lstm"]["answer"] == "no"


def test_one_clip_an_empty_mask_or_no_map_tell_nothing(tmp_path):
    found = head_and_tail(tmp_path, [volumes(head=0.9), volumes(0, 0, 0)])
    assert (found["conv"]["answer"], found["conv"]["clips"], found["conv"]["ends_percent"]) == ("cannot tell", 1, 62.5)
    assert (found["lstm"]["answer"], found["lstm"]["clips"], found["lstm"]["ends_percent"]) == ("cannot tell", 0, None)


# Two maps


def two_maps(folder, rows, methods):
    maps = [{"clip_id": f"c{index}", "frame_volume": [0.1] * T, **row} for index, row in enumerate(rows)]
    audit = write_audit(folder, {"maps": maps}, models=MODELS, methods=methods)
    return answer(audit, "claim_two_maps")


CAM = {"cam": {"use": "grad_cam"}, "middle": {"use": "center"}}


def made(steps, model="conv", method="cam", **values):
    return {"model": model, "method": method, "grid_shape": [steps, 7, 7], **values}


def test_yes_where_the_grid_has_two_steps_and_other_rows_stand_beside_it_without_an_answer(tmp_path):
    rows = two_maps(tmp_path, [made(2), made(2), made(16, "lstm"), made(16, method="middle")], CAM)
    shown = [(row["claim"], row["model"], row["method"], row["answer"], row["temporal_steps"]) for row in rows]
    assert shown == [
        ("two distinct maps over 16 frames", "conv", "cam", "yes", 2),
        (None, "conv", "middle", None, 16),
        (None, "lstm", "cam", None, 16),
    ]
    assert (rows[0]["clips"], rows[0]["frames"]) == (2, 16)


def test_no_where_it_has_another_number_on_any_clip(tmp_path):
    (row,) = two_maps(tmp_path, [made(2), made(4)], CAM)
    assert (row["answer"], row["temporal_steps"], row["most_temporal_steps"]) == ("no", 2, 4)


def test_clips_of_another_length_or_maps_that_failed_tell_nothing(tmp_path):
    (row,) = two_maps(tmp_path / "short", [made(1, frame_volume=[0.1] * 8)], CAM)
    assert (row["answer"], row["temporal_steps"]) == ("cannot tell", 1)
    failed = {"frame_volume": None, "grid_shape": None, "status": "not_applicable", "error": "no activation layer"}
    (row,) = two_maps(tmp_path / "failed", [made(2) | failed], CAM)
    assert (row["answer"], row["clips"], row["reason"]) == ("cannot tell", 0, "not_applicable: no activation layer")
