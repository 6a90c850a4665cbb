"""Focused, shortcut or adversarial: masks on models with a known answer, and rows whose class is worked out by hand."""

import pytest
import torch
from known_answer import Cuboid, model_for, textured_clips
from mask_classes import NO_PLACE, by_clip, evidence, made, measured
from tiny_audit import interval
from torch import nn

from stepaudit.errors import NonFiniteError, NotApplicableError
from stepaudit.store import database

SHAPE = (8, 32, 32)
OBJECT, BACKGROUND = Cuboid((2, 6), (8, 20), (8, 20)), Cuboid((2, 6), (20, 32), (20, 32))
BOXES = [[(8.0, 8.0, 20.0, 20.0)] if 2 <= frame < 6 else [] for frame in range(8)]
IN_ACTION = [bool(of_frame) for of_frame in BOXES]


class Scenery(nn.Module):
    """A shortcut model: fine texture anywhere but on the object speaks for class 1, however little of it there is."""

    def forward(self, clips):
        energy = (clips.diff(dim=-1, append=clips[..., -1:]).pow(2) * (1 - OBJECT.mask(SHAPE))).mean(dim=(1, 2, 3, 4))
        logit = 400 * energy - 3
        return torch.stack([-logit / 2, logit / 2], dim=1)


@pytest.fixture
def clip():
    return textured_clips(1, *SHAPE)[0]


def classed(folder, clip, model, place, peers_of, **others):
    """The rows of one mask, on a cuboid, that claims to keep the answer, with other models beside it each time."""
    others = {"boxes": BOXES, "in_action": IN_ACTION, **others}
    parts = {
        name: measured(place.mask(SHAPE), clip, model, 1, peers=peers, **others) for name, peers in peers_of.items()
    }
    return by_clip(evidence(folder, parts, kept=0.99))


def test_the_planted_evidence_is_focused(clip, tmp_path):
    peers = {"alone": {}, "agrees": {"peer": model_for(Cuboid((2, 6), (8, 20), (8, 18)))}}
    for name, row in classed(tmp_path, clip, model_for(OBJECT), OBJECT, peers).items():
        assert (row["class"], row["inside_share"]) == ("focused", 1)
        assert row["hard_probability"] > 0.98
        assert row["random_probability"] < row["needed_probability"]
        assert row["peers"] == row["peers_kept"] == len(peers[name])


def test_a_mask_on_a_confounding_background_is_a_shortcut_unless_no_peer_agrees(clip, tmp_path):
    agrees, sound = {"other": model_for(Cuboid((2, 6), (20, 32), (20, 30)))}, {"sound": model_for(OBJECT)}
    peers = {"alone": {}, "agrees": agrees, "one of two": agrees | sound, "disagrees": sound}
    rows = classed(tmp_path, clip, model_for(BACKGROUND), BACKGROUND, peers)
    assert {name: (row["class"], row["peers_kept"]) for name, row in rows.items()} == {
        "alone": ("shortcut", 0),
        "agrees": ("shortcut", 1),
        "one of two": ("shortcut", 1),
        "disagrees": ("unconfirmed", 0),
    }
    assert {row["inside_share"] for row in rows.values()} == {0}
    assert min(row["outside_probability"] for row in rows.values()) > 0.98


def test_a_shortcut_is_found_although_any_piece_of_the_background_would_do(clip, tmp_path):
    (row,) = classed(tmp_path, clip, Scenery(), BACKGROUND, {"alone": {}}).values()
    assert row["random_probability"] > row["needed_probability"]
    assert row["class"] == "shortcut"


def test_a_mask_that_claims_to_keep_an_answer_but_loses_it_when_asked_again_is_adversarial(clip, tmp_path):
    (row,) = classed(tmp_path, clip, model_for(OBJECT), BACKGROUND, {"alone": {}}).values()
    assert row["class"] == "adversarial"
    assert row["because"] == "lost under other fills, lost when cut to 0 and 1, lost by a small shift"


def test_without_annotation_a_mask_that_survives_is_unannotated(clip, tmp_path):
    (row,) = classed(tmp_path, clip, model_for(OBJECT), OBJECT, {"alone": {}}, boxes=[[]] * 8, in_action=None).values()
    assert (row["class"], row["inside_share"]) == ("unannotated", None)


UNMEASURED = NonFiniteError("NaN")
LESS_INSIDE = {"inside": 0.39, "outside": 0.6}
NOT_ANSWERED = {"clip": 0.3, "rival_clip": 0.6}  # 0.1 + 0.9 / 2 = 0.55 is needed, and a peer that agrees
CASES = [
    ({}, 0.5, "focused"),  # half of the way from 0.1 to 0.9
    ({}, 0.49, "insufficient"),
    ({"empty__blur": 0.71}, 0.9, "vacuous"),  # the fill takes less than 0.2 away
    ({"empty__blur": 0.69}, 0.9, "focused"),
    ({"hard__blur": 0.29}, 0.9, "adversarial"),
    ({"shift": 0.29}, 0.9, "adversarial"),
    ({"hard__blur": 0.31, "shift": 0.31}, 0.9, "focused"),
    ({"soft__fade": 0.29, "soft__noise": 0.29}, 0.9, "focused"),  # 2 of 4 fills
    ({"soft__fade": 0.29, "soft__noise": 0.29, "soft__freeze": 0.29}, 0.9, "adversarial"),
    ({"soft__fade": 0.29, "soft__noise": 0.29, "empty__freeze": 0.8}, 0.9, "adversarial"),  # 1 of 3: one asks nothing
    ({"inside": 0.41, "outside": 0.6}, 0.9, "focused"),  # from 0.2 + 0.25 · 0.8 = 0.4
    (LESS_INSIDE, 0.9, "shortcut"),
    ({"inside": 0.39}, 0.9, "focused"),  # what lies outside does not keep the answer
    ({**LESS_INSIDE, "peer__p": 0.49}, 0.9, "unconfirmed"),  # below 0.2 + (0.8 - 0.2) / 2
    ({**LESS_INSIDE, "peer__p": 0.3, "peer_empty__p": 0.7}, 0.9, "shortcut"),  # the peer is asked nothing
    ({**LESS_INSIDE, "random": 0.7}, 0.9, "shortcut"),
    ({"random": 0.6}, 0.9, "unspecific"),
    ({"inside": NO_PLACE, "outside": NO_PLACE, "annotated": NO_PLACE}, 0.9, "unannotated"),
    (NOT_ANSWERED, 0.54, "insufficient"),
    (NOT_ANSWERED, 0.56, "focused"),
    ({**NOT_ANSWERED, "peer__p": 0.4}, 0.56, "adversarial"),
    ({**NOT_ANSWERED, "peer__p": 0.59, "peer_clip__p": 0.1, "peer_rival__p": 0.9}, 0.56, "adversarial"),  # below 0.6
    ({**NOT_ANSWERED, "peer__p": 0.61, "peer_clip__p": 0.1, "peer_rival__p": 0.9}, 0.56, "focused"),
    ({**NOT_ANSWERED, "peer_clip__p": 0.21}, 0.56, "unconfirmed"),
]


def test_classes_follow_from_the_thresholds(tmp_path):
    given = {f"{place:02}": made(**changes) for place, (changes, _, _) in enumerate(CASES)}
    kept = {name: case[1] for name, case in zip(given, CASES, strict=True)}
    rows = by_clip(evidence(tmp_path, given, kept=kept))
    assert [rows[name]["class"] for name in given] == [expected for _, _, expected in CASES]
    assert all(row["because"] and row["reason"] is None for row in rows.values())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hard__blur": UNMEASURED}, None),
        ({"shift": UNMEASURED}, None),
        ({"random": UNMEASURED}, None),
        ({"soft__fade": UNMEASURED, "soft__noise": UNMEASURED}, "focused"),  # 2 of 4 are enough
        ({"soft__fade": UNMEASURED, "soft__noise": 0.29, "soft__freeze": 0.29}, None),  # 1, or 2, of 4
        (
            {"soft__fade": UNMEASURED, "soft__noise": 0.29, "soft__freeze": 0.29, "soft__other_blur": 0.29},
            "adversarial",
        ),
        ({"hard__blur": UNMEASURED, "shift": 0.29}, "adversarial"),  # whatever the other probe would say
        ({"hard__blur": UNMEASURED, "empty__blur": 0.71}, "vacuous"),
    ],
)
def test_a_probe_that_was_not_measured_is_neither_passed_nor_lost(changes, expected, tmp_path):
    (row,) = evidence(tmp_path, {"a": made(**changes)})
    assert row["class"] == expected
    assert (row["reason"] is None) == (expected is not None)
    assert row["reason"] is None or row["reason"].endswith(": non_finite: NaN")
    (row,) = evidence(tmp_path / "shares", {"a": made(**changes)}, "evidence")
    assert (row["adversarial_percent"] is None) == (expected in (None, "vacuous"))


def test_thresholds_stand_in_the_configuration(tmp_path):
    options = {
        "usual": {},
        "keeps": {"keeps": 0.8},  # 0.1 + 0.8 · 0.8 = 0.74 is needed
        "least_drop": {"least_drop": 0.85},  # no fill takes as much away
        "survives": {"survives": 0.8},  # 3 of 4 fills
        "holds": {"holds": 0.9},  # 0.1 + 0.9 · 0.8 = 0.82 holds
        "inside": {"inside": 0.6},  # 0.2 + 0.6 · 0.8 = 0.68 lies on the annotation
    }
    rows = evidence(tmp_path, {"a": made(soft__fade=0.29, outside=0.6)}, kept=0.7, metrics=options)
    assert {row["metric"]: row["class"] for row in rows} == {
        "usual": "focused",
        "keeps": "insufficient",
        "least_drop": "vacuous",
        "survives": "adversarial",
        "holds": "adversarial",
        "inside": "shortcut",
    }


@pytest.mark.parametrize("perturbation", ["blur:sigma=5", "fade", "blur-pyramid:sigma=5"])
def test_the_fill_that_a_mask_was_optimised_with_is_no_probe_of_it(perturbation, tmp_path):
    """A mask of `fade` in an audit whose other masks took `blur`: its own numbers are those under `fade`."""
    given = {"a": made(soft__freeze=0.29, soft__noise=0.29), "b": made(hard__fade=0.44, empty__fade=0.3)}
    rows = by_clip(evidence(tmp_path, given, perturbation=perturbation))
    assert [rows["a"][name] for name in ("fills_kept", "fills", "class")] == [2, 4, "focused"]
    own = (0.3, 0.6, "adversarial") if perturbation == "fade" else (0.1, 0.5, "focused")
    assert tuple(rows["b"][name] for name in ("fill_alone_probability", "needed_probability", "class")) == own


def test_shares_are_of_the_clips_whose_mask_was_put_to_the_question(tmp_path):
    given = {name: made() for name in "abc"}
    given |= {"d": made(shift=0.1), "e": made(inside=0.1, outside=0.8), "f": made(empty__blur=0.8), "g": made()}
    (row,) = evidence(tmp_path, given, "evidence", kept={**dict.fromkeys("abcdef", 0.9), "g": 0.1})
    assert (row["clips"], row["clips_asked"]) == (5, 7)
    shares = [[row[f"{name}_percent{end}"] for end in ("", "_low", "_high")] for name in ("focused", "adversarial")]
    # Wilson with z = 1.96 of 3 and 1 of 5
    assert shares == [[60, 23.1, 88.2], [20, 3.6, 62.4]]
    assert row["shortcut_percent"] == 20
    assert (row["vacuous_masks"], row["insufficient_masks"], row["unspecific_masks"]) == (1, 1, 0)
    assert row["answer"] == "cannot tell"


def test_the_answer_is_the_class_that_the_interval_leaves(tmp_path):
    options = {"focused": {}, "adversarial": {"holds": 0.9}, "shortcut": {"inside": 0.6}}
    rows = evidence(tmp_path, dict.fromkeys("abcd", made(outside=0.6)), "evidence", metrics=options)
    assert {row["metric"] for row in rows} == set(options)
    for row in rows:
        assert row["answer"] == row["metric"]
        assert row[f"{row['answer']}_percent_low"] == 51  # 4 of 4


def test_maps_that_were_not_optimised_have_numbers_and_no_class(tmp_path):
    given = {"a": made(), "b": made(shift=0.6)}
    (row,) = evidence(tmp_path, given, "mask_survival", kept=None, perturbation=None, method="cam", ratio=None)
    assert (row["own_probability"], row["shift_probability"], row["clips"]) == (0.8, 0.7, 2)
    for report in ("evidence", "evidence_clips"):
        assert database.query(tmp_path / "tiny", f"from {report}")[1] == []


def test_means_under_every_probe_have_intervals_over_clips(tmp_path):
    given = {name: made(soft__fade=value, peer__q=0.2) for name, value in (("a", 0.6), ("b", 0.7), ("c", 0.8))}
    (row,) = evidence(tmp_path, given, "mask_survival")
    shown = [row[f"fade_probability{end}"] for end in ("", "_low", "_high")]
    assert shown == pytest.approx([0.7, *interval([0.6, 0.7, 0.8])], abs=6e-4)
    assert (row["own_probability"], row["blur_probability"], row["hard_probability"]) == (0.9, None, 0.8)
    assert row["peer_probability"] == 0.4  # of 0.6 and 0.2


def test_a_mask_that_could_not_be_measured_says_why(tmp_path):
    alone = {name: value for name, value in made().items() if not name.startswith("peer")}
    given = {"alone": alone | {"peer": NotApplicableError("no peer")}, "broken": NonFiniteError("NaN")}
    rows = by_clip(evidence(tmp_path, given))
    assert [rows["alone"][name] for name in ("class", "peers", "reason")] == ["focused", 0, None]
    assert [rows["broken"][name] for name in ("class", "peers", "reason")] == [None, 0, "non_finite: NaN"]
    assert database.query(tmp_path / "tiny", "select clips, clips_asked from evidence")[1] == [(1, 2)]
