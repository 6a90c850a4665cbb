"""The reports of the planted benchmark: what is averaged, which clips count, and what answers yes or no."""

import numpy as np
import pytest
from tiny_audit import answer, clips, interval, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.store import database

HAND, SEEN = {"use": "planted_white_box"}, [True] + [False] * 5
STEP = {"ratios": [0.1], "options": {"preset": "matched"}}
METHODS = {
    "step": STEP,
    "ep3d": STEP,
    "mended": {"use": "step", "ratios": [0.1], "options": {"preset": "corrected"}},
    "gradient": {},
}
METRICS = {"support": {}, "mass_in_segment": {}, "on_boxes": {}, "on_decoy": {"use": "on_boxes", "annotation": "other"}}
PARTS = {"head": SEEN, "middle": [False, False, True, True, False, False], "tail": SEEN[::-1]}


def audit(folder, of_clips, scores, sure=(), **changes):
    """An audit of clips, `{clip_id: part}`, and scores, `{(method, clip_id): {metric: value}}`; unsure clips fail."""
    rows = clips(*of_clips)
    for row in rows["clips"]:
        row["in_action"] = PARTS[of_clips[row["clip_id"]]]
    unsure = {"target_probability": 0.5, "rank": 1}  # a tie: neither class is preferred
    rows["predictions"] = [
        {"clip_id": clip_id, "rank": 1, "target_probability": 0.9, **({} if clip_id in (sure or of_clips) else unsure)}
        for clip_id in of_clips
    ]
    keys = {(method, clip_id): {"method": method, "clip_id": clip_id, "ratio": METHODS[method].get("ratios", [None])[0]}
            for method, clip_id in scores}  # fmt: skip
    rows["maps"] = [{**keys[key], "volume": values.pop("volume", 0.1)} for key, values in scores.items()]
    rows["scores"] = [
        {**keys[key], "metric": metric, "value": value}
        for key, values in scores.items()
        for metric, value in values.items()
    ]
    return write_audit(folder, rows, **{"models": {"r3d": HAND}, "methods": METHODS, "metrics": METRICS, **changes})


def support(mass, share=0.05, **others):
    return {"support.mass": mass, "support.share": share, **others}


def ends(row, column):
    return row[f"{column}_low"] / 100, row[f"{column}_high"] / 100


def test_means_are_over_clips_that_the_model_is_sure_of(tmp_path):
    scores = {
        ("step", "a"): support(0.4, **{"on_decoy.mass": 0.1, "on_decoy.peak": 0}),
        ("step", "b"): support(0.6, **{"on_decoy.mass": 0.3, "on_decoy.peak": 1}),
        ("step", "unsure"): support(0.1),
    }
    (row,) = answer(
        audit(tmp_path, {"a": "head", "b": "tail", "unsure": "head"}, scores, sure=("a", "b")), "planted_benchmark"
    )
    assert (row["clips"], row["clips_asked"], row["looks_at"], row["ratio"]) == (2, 3, "object", 0.1)
    assert (row["on_support_percent"], row["support_percent"]) == (50, 5)
    assert ends(row, "on_support_percent") == pytest.approx(interval([0.4, 0.6]), abs=6e-4)
    assert (row["on_decoy_percent"], row["peak_on_decoy_percent"]) == (20, 50)
    assert row["area_error_points"] == 5  # a mask of 10 %, a support of 5 %
    assert row["spatial_percent"] is None


def test_own_boxes_are_no_decoys_and_maps_without_a_ratio_have_no_area(tmp_path):
    scores = {("gradient", "a"): support(1, **{"on_boxes.mass": 0.9, "on_decoy.mass": 0.2})}
    (row,) = answer(audit(tmp_path, {"a": "head"}, scores), "planted_benchmark")
    assert (row["on_decoy_percent"], row["area_error_points"], row["ratio"]) == (20, None, None)


def test_audits_without_a_network_set_by_hand_have_no_rows(tmp_path):
    folder = audit(tmp_path, {"a": "head"}, {("step", "a"): support(1)}, models={"r3d": {"use": "r3d_18"}})
    names = [f"planted_{name}" for name in ("benchmark", "methods", "parts", "shortcut")]
    build_database.create(folder, config.load(folder / "config.yaml"), names)
    for name in names:
        assert database.query(folder, f"from {name}")[1] == []


def test_a_method_that_cannot_explain_the_model_has_its_reason(tmp_path):
    folder = audit(tmp_path, {"a": "head"}, {("step", "a"): support(1)})
    failed = {"clip_id": "a", "method": "gradient", "status": "not_applicable", "error": "it has no fc"}
    rows = clips("a")
    rows["clips"][0]["in_action"] = SEEN
    rows["predictions"] = [{"clip_id": "a", "rank": 1, "target_probability": 0.9}]
    rows["maps"] = [failed]
    rows["scores"] = [{**failed, "metric": "support", "status": "upstream", "error": "not_applicable"}]
    folder = write_audit(tmp_path / "b", rows, models={"r3d": HAND}, methods=METHODS, metrics=METRICS)
    (row,) = answer(folder, "planted_benchmark")
    assert (row["reason"], row["on_support_percent"]) == ("not_applicable: it has no fc", None)


def parts(folder, step, ep3d, mended=None, part="head", **others):
    """Rows of the report where each method kept these shares of the evidence: mass on a support of 10 %, by volume."""
    names = [f"clip-{index}" for index in range(len(step))]
    of_methods = {"step": step, "ep3d": ep3d, **({"mended": mended} if mended else {})}
    scores = {
        (method, name): support(0.5, 0.1, volume=kept * 0.2)  # 0.5 · 0.2 k of 0.1: k
        for method, kept_shares in of_methods.items()
        for name, kept in zip(names, kept_shares, strict=True)
    }
    found = answer(audit(folder, dict.fromkeys(names, part), scores, **others), "planted_parts")
    return {(row["question"], row["part"]): row for row in found if row["measure"] == "evidence_kept"}


def test_each_network_set_by_hand_has_a_column_and_the_rest_is_of_the_one_that_looks_at_the_object(tmp_path):
    models = {looks: HAND | {"options": {"looks_at": looks}} for looks in ("object", "background", "decoy")}
    rows, shares = clips("a", "b"), {"object": (0.5, 0.7), "background": (0.1, 0.3), "decoy": (0.2, 0.2)}
    for row, part in zip(rows["clips"], ("head", "tail"), strict=True):
        row["in_action"] = PARTS[part]
    asked = [
        (model, clip_id, value) for model, pair in shares.items() for clip_id, value in zip("ab", pair, strict=True)
    ]
    keys = [{"model": model, "clip_id": clip_id} for model, clip_id, _ in asked]
    rows["predictions"] = [key | {"rank": 1, "target_probability": 0.9} for key in keys]
    rows["maps"] = [key | {"ratio": 0.1, "volume": 0.2} for key in keys]
    rows["scores"] = [
        {**key, "ratio": 0.1, "metric": metric, "value": value}
        for key, (model, _, mass) in zip(keys, asked, strict=True)
        for metric, value in support(mass, **{"on_decoy.mass": 0.4 if model == "object" else 0.9}).items()
    ]
    (row,) = answer(write_audit(tmp_path, rows, models=models, methods=METHODS, metrics=METRICS), "planted_methods")
    assert [row[f"{name}_percent"] for name in ("object", "background", "decoy")] == [60, 20, 20]
    assert [row[f"{name}_percent"] for name in ("head", "middle", "tail")] == [50, None, 70]
    assert (row["on_decoy_percent"], row["area_error_points"], row["clips"], row["clips_asked"]) == (40, 15, 2, 2)
    assert ends(row, "object_percent") == pytest.approx(interval([0.5, 0.7]), abs=6e-4)


LOST = "L_K loses evidence, preset matched"


def test_step_loses_evidence_if_it_keeps_less_than_ep3d_on_the_same_clips(tmp_path):
    row = parts(tmp_path, step=[0.3, 0.4, 0.5] * 7, ep3d=[0.7, 0.9, 0.8] * 7)[LOST, "head"]
    assert (row["method"], row["other"], row["answer"], row["clips"]) == ("step", "ep3d", "yes", 21)
    assert (row["kept_percent"], row["other_kept_percent"]) == (40, 80)
    # differences -0.4, -0.5, -0.3: sd 0.0837, error 0.0183, × t(20) = 2.086: 0.038; the bootstrap's is close to it
    assert row["gain_points"] == -40
    assert ends(row, "gain_points") == pytest.approx((-0.438, -0.362), abs=0.003)
    assert ends(row, "gain_points") == pytest.approx(interval([-0.4, -0.5, -0.3] * 7, smallest_value=-1), abs=6e-4)


def test_it_loses_nothing_if_it_keeps_more_and_one_cannot_tell_if_clips_disagree(tmp_path):
    found = parts(tmp_path, [0.2, 0.8, 0.5], [0.5, 0.4, 0.6], mended=[0.9, 1.0, 0.9])
    assert found[LOST, "head"]["answer"] == "cannot tell"
    assert found["corrected repairs it", "head"]["answer"] == "cannot tell"  # 0.7, 0.2, 0.4: 0.43 ± 0.63
    row = parts(tmp_path / "b", [1.5, 2.0, 1.2] * 7, [0.3, 0.4, 0.3] * 7)[LOST, "head"]
    assert (row["answer"], row["kept_percent"]) == ("no", 100)  # nothing is kept more than wholly


def test_corrected_repairs_what_matched_lost_if_it_keeps_more(tmp_path):
    row = parts(tmp_path, [0.2, 0.3, 0.25] * 7, [0.9] * 21, [0.8, 0.9, 0.9] * 7)["corrected repairs it", "head"]
    assert (row["method"], row["other"], row["answer"]) == ("mended", "step", "yes")
    assert (row["kept_percent"], row["other_kept_percent"]) == (86.7, 25)


def test_head_and_tail_are_also_taken_together_and_set_against_the_middle(tmp_path):
    kept = {"a": (0.2, 0.8), "b": (0.3, 1.0), "c": (0.7, 0.9), "d": (0.8, 0.9)}  # by STEP and by EP-3D
    of_clips = {"a": "head", "b": "tail", "c": "middle", "d": "middle"}
    scores = {
        (method, clip): support(0.5, 0.1, volume=share * 0.2)
        for clip, shares in kept.items()
        for method, share in zip(("step", "ep3d"), shares, strict=True)
    }
    found = answer(audit(tmp_path, of_clips, scores), "planted_parts")
    rows = {row["part"]: row for row in found if row["measure"] == "evidence_kept"}
    assert {part: row["clips"] for part, row in rows.items()} == {"head": 1, "tail": 1, "middle": 2, "head and tail": 2}
    both = rows["head and tail"]
    assert (both["gain_points"], rows["middle"]["gain_points"], both["beyond_middle_points"]) == (-65, -15, -50)
    assert rows["middle"]["beyond_middle_points"] is None
    # of independent means: as far from the difference as both ends together (Zou and Donner 2008)
    (low, high), (middle_low, middle_high) = (
        interval(each, smallest_value=-1) for each in ([-0.6, -0.7], [-0.2, -0.1])
    )
    below, above = np.hypot(-0.65 - low, middle_high + 0.15), np.hypot(high + 0.65, -0.15 - middle_low)
    assert ends(both, "beyond_middle_points") == pytest.approx((-0.5 - below, -0.5 + above), abs=6e-4)


def predicted(folder, *pairs):
    """An audit in which a network that looks at the background and a trained model give these answers of target 0."""
    models = {"hand": HAND | {"options": {"looks_at": "background"}}, "trained": {"use": "r3d_18"}}
    rows = clips(*[f"clip-{index}" for index in range(len(pairs))])
    for row in rows["clips"]:
        row["in_action"] = SEEN
    rows["predictions"] = [
        {"clip_id": f"clip-{index}", "model": model, "rank": 1 + said, "probabilities": [1 - said, said]}
        for index, answers in enumerate(pairs)
        for model, said in zip(models, answers, strict=True)
    ]
    log = {"learning_rate": 0.1, "train_loss": 0, "train_accuracy": 1, "seconds": 1, "model": "trained"}
    rows["training_log"] = [
        {**log, "epoch": epoch, "validation_accuracy": epoch / 2, "best": epoch == 2} for epoch in (1, 2)
    ]
    (row,) = answer(write_audit(folder, rows, models=models, methods=METHODS, metrics=METRICS), "planted_shortcut")
    return row


def test_a_model_that_fails_where_the_background_misleads_follows_it(tmp_path):
    row = predicted(tmp_path, *[(1, 1)] * 9, (1, 0), *[(0, 0)] * 10)
    assert (row["model"], row["cue"], row["network"], row["answer"]) == ("trained", "background", "hand", "yes")
    assert (row["followed_percent"], row["conflict_clips"]) == (90, 10)
    assert (row["followed_percent_low"], row["followed_percent_high"]) == (59.6, 98.2)  # Wilson, 9 of 10
    assert (row["top1_percent"], row["validation_percent"], row["clips"]) == (55, 100, 20)


def test_a_model_that_is_right_wherever_the_background_misleads_does_not_follow_it(tmp_path):
    assert predicted(tmp_path, *[(1, 0)] * 10, (0, 1))["answer"] == "no"
