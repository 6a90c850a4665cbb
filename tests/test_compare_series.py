"""A series of audits: a line each, changes whose answers are known by hand, and what is not compared is said."""

import csv
import io

import command_line
import pytest
from compared_audits import answer, audit, clip_rows, quantities, search

from stepaudit.commands.compare import command, series
from stepaudit.errors import UsageError

CLIPS = [f"c{index:02}" for index in range(20)]
WEEKS = {"w1": 20, "w2": 19, "w3": 6}  # clips that are right


def week(folder, name, right, clips=CLIPS, **changes):
    """An audit that is right on the first of twenty clips; from the third week on it needs more of each."""
    bracket = (0.05, 0.1) if right > 6 else (0.2, 0.3)
    tables = clip_rows(clips) | {
        "predictions": [answer(clip, 0.8, place < right) for place, clip in enumerate(clips)],
        "preservation": [search(clip, bracket) for clip in clips],
    }
    return audit(folder, name, tables, **changes)


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weeks")
    made = [str(week(folder, name, right)) for name, right in WEEKS.items()]
    others = [f"x{clip}" for clip in CLIPS]
    return [*made, str(week(folder, "apart", 20, others))]


def test_each_week_has_a_line_with_its_change_against_the_week_before(weeks):
    made = series.steps(weeks[:3])
    first, second, third = series.lines(made)
    assert [line[2] for line in (first, second, third)] == ["100 %", "95 %", "30 %"]
    assert (first[0], first[3]) == (f"{weeks[0]}:conv", "–")
    assert third[3].startswith("−65.0, −8")
    (pair,) = (each for name, each in quantities(*weeks[1:3]).items() if name == "accuracy_increase")
    assert (made[1].accuracy.value, made[1].accuracy.lower, made[1].accuracy.p) == (pair.value, pair.lower, pair.p)
    assert made[1].accuracy.holm_p == pytest.approx(2 * pair.p)  # two steps, and this is the smaller p
    assert made[0].accuracy.holm_p == pytest.approx(1)


def test_only_changes_that_are_clear_are_found(weeks):
    text, _ = command.run(*weeks[:3])
    assert "3 sides, each against the one before" in text
    assert f"Accuracy: clear change in 1 of 2 steps: {weeks[2]}:conv (−65.0, " in text
    assert f"Needed of a clip (ep3d, probability): clear change in 1 of 2 steps: {weeks[2]}:conv (+20.0, " in text
    text, _ = command.run(weeks[0], weeks[1], f"{weeks[1]}:conv")
    assert "Accuracy: no clear change in 2 steps." in text
    assert "Needed of a clip (ep3d, probability): no clear change in 2 steps." in text


def test_against_the_first_each_is_compared_with_that(weeks):
    made = series.steps(weeks[:3], "first")
    assert {step.reference for step in made} == {f"{weeks[0]}:conv"}
    assert [step.accuracy.value for step in made] == pytest.approx([-0.05, -0.7])
    assert "each against the first" in series.text(made, "first")


def test_what_cannot_be_compared_is_a_line_that_says_so(weeks, tmp_path):
    other = str(week(tmp_path, "other", 20, methods={"ep3d": {"ratios": [0.1], "options": {"iterations": 3}}}))
    text, _ = command.run(weeks[0], weeks[3], other)
    lines = text.splitlines()
    assert any(line.startswith(f"Note: {weeks[3]} (B) against {weeks[0]}") and "no clip of" in line for line in lines)
    made = series.steps([weeks[0], weeks[1], other])
    assert made[1].need.value is None
    notes = " ".join(made[1].notes)
    assert "methods left out, whose settings differ: ep3d" in notes
    assert "how much is needed is not compared: no minimum preservation ratio was searched on both sides" in notes
    assert not any("not compared" in note for note in made[0].notes)


def test_conditions_are_judged_at_each_step_and_the_files_lie_beside_each_other(weeks, tmp_path):
    status, out, _ = command_line.run(
        "compare", *weeks[:3], "--fail-if", "accuracy_increase < -0.1", "--out", str(tmp_path / "out")
    )
    assert status == 1
    assert [line.split(": ")[1] for line in out.splitlines() if "accuracy_increase < -0.1" in line] == ["ok", "FAIL"]
    rows = list(csv.reader(io.StringIO((tmp_path / "out/series.csv").read_text())))
    assert tuple(rows[0]) == series.HEADERS
    assert [row[0] for row in rows[1:]] == [f"{name}:conv" for name in weeks[:3]]
    assert (tmp_path / "out/step-1/compare.html").is_file()
    assert (tmp_path / "out/step-2/compare.json").is_file()
    status, _, _ = command_line.run("compare", *weeks[:2], weeks[3], "--fail-if", "accuracy_increase < -0.1")
    assert status == 2  # the last is not compared


def test_a_model_alone_is_of_the_audit_before(weeks):
    made = series.steps([weeks[0], f"{weeks[1]}:conv", ":conv"])
    assert [step.side for step in made] == [f"{weeks[1]}:conv"] * 2
    with pytest.raises(UsageError, match="names no audit; write the folder"):
        series.steps([":conv", weeks[0], weeks[1]])
