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


def needs(folder, pairs, models=MODELS):
    names = [f"c{index}" for index in range(len(pairs))]
    rows = {**clips(*names), "preservation": [row for row in searches(pairs) if row["model"] in models]}
    return found(folder, rows, models=models, preserve={"methods": ["step"]})


def test_a_decided_comparison_names_the_model_its_share_and_how_much_less(tmp_path):
    finding = needs(tmp_path, [(LESS, MORE)] * 9 + [(LEFT, LEFT)])["model_pairs"]
    assert finding.lead == "conv needs less of a clip than rnn."
    # 9 of 9: Wilson's lower end is 9 / (9 + 3.8415) = 70.1 %; the sign test gives 2 / 2 ** 9 = 0.0039
    assert "It needs less on 9 of 9 decided clips (95 % interval 70.1 to 100.0 %; p = 0.0039)." in finding.numbers
    assert "(9 clips) the median of rnn less conv is 20 % of the clip (20 % to 20 %)" in finding.numbers
    assert "1 of 10 clips leave it open: on 1 already the smallest mask suffices for both" in finding.numbers


def test_the_other_model_is_named_where_it_needs_less(tmp_path):
    finding = needs(tmp_path, [(MORE, LESS)] * 9)["model_pairs"]
    assert finding.lead == "rnn needs less of a clip than conv."
    assert "95 % interval 70.1 to 100.0 %" in finding.numbers


def test_five_clips_of_five_do_not_decide(tmp_path):
    finding = needs(tmp_path, [(LESS, MORE)] * 5)["model_pairs"]  # p = 2 / 2 ** 5
    assert finding.lead == "The clips do not decide whether conv or rnn needs less."
    assert "conv does on 5 of 5 decided clips (95 % interval 56.6 to 100.0 %; p = 0.062)." in finding.numbers


def test_where_all_searches_are_censored_no_clip_tells_and_the_sentence_counts_them(tmp_path):
    finding = needs(tmp_path, [(LEFT, LEFT)] * 6 + [(RIGHT, RIGHT)] * 2)["model_pairs"]
    assert finding.lead == "No clip decides whether conv or rnn needs less."
    assert "8 of 8 clips leave it open: on 6 already the smallest mask" in finding.numbers
    assert "on 2 no mask suffices for either (right-censored)" in finding.numbers
    assert "conv at most 2 %" in finding.numbers
    assert "8 of 8 clips censored" in finding.numbers


def test_one_model_alone_has_its_median(tmp_path):
    finding = needs(tmp_path, [(LESS, LESS)] * 3, {"conv": MODELS["conv"]})["min_ratio"]
    assert finding.lead == "Half of the clips keep 100 % of the target's probability on conv with 10 % of the clip."


def need(median, left=0, right=0):
    """A row of `min_ratio` of four clips, of which some are censored."""
    ends = {"median_ratio": median, "median_ratio_low": 0.01, "median_ratio_high": 0.03, "largest_ratio": 0.7}
    return {
        "model": "a",
        "dataset": "d",
        "clips": 4,
        "left_censored": left,
        "right_censored": right,
        "wrong": 0,
        **ends,
    }


def test_half_of_the_clips_left_censored_is_at_most_and_right_censored_is_more_than():
    keeps = texts.suffices("top1", 0.9)
    most = texts.of_needs([need(0.02, left=2)], keeps)
    assert most.lead == "Half of the clips keep the first place of the target on a with at most 2 % of the clip."
    assert "a at most 2 % (95 % interval: no more than 3 %), 2 of 4 clips censored" in most.numbers
    assert "at most" not in texts.of_needs([need(0.02, left=1)], keeps).lead
    more = texts.of_needs([need(None, right=3)], keeps)
    lead = "More than half of the clips need more than 70 % of the clip to keep the first place of the target on a."
    assert more.lead == lead
    assert "a more than 70 %, 3 of 4 clips censored" in more.numbers


def test_an_audit_without_searches_says_nothing_of_ratios(tmp_path):
    assert not {"model_pairs", "min_ratio"} & found(tmp_path, clips("c0")).keys()


def pair(less, more, p=1.0, low=None, high=None, **others):
    names = {"dataset": "d", "model": "a", "other_model": "b", "undecided_clips": 0, "clips": less + more}
    ends = {"less_percent_low": low, "less_percent_high": high}
    return {**names, "less_clips": less, "more_clips": more, "p_holm": p, **ends, **others}


def test_a_test_that_the_interval_does_not_support_decides_nothing():
    assert texts.decides(pair(9, 0, 0.01, 70.0, 100.0))
    assert not texts.decides(pair(9, 1, 0.04, 49.9, 98.0))
    assert not texts.decides(pair(9, 0, 0.05, 70.0, 100.0))
    assert not texts.decides(pair(0, 0))


def test_of_many_pairs_the_clear_ones_are_counted():
    clear = pair(1, 9, 0.01, 1.8, 40.4)
    none = texts.of_pairs([pair(3, 3, 1.0, 18.8, 81.2), pair(0, 0)])
    assert none.lead == "The clips do not decide which model needs least."
    assert none.numbers == ("Of 2 pairs of models (each data set by itself) 0 are decided. In 1 no clip decides.")
    some = texts.of_pairs([clear, pair(3, 3, 1.0, 18.8, 81.2)])
    assert some.lead == "b needs less than a."
    assert "b needs less than a (on 9 of 10 decided clips, 95 % interval 59.6 to 98.2 %, d)" in some.numbers


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
    finding = texts.of_masks(classes, {"annotated": 9, "more": 2, "inside": 0.43, "marked": 0.2}, rows)
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
    finding = texts.of_masks(
        Counter({"focused": 5}), ALL_INSIDE, [share("step", 5, (100.0, 0.0), adversarial=(0.0, 43.4))]
    )
    assert "0 are adversarial" in finding.lead
    assert (
        "So few clips leave room for 43.4 % of the masks to be adversarial (step (ratio 0.05) on a, 5 clips)."
        in finding.numbers
    )


def test_masks_that_all_prove_nothing_are_no_evidence():
    finding = texts.of_masks(Counter({"vacuous": 5}), ALL_INSIDE, [])
    assert finding.lead == "No mask could be put to the question whether it is evidence."


def test_methods_whose_maps_do_not_change_with_the_model_are_named():
    row = {"model": "a", "method": "grad_cam", "ratio": None, "rank": 0.9, "rank_low": 0.8, "rank_high": 1.0,
           "threshold": 0.5, "randomised": 1.0, "clips": 7, "answer": "no"}  # fmt: skip
    other = {**row, "method": "step", "rank": 0.1, "answer": "yes"}
    finding = texts.of_changes([row, other])
    assert finding.lead == "Not shown to change when the model's weights are random: the maps of grad_cam on a."
    assert "1 of 2 combinations" in finding.numbers
    assert "rank correlation 0.9 with the trained model's maps (95 % interval 0.8 to 1; 7 clips)" in finding.numbers
    assert texts.of_changes([other]).lead == "All maps that were compared change when the model's weights are random."


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
    assert texts.of_failures(count, 0, 0, []).lead == f"None of {count} test clip{'' if count == 1 else 's'} failed."
