"""Findings whose numbers are known by hand; a sentence must not say more than its interval."""

from collections import Counter

import pytest
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.report.page import conclusion_texts as texts
from stepaudit.report.page import conclusions
from stepaudit.store import database

LESS, MORE, LEFT, RIGHT = (0.05, 0.1), (0.2, 0.3), (0.0, 0.02), (0.7, None)
NOISE = (1.1, 0.9, 1.2, 0.8)
MODELS = {"conv": {"use": "r2plus1d_18"}, "rnn": {"use": "vgg16_lstm"}}


def found(folder, rows, **changes):
    """The findings over tables written by hand, by the report that they lead to."""
    place = write_audit(folder, rows, **changes)
    made = config.load(place / "config.yaml")
    build_database.create(place, made, conclusions.READ)
    with database.connect(place) as connection:
        return {each.section: each for each in conclusions.conclusions(connection, made)}


def searches(pairs):
    """Searches of two models on as many clips, from their brackets."""
    return [
        {
            "clip_id": f"c{index}",
            "model": model,
            "ratio": bracket[1],
            "lower": bracket[0],
            "upper": bracket[1],
            "censored": "right" if bracket[1] is None else "left" if bracket[0] == 0 else None,
        }
        for index, pair in enumerate(pairs)
        for model, bracket in zip(MODELS, pair, strict=True)
    ]


def searched(folder, octaves, runner_up=1.0, random=2.0, unanswered=()):
    """Findings where each model needs 2 to so many octaves of a clip, the runner-up class and random pieces more.

    All three vary over the four clips of a class, by amounts whose mean is 0.
    """
    names = [f"{label}{index}" for label in "abcde" for index in range(4)]
    rows = [
        {"clip_id": name, "model": model, "bound": "sufficiency", "asked_class": asked, "vacuous": value is None,
         "ratio": 0.0 if value is None else 0.1,
         "log2_ratio": None if value is None else value + more * NOISE[index % 4],
         "random_log2_ratio": None if value is None or asked == "runner_up" else value + random * NOISE[index % 4],
         "volumes": [], "shares": []}
        for index, name in enumerate(names)
        for model, needs in octaves.items()
        for value in [needs(index)]
        for asked, more in (("label", 0.0), ("runner_up", runner_up))
    ]  # fmt: skip
    tables = clips(*names)
    for row in tables["segments"]:
        row["label"] = row["clip_id"][0]
    wrong = {name for name in names if name in unanswered}
    tables["predictions"] = [
        {"clip_id": name, "model": model, "rank": 2 if name in wrong else 1} for name in names for model in octaves
    ]
    models = {name: MODELS[name] for name in octaves}
    return found(folder, {**tables, "preservation": rows}, models=models, preserve={"methods": ["step"]})


def test_a_model_that_needs_twice_as_much_on_every_clip_is_said_to(tmp_path):
    octaves = {"conv": lambda index: -4 + NOISE[index % 4], "rnn": lambda index: -4 + 2 * NOISE[index % 4]}
    finding = searched(tmp_path, octaves)["need_pairs"]
    assert finding.lead == "rnn needs 2.0 times as much of a clip as conv."
    assert "20 clips that need something in both" in finding.numbers
    assert "conv needs 12 % of a clip (95 % interval " in finding.numbers  # 2 ** -3
    assert "random pieces would have to be 4.0 times as large" in finding.numbers
    assert "the runner-up class needs 2.0 times as much" in finding.numbers


def test_a_model_that_any_piece_satisfies_is_not_compared(tmp_path):
    octaves = {"conv": lambda index: -3.0, "rnn": lambda index: -2.0}
    finding = searched(tmp_path, octaves, random=-0.1)["need_pairs"]
    assert finding.lead.startswith("Models cannot be compared by what they need")
    assert "No localised evidence: random pieces are not shown to need more." in finding.numbers


def test_clips_that_need_nothing_are_counted_beside_the_mean(tmp_path):
    finding = searched(tmp_path, {"conv": lambda index: None if index < 5 else -4.0})["needs"]
    assert finding.lead == "conv needs 6.2 % of a clip."  # 2 ** -4
    assert "5 of 20 clips need nothing" in finding.numbers


def test_clips_that_the_model_gets_wrong_do_not_count(tmp_path):
    """On these nothing that the model finds probable is asked for: they need nothing of the label."""
    wrong = [f"{label}{index}" for label in "ab" for index in range(4)]
    finding = searched(tmp_path, {"conv": lambda index: None if index < 8 else -4.0}, unanswered=wrong)["needs"]
    assert "need nothing" not in finding.numbers
    assert "needs 6.2 % of a clip (12 clips, too few for an interval)" in finding.numbers
    assert finding.numbers.endswith("Clips that a model gets wrong are left out.")


def test_an_audit_without_searches_says_nothing_of_needs(tmp_path):
    assert not {"need_pairs", "needs"} & found(tmp_path, clips("c0")).keys()


def pointing(folder, hits, **changes):
    """Findings of an audit in which methods hit on so many of twenty clips."""
    names = [f"c{index:02}" for index in range(20)]
    scores = [
        {"clip_id": name, "method": method, "ratio": 0.1 if method == "step" else None, "frame": 0,
         "metric": "spatial_pointing", "value": float(index < count)}
        for method, count in hits.items()
        for index, name in enumerate(names)
    ]  # fmt: skip
    return found(folder, {**clips(*names), "scores": scores}, **changes)


def test_a_method_below_the_best_pointer_is_no_method_that_beats_it(tmp_path):
    finding = pointing(tmp_path, {"step": 4, "middle": 18, "noise": 2})["method_gains"]
    assert finding.lead == "No method was shown to point at the object more often than the best trivial pointer."
    assert "0 are clearly above it and 1 clearly below" in finding.numbers
    assert "step (ratio 0.1) on r3d, −70.0 points against middle (95 % interval " in finding.numbers
    assert "; 20 clips)" in finding.numbers


def test_a_method_that_beats_every_pointer_says_so(tmp_path):
    finding = pointing(tmp_path, {"step": 19, "middle": 4, "noise": 2})["method_gains"]
    assert (
        finding.lead
        == "All methods that could be compared point at the object more often than the best trivial pointer."
    )
    assert "75.0 points against middle" in finding.numbers


def test_without_a_trivial_pointer_nothing_is_claimed(tmp_path):
    only = {"step": {"ratios": [0.1]}}
    finding = pointing(tmp_path, {"step": 19}, methods=only)["method_gains"]
    assert finding.lead == "Whether methods point at the object more often than a trivial pointer was not measured."


def test_without_annotation_there_is_no_sentence_on_pointing(tmp_path):
    assert "method_gains" not in found(tmp_path, clips("c0"))


def share(method, clips, shares, **ends):
    """A row of `evidence`: shares in percent, each with its interval."""
    row = {"model": "a", "method": method, "ratio": 0.05, "clips": clips, "annotated_clips": clips}
    for name, value in zip(("focused", "adversarial"), shares, strict=True):
        low, high = ends.get(name, (0.0, 100.0))
        row |= {f"{name}_percent": value, f"{name}_percent_low": low, f"{name}_percent_high": high}
    return row


ALL_INSIDE = {"annotated": 5, "more": 5, "inside": 1.0, "marked": 0.2}


def test_masks_are_counted_by_class_and_the_worst_method_is_named():
    classes = Counter({"focused": 6, "adversarial": 3, "shortcut": 1, "vacuous": 4, "insufficient": 2, None: 1})
    rows = [
        share("step", 5, (40.0, 60.0), adversarial=(23.1, 88.2)),
        share("ep3d", 5, (80.0, 0.0), focused=(37.6, 96.4)),
    ]
    finding = texts.masks_finding(classes, {"annotated": 9, "more": 2, "inside": 0.43, "marked": 0.2}, rows)
    assert finding.lead == (
        "Of 10 masks that could be put to the question 3 are adversarial and 6 of the 9 with an annotation point to "
        "the annotation."
    )
    assert finding.numbers.startswith(
        "Of those that point to the annotation 2 lie on it clearly more than by chance, 4 do not, but without the part "
        "on it the target is lost; in the mean 43 % of such a mask and 20 % of the clip lie inside."
    )
    assert "4 of all 16 masks prove nothing" in finding.numbers
    assert "2 do not keep the target." in finding.numbers
    assert "1 mask could not be measured." in finding.numbers
    assert (
        "adversarial masks has step (ratio 0.05) on a: 60.0 % of 5 clips (95 % interval 23.1 to 88.2)"
        in finding.numbers
    )
    assert (
        "pointing to the annotation has ep3d (ratio 0.05) on a: 80.0 % of 5 clips (95 % interval 37.6 to 96.4)"
        in finding.numbers
    )


def test_no_adversarial_mask_among_few_clips_is_no_proof_that_there_is_none():
    finding = texts.masks_finding(
        Counter({"focused": 5}), ALL_INSIDE, [share("step", 5, (100.0, 0.0), adversarial=(0.0, 43.4))]
    )
    assert "0 are adversarial" in finding.lead
    assert (
        "So few clips leave room for 43.4 % of the masks to be adversarial (step (ratio 0.05) on a, 5 clips)."
        in finding.numbers
    )


def test_masks_that_all_prove_nothing_are_no_evidence():
    finding = texts.masks_finding(Counter({"vacuous": 5}), ALL_INSIDE, [])
    assert finding.lead == "No mask could be put to the question whether it is evidence."


def test_methods_whose_maps_do_not_change_with_the_model_are_named():
    row = {"model": "a", "method": "grad_cam", "ratio": None, "rank": 0.9, "rank_low": 0.8, "rank_high": 1.0,
           "threshold": 0.5, "randomised": 1.0, "clips": 7, "answer": "no"}  # fmt: skip
    other = {**row, "method": "step", "rank": 0.1, "answer": "yes"}
    finding = texts.changes_finding([row, other])
    assert finding.lead == "Not shown to change when the model's weights are random: the maps of grad_cam on a."
    assert "1 of 2 combinations" in finding.numbers
    assert "rank correlation 0.9 with the trained model's maps (95 % interval 0.8 to 1; 7 clips)" in finding.numbers
    assert (
        texts.changes_finding([other]).lead == "All maps that were compared change when the model's weights are random."
    )


def test_clips_that_fail_are_counted_by_their_reason(tmp_path):
    rows = clips("good", "bad", "short")
    rows["clips"][1] |= {"status": "bad_video", "error": "no video"}
    rows["clips"][2] |= {"status": "too_short", "error": "11 frames"}
    rows["maps"] = [
        {"clip_id": "good", "method": "step", "ratio": 0.1, "status": "non_finite", "error": "NaN"},
        {"clip_id": "good", "method": "middle", "status": "not_applicable", "error": "cannot"},
        {"clip_id": "bad", "method": "step", "ratio": 0.1, "status": "upstream", "error": "no video"},
    ]
    finding = found(tmp_path, rows)["failures"]
    assert finding.lead == "3 of 3 test clips failed."  # what points without the model explains nothing
    assert finding.numbers.startswith("Before the methods: 1 bad_video, 1 too_short. Later: 1 non_finite.")


def test_an_audit_without_a_failure_says_so(tmp_path):
    assert found(tmp_path, clips("a", "b"))["coverage"].lead == "None of 2 test clips failed."


@pytest.mark.parametrize("count", [0, 1, 5])
def test_counts_agree_with_their_nouns(count):
    assert (
        texts.failures_finding(count, 0, 0, []).lead == f"None of {count} test clip{'' if count == 1 else 's'} failed."
    )


def test_controls_are_no_part_of_the_findings_on_masks_and_pointing(tmp_path):
    """Masks of the model are focused, and those of the same network with random weights adversarial."""
    names = [f"c{index}" for index in range(10)]
    models, fills = {"r3d": 0.9, "random": 0.1}, ("blur", "other_blur", "fade", "freeze", "noise")
    scores, maps = [], []
    for index, name in enumerate(names):
        for model, kept in models.items():
            own = {"clip_id": name, "model": model, "ratio": 0.1}
            parts = {"clip": 0.9, "rival_clip": 0.05, "shift": kept, "random": 0.1, "inside": 0.6, "annotated": 0.2}
            parts |= {f"{kind}.{fill}": kept for kind in ("soft", "hard") for fill in fills}
            parts |= {f"empty.{fill}": 0.1 for fill in fills}
            scores += [{**own, "metric": f"mask_survival.{part}", "value": value} for part, value in parts.items()]
            scores.append({**own, "metric": "mass_in_box", "value": kept - 0.001 * index})
            floor = {"method": "middle", "ratio": None, "value": 0.5 + 0.001 * index}
            scores.append({**own, "metric": "mass_in_box", **floor})
            maps.append({**own, "kept_probability": 0.9, "perturbation": "blur:sigma=5"})
    rows = {**clips(*names), "scores": scores, "maps": maps}
    used = {"r3d": {"use": "r2plus1d_18"}, "random": {"of": "r3d", "randomise": 1.0}}
    made = found(tmp_path, rows, models=used, metrics={"mass_in_box": {}, "mask_survival": {}})
    texts_of = {section: f"{each.lead} {each.numbers}" for section, each in made.items()}
    assert "Of 10 masks" in texts_of["evidence"]
    assert "0 are adversarial" in texts_of["evidence"]
    assert "clearly below" not in texts_of["method_gains"].replace("0 clearly below", "")
    assert not any("random" in text for section, text in texts_of.items() if section in ("evidence", "method_gains"))
