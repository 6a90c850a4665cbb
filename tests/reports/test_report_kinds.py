"""Kinds of clips from an audit's tables to the page: each sentence where it is true, and where it must not be said."""

import pytest
from tiny_audit import answer, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.report.page import conclusions
from stepaudit.report.page.kind_texts import cues_finding, kinds_finding
from stepaudit.store import database

EACH = 14  # clips of a class
CLIPS = [f"{label}{number:02d}" for label in "ab" for number in range(EACH)]


def audit(folder, *, is_wrong, **columns):
    """Two classes whose clips grow brighter with their number, and other columns of `clips` by a function of it."""
    numbers = {clip: int(clip[1:]) for clip in CLIPS}
    made = {"segments": [], "clips": [], "predictions": []}
    for clip, number in numbers.items():
        named = {"clip_id": clip, "label": clip[0], "target": "ab".index(clip[0])}
        measured = {"brightness": 0.2 + number / 40, "height": 8, "width": 8}
        made["segments"].append({**named, "video_id": clip})
        made["clips"].append({**named, **measured, **{name: column(clip) for name, column in columns.items()}})
        rank = 1 + is_wrong(number)
        given = clip[0] if rank == 1 else "ba"["ab".index(clip[0])]
        made["predictions"].append({**named, "rank": rank, "predicted": given, "target_probability": 1 / rank})
    return write_audit(folder, made)


def findings(folder):
    made = config.load(folder / "config.yaml")
    build_database.create(folder, made, conclusions.READ)
    with database.connect(folder) as connection:
        return {each.section: each for each in conclusions.conclusions(connection, made)}


def test_dark_clips_that_are_wrong_are_a_finding(tmp_path):
    said = findings(audit(tmp_path, is_wrong=lambda number: number < EACH // 2))["kinds_of_clips"]
    assert said.lead == "r3d is wrong more often on clips that are darker than most of their class."
    assert said.numbers.startswith("Wrong answers: 100.0 % (95 % interval 78.5 to 100.0) against 0.0 % (")
    assert "of the others (28 clips of 28 videos). Holm's correction over 1 question." in said.numbers


def test_clips_that_are_wrong_whatever_their_brightness_are_none(tmp_path):
    said = findings(audit(tmp_path, is_wrong=lambda number: number % 2))
    assert not said.keys() & {"kinds_of_clips", "class_cues"}


def test_a_class_whose_clips_all_have_a_text_is_a_finding(tmp_path):
    folder = audit(tmp_path, is_wrong=lambda number: 0, still_edges=lambda clip: 0.02 * (clip[0] == "b"))
    said = findings(folder)
    assert "kinds_of_clips" not in said
    assert said["class_cues"].lead == "a can be recognised by text or other edges that never change."
    assert (
        "has less than one of another class with chance 100.0 % (14 clips of 14 videos)" in said["class_cues"].numbers
    )


def test_clips_of_an_earlier_version_have_no_properties_and_no_rows(tmp_path):
    folder = audit(tmp_path, is_wrong=lambda number: number < 5, brightness=lambda clip: None)
    assert answer(folder, "kinds_of_clips", "class_cues") == []
    assert not findings(folder).keys() & {"kinds_of_clips", "class_cues"}


KIND = {
    "dataset": "d", "model": "r3d", "outcome": "share needed", "property": "motion", "clips": 9, "videos": 5,
    "less_percent": 2.0, "less_percent_low": 1.0, "less_percent_high": 3.0,
    "more_percent": 8.0, "more_percent_low": None, "more_percent_high": None, "answer": "yes",
}  # fmt: skip
CUE = {
    "dataset": "d",
    "label": "run",
    "property": "borders",
    "clips": 9,
    "videos": 5,
    "auc_percent": 90.0,
    "answer": "yes",
}


@pytest.mark.parametrize(
    ("outcome", "less", "lead"),
    [
        ("share needed", 2.0, "r3d needs a larger share of clips that have more motion"),
        ("map on the object", 9.0, "r3d's maps lie less on the object on clips that have more motion"),
        ("map on the object", 2.0, "r3d's maps lie less on the object on clips that have less motion"),
    ],
)
def test_the_sentence_names_the_kind_with_the_worse_outcome(outcome, less, lead):
    said = kinds_finding([{**KIND, "outcome": outcome, "less_percent": less}])
    assert said.lead == f"{lead} than most of their class."


def test_what_is_not_clear_is_no_sentence_and_further_kinds_are_counted():
    unclear = {**KIND, "answer": "cannot tell"}
    assert kinds_finding([unclear]) is None
    assert kinds_finding([]) is None
    assert cues_finding([{**CUE, "answer": "cannot tell"}]) is None
    said = kinds_finding([KIND] * 5 + [unclear])
    assert "The table has 2 more." in said.numbers
    assert "Holm's correction over 6 questions." in said.numbers
    assert "more." not in kinds_finding([KIND]).numbers
    assert cues_finding([CUE, {**CUE, "label": "jump"}]).numbers.endswith("Also shown: jump by flat borders.")
