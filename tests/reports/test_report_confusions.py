"""Accuracy by class and confusions: rows with known answers in, the counted table, and its chart, out."""

import pytest
from tiny_audit import answer, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database, charts
from stepaudit.report.charts.matrix import confusions
from stepaudit.store import database

LABELS = {"a1": "a", "a2": "a", "a3": "a", "a4": "a", "b1": "b", "b2": "b"}
CLASSES = ("a", "b", "c")
ANSWERS = {"a1": "a", "a2": "b", "a3": "b", "a4": "c", "b1": "b", "b2": "b"}
SURE = {"a2": 0.6, "a3": 0.9}  # probability of the answer; of the others 0.5
MODELS = {"r3d": {"use": "r2plus1d_18"}, "noise": {"of": "r3d", "randomise": 1.0}}


def rows(**changes):
    """Test clips of the classes a and b with the answers of r3d and of a control, which is not counted."""
    segments = [{"clip_id": clip, "label": label, "target": CLASSES.index(label)} for clip, label in LABELS.items()] + [
        {"clip_id": "c1", "label": "c", "target": 2, "split": "train"}
    ]
    found = [{**prediction(clip, ANSWERS[clip]), **changes} for clip in LABELS]
    return {"segments": segments, "predictions": [*found, prediction("a1", "b") | {"model": "noise"}]}


def prediction(clip, given):
    label, sure = LABELS[clip], SURE.get(clip, 0.5)
    probabilities = [sure if name == given else (1 - sure) / 2 for name in CLASSES]
    target = CLASSES.index(label)
    values = {"target": target, "target_probability": probabilities[target], "probabilities": probabilities}
    return {"clip_id": clip, "label": label, "rank": 1 if given == label else 2, "predicted": given, **values}


def test_each_class_has_its_rate_and_what_its_name_is_worth_as_an_answer(tmp_path):
    first, second = answer(write_audit(tmp_path, rows(), models=MODELS), "accuracy_by_class")
    assert (first["label"], first["clips"], first["right_percent"]) == ("a", 4, 25.0)
    assert first["wrong_answers"] == "b 2, c 1"
    assert (first["right_percent_low"], first["right_percent_high"]) == (4.6, 69.9)  # Wilson, 1 of 4
    assert (first["answered_clips"], first["right_when_answered_percent"]) == (1, 100.0)
    assert (second["label"], second["right_percent"], second["wrong_answers"]) == ("b", 100.0, None)
    assert (second["answered_clips"], second["right_when_answered_percent"]) == (4, 50.0)
    assert (second["right_when_answered_percent_low"], second["right_when_answered_percent_high"]) == (15.0, 85.0)


def test_each_confusion_names_its_clips_the_most_confident_first(tmp_path):
    found = answer(write_audit(tmp_path, rows(), models=MODELS), "confusions")
    assert [(row["label"], row["answered"], row["confused"], row["clips"], row["wrong_clips"]) for row in found] == [
        ("a", "b", 2, 4, "a3, a2"),
        ("a", "c", 1, 4, "a4"),
    ]
    assert [row["confused_percent"] for row in found] == [50.0, 25.0]
    assert found[0]["confused_percent_low"] == 15.0


@pytest.mark.parametrize("changes", [{"predicted": None}, {"predicted": None, "probabilities": None}])
def test_audits_without_the_name_of_the_answer_take_it_from_the_probabilities_or_say_another_class(tmp_path, changes):
    found = answer(write_audit(tmp_path, rows(**changes), models=MODELS), "confusions")
    named = ["b", "c"] if len(changes) == 1 else ["another class"]
    assert [row["answered"] for row in found] == named


def test_failed_predictions_are_no_answers(tmp_path):
    failed = [{"clip_id": clip, "status": "upstream", "error": "bad_video"} for clip in LABELS]
    assert answer(write_audit(tmp_path, {**rows(), "predictions": failed}), "accuracy_by_class", "confusions") == []


def test_the_chart_has_a_cell_for_each_class_and_answer(tmp_path):
    folder = write_audit(tmp_path, rows(), models=MODELS)
    loaded = config.load(folder / "config.yaml")
    build_database.create(folder, loaded)
    with database.connect(folder) as connection:
        drawn = {each.name: each for each in charts.all_charts(connection, loaded)}
    chart = drawn["confusions-1"]
    cells = {(row["truth"], row["answer"]): (row["count"], row["percent"]) for row in chart.spec["data"]["values"]}
    assert cells == {
        **{("a", "a"): (1, 25.0), ("a", "b"): (2, 50.0), ("a", "c"): (1, 25.0)},
        ("b", "b"): (2, 100.0),
    }
    assert chart.section == "confusions"
    assert "most wrong" not in chart.title


def test_of_many_classes_the_chart_says_that_it_shows_those_with_the_most_wrong_answers(tmp_path):
    names = [f"k{number:02d}" for number in range(40)]
    segments = [{"clip_id": f"{name}-1", "label": name, "target": place} for place, name in enumerate(names)]
    given = [
        {"clip_id": f"{name}-1", "label": name, "rank": 1 + (place < 3), "predicted": names[place ^ 1]}
        for place, name in enumerate(names)
    ]
    folder = write_audit(tmp_path, {"segments": segments, "predictions": given})
    build_database.create(folder, config.load(folder / "config.yaml"))
    sql = (build_database.package_files.reports() / "charts" / "confusions.sql").read_text()
    with database.connect(folder) as connection:
        found = database.records(connection, sql)
    (chart,) = confusions(found)
    assert "those with the most wrong answers; 10 are left out." in chart.title
    assert {row["truth"] for row in found} >= {"k00", "k01", "k02"}
    assert {(row["truth"], row["answer"]) for row in found if row["truth"] != row["answer"]} == {
        ("k00", "k01"),
        ("k01", "k00"),
        ("k02", "k03"),
    }
