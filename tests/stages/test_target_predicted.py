"""Audits with `target: predicted`: each model's answer is explained, while predictions still speak of the label."""

import pytest
import torch
from every_shard import predict_all
from test_preserve_crisp import link

from stepaudit.audit import decides
from stepaudit.audit.jobs import Job
from stepaudit.audit.requests import Request, explained, for_runner_up
from stepaudit.clips.tensors import to_tensor
from stepaudit.commands.check import requested_rows
from stepaudit.networks.checkpoint import trained
from stepaudit.stages import attribute, preserve, score
from stepaudit.store import tables

NAMES = ["cross-vertical", "disc-horizontal"]


@pytest.fixture(scope="module")
def answers(whole, tmp_path_factory):
    """The audit of `r3d` with its answers explained: the rows of each table that depends on the explained class."""
    preserved = whole.preserve.model_copy(update={"bounds": ["sufficiency", "top1"]})
    made = whole.model_copy(
        update={"results": tmp_path_factory.mktemp("predicted"), "target": "predicted", "preserve": preserved}
    )
    link(whole, made)
    (made.folder / "predictions").unlink()
    (made.folder / "clip_boxes").symlink_to(whole.folder / "clip_boxes")
    predict_all(made, "r3d")
    for shard in ("test-000", "test-001"):
        for method in ("grad_cam", "ep3d"):
            attribute.run(Job(made, "attribute", "planted", "r3d", method, shard))
            score.run(Job(made, "score", "planted", "r3d", method, shard))
        preserve.run(Job(made, "preserve", "planted", "r3d", "ep3d", shard))
    names = ("predictions", "frame_orders", "maps", "preservation", "scores")
    return made, {name: tables.read(name, made.folder / name) for name in names}


def test_what_is_compared_with_the_label_is_as_with_the_label(answers, whole, rows):
    assert answers[1]["predictions"] == rows(whole, "predictions", model="r3d")


def test_maps_and_searches_are_for_the_most_probable_class(answers):
    found = answers[1]
    values = {row["clip_id"]: row["probabilities"] for row in found["predictions"] if row["status"] == "ok"}
    first = {clip: max(range(2), key=each.__getitem__) for clip, each in values.items()}
    labels = {row["clip_id"]: row["target"] for row in found["predictions"]}
    assert any(first[clip] != labels[clip] for clip in first), "premise: a wrong answer"
    for name in ("maps", "preservation", "frame_orders"):
        sound = [row for row in found[name] if row["status"] == "ok" and row.get("asked_class") != "runner_up"]
        assert {row["clip_id"] for row in sound} == set(first)
        assert all(row["target"] == first[row["clip_id"]] for row in sound)
    for row in found["maps"]:
        assert row["target_name"] == (NAMES[first[row["clip_id"]]] if row["clip_id"] in first else None)
        if row["status"] == "ok":
            assert row["target_probability"] == pytest.approx(max(values[row["clip_id"]]), abs=1e-6)
    asked = {(row["bound"], row["asked_class"]) for row in found["preservation"]}
    assert asked == {("sufficiency", "predicted"), ("sufficiency", "runner_up"), ("top1", "predicted")}
    others = [row for row in found["preservation"] if row["asked_class"] == "runner_up" and row["status"] == "ok"]
    assert others
    assert all(row["target"] == 1 - first[row["clip_id"]] for row in others)


def test_other_frame_orders_are_asked_for_the_answer(answers):
    """The reversed clip, asked by hand."""
    made, found = answers
    net = trained(Job(made, "predict", "planted", "r3d"), torch.device("cpu"))
    clips = {row["clip_id"]: row for row in tables.read("clips", made.folder / "clips") if row["split"] == "test"}
    reversed_rows = [row for row in found["frame_orders"] if row["frame_order"] == "reversed" and row["status"] == "ok"]
    assert len(reversed_rows) == 7
    for row in reversed_rows:
        with torch.no_grad():
            values = net(to_tensor([clips[row["clip_id"]]]).flip(2)).softmax(dim=1)[0]
        assert row["target_probability"] == pytest.approx(values[row["target"]].item(), abs=1e-5)


def test_every_answer_has_the_first_place_that_the_paper_asks_for(answers):
    """With the label, clips that are wrong have none to keep."""
    top1 = [row for row in answers[1]["preservation"] if row["bound"] == "top1"]
    assert {row["status"] for row in top1} == {"ok", "upstream"}


def test_check_finds_the_rows_that_were_asked_for(answers):
    made, _ = answers
    few = made.model_copy(
        update={"models": {"r3d": made.models["r3d"]}, "methods": {"ep3d": made.methods["ep3d"]}, "metrics": {}}
    )
    files = [Job(made, "index", "planted").file("segments")]
    for table in ("preservation", "maps", "predictions", "frame_orders"):
        files += Job(made, "", "planted", "r3d", "ep3d").files(table)
    assert list(requested_rows.problems(few, files)) == []
    without_runner_up = few.preserve.model_copy(update={"classes": ["label"]})
    other = few.model_copy(update={"preserve": without_runner_up})
    assert [text[:20] for _, text in requested_rows.problems(other, files)] == ["5 rows not asked for"] * 2


def test_the_target_decides_what_runs_again(whole):
    other = whole.model_copy(update={"target": "predicted"})
    for stage, method, runs in (("train", "", False), ("predict", "", True), ("attribute", "ep3d", True)):
        keys = ("planted", "r3d", method, "test-000") if stage != "train" else ("planted", "r3d")
        same = decides.settings(Job(whole, stage, *keys)) == decides.settings(Job(other, stage, *keys))
        assert same is not runs, stage


def request(probabilities, target=0):
    prediction = {"probabilities": probabilities, "status": "ok"}
    return Request({"clip_id": "c", "status": "ok"}, target, prediction, 0.2)


def test_the_answer_is_the_first_of_equal_ones_and_the_runner_up_is_second_to_it():
    asked = explained(request([0.2, 0.4, 0.4]), "predicted")
    assert (asked.target, asked.target_probability, asked.explains) == (1, 0.4, "predicted")
    assert for_runner_up(asked).target == 2


def test_a_clip_without_a_label_is_asked_for_the_answer_and_a_labelled_one_for_its_label():
    assert explained(request([0.2, 0.8], target=None), "label").target == 1
    assert explained(request([0.2, 0.8]), "label").target == 0


def test_without_an_answer_there_is_nothing_to_explain():
    assert explained(request(None), "predicted").target is None
