"""Audits in which answers are explained: what is paired, what is counted, and what the page says."""

import pytest
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.commands.compare import command
from stepaudit.commands.compare.comparison import compared
from stepaudit.report import build_database
from stepaudit.report.page import conclusions, summary
from stepaudit.store import database

MODELS = {"conv": {"use": "r2plus1d_18"}, "rnn": {"use": "vgg16_lstm"}}
NAMES = [f"c{index:02}" for index in range(20)]
NOISE = (1.1, 0.9, 1.2, 0.8)
ONE_IN_FIVE = 4  # clips to which `rnn` answers b
COUNTED = "What a model answers is explained, right or wrong."
RIGHT = "Clips that a model gets wrong are left out."
WITHOUT = "The clips have no label: what is explained is each model's answer, and nothing says if that is right."


def write(folder, target, label="a"):
    """Two models on twenty clips: `conv` answers a and needs 1/16, `rnn` answers b to four of them and needs 1/4."""
    needs = {"conv": -4.0, "rnn": -2.0}
    rows = clips(*NAMES, label=label, target=None if label is None else 0)
    rows["segments"].append({"clip_id": "t", "split": "train", "label": "b", "target": 1})
    rows["predictions"], rows["preservation"] = [], []
    for model in MODELS:
        for place, name in enumerate(NAMES):
            answer = int(model == "rnn" and place < ONE_IN_FIVE)
            known = {} if label is None else {"rank": 1 + answer, "target_probability": (0.9, 0.1)[answer]}
            values = [0.9, 0.1] if answer == 0 else [0.1, 0.9]
            rows["predictions"].append(
                {"clip_id": name, "model": model, "target": None, "label": label, "probabilities": values,
                 "predicted": "ab"[answer], "predicted_when_blurred": "b"} | known
            )  # fmt: skip
            explained = answer if target == "predicted" or label is None else 0
            for asked, more in (("label" if explained == 0 and label else "predicted", 0.0), ("runner_up", 1.0)):
                need = needs[model] - 3 * (explained == 1) + (1 + more) * NOISE[place % 4]
                rows["preservation"].append(
                    {"clip_id": name, "model": model, "bound": "sufficiency", "asked_class": asked, "vacuous": False,
                     "target": explained, "target_name": "ab"[explained], "ratio": 0.1, "log2_ratio": need,
                     "random_log2_ratio": None if asked == "runner_up" else need + 2 * NOISE[place % 4],
                     "volumes": [], "shares": []}
                )  # fmt: skip
    return write_audit(folder, rows, models=MODELS, preserve={"methods": ["step"]}, target=target)


def read(place, *sql):
    made = config.load(place / "config.yaml")
    build_database.create(place, made)
    with database.connect(place) as connection:
        found = {each.section: each for each in conclusions.conclusions(connection, made)}
        return found, summary.headline(connection, made), *(database.records(connection, each) for each in sql)


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    folder = write(tmp_path_factory.mktemp("predicted"), "predicted")
    pairs = "from need_pairs where answers = 'all'"
    return folder, *read(folder, pairs, "from accuracy order by model", "from model_overview order by model")


def test_needs_for_different_classes_are_not_paired(predicted):
    (pair,) = predicted[3]
    assert (pair["clips"], pair["times_clips"]) == (20 - ONE_IN_FIVE, 20 - ONE_IN_FIVE)
    assert pair["times"] == pytest.approx(0.25)  # the four clips would make it 0.25 · 2 ** (3 · 4 / 20)
    finding = predicted[1]["need_pairs"]
    assert "Clips to which the two give different answers are not compared." in finding.numbers


def test_right_and_wrong_answers_count_and_the_page_says_so(predicted):
    _, found, headline, _, accuracy, overview = predicted
    assert found["need_pairs"].numbers.endswith(COUNTED)
    assert RIGHT not in found["need_pairs"].numbers
    assert headline.endswith("explained by a method. What is explained is each model's answer, right or wrong.")
    assert [row["top1_percent"] for row in accuracy] == [100, 80]
    assert overview[1]["need_percent"] == pytest.approx(100 * 2 ** (-2 - 3 * 4 / 20 + 1), abs=0.01)  # of all 20 clips


def test_with_the_label_wrong_answers_do_not_count(tmp_path):
    found, headline, (pair,) = read(write(tmp_path, "label"), "from need_pairs where answers = 'all'")
    assert pair["clips"] == 20
    assert found["need_pairs"].numbers.endswith(RIGHT)
    assert "different answers" not in found["need_pairs"].numbers
    assert headline.endswith("explained by a method.")


def test_clips_without_a_label_have_needs_and_no_accuracy(tmp_path):
    folder = write(tmp_path, "label", label=None)
    found, headline, accuracy, by_class, confusions, overview, (pair,) = read(
        folder, "from accuracy", "from accuracy_by_class", "from confusions", "from model_overview order by model",
        "from need_pairs",
    )  # fmt: skip
    assert accuracy == by_class == confusions == []
    assert headline.endswith(WITHOUT)
    assert [row["top1_percent"] for row in overview] == [None, None]
    assert overview[0]["need_percent"] == pytest.approx(12.5)
    assert (pair["answers"], pair["clips"]) == ("all", 20 - ONE_IN_FIVE)
    assert found["need_pairs"].numbers.endswith("What a model answers is explained.")
    texts = " ".join(f"{each.lead} {each.numbers}" for each in found.values())
    for words in ("right", "wrong", "naming one class", "accuracy"):
        assert words not in texts


def test_two_audits_compare_needs_of_the_same_class_alone(predicted, tmp_path):
    """Of the same model: in the other audit the label is explained, so that four clips are explained for another."""
    labels = write(tmp_path, "label")
    build_database.create(labels, config.load(labels / "config.yaml"))
    with compared(f"{labels}:rnn", f"{predicted[0]}:rnn") as comparison:
        (times,) = (each for each in comparison.quantities if each.name == "need_times")
        assert (times.value, times.clips) == (1, 16)
        note = "needs, maps and metrics leave out 4 clips that A and B explain for different classes"
        assert note in comparison.notes
    with compared(f"{labels}:rnn", f"{labels}:conv") as comparison:
        assert not any("different classes" in note for note in comparison.notes)


def test_without_labels_accuracy_is_not_compared(tmp_path):
    folder = write(tmp_path, "label", label=None)
    build_database.create(folder, config.load(folder / "config.yaml"))
    text, _ = command.run(f"{folder}:conv", f"{folder}:rnn")
    assert "Accuracy: not compared, no clip has a label." in text
