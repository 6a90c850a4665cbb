"""The train stage: a checkpoint and a log, from the clips that could be extracted."""

import pytest
import torch
from huggingface_folders import saved

from stepaudit.audit.jobs import Job
from stepaudit.clips.tensors import to_tensor
from stepaudit.errors import UsageError
from stepaudit.networks import checkpoint
from stepaudit.stages import predict, train
from stepaudit.store import tables


def test_every_epoch_of_every_model_has_a_row_and_one_of_them_is_the_best(whole, rows):
    log = rows(whole, "training_log")
    assert [(row["model"], row["epoch"]) for row in log] == [("r3d", 1), ("r3d", 2), ("rnn", 1)]
    for model in whole.models:
        assert [row["best"] for row in log if row["model"] == model].count(True) == 1


def test_the_checkpoint_is_the_best_epochs(whole, rows):
    """Its accuracy and loss on the validation clips are those that the log gives for this epoch."""
    (best,) = rows(whole, "training_log", model="r3d", best=True)
    model = checkpoint.load(
        Job(whole, "train", "planted", "r3d").checkpoint, whole.models["r3d"], ["cross-vertical", "disc-horizontal"]
    )
    clips = [
        row
        for row in tables.read("clips", *Job(whole, "predict", "planted", "r3d").files("clips", "validation"))
        if row["status"] == "ok"
    ]
    targets = torch.tensor([row["target"] for row in clips])
    with torch.no_grad():
        probabilities = model(to_tensor(clips)).softmax(1)
    loss = -probabilities[torch.arange(len(clips)), targets].log().mean().item()
    assert best["validation_loss"] == pytest.approx(loss, rel=1e-4)
    assert best["validation_accuracy"] == pytest.approx((probabilities.argmax(1) == targets).double().mean().item())


def test_the_same_seed_gives_the_same_file_and_another_seed_another(whole, changed):
    made = changed()
    first = Job(whole, "train", "planted", "r3d").checkpoint.read_bytes()
    Job(made, "train", "planted", "r3d").checkpoint.unlink()
    train.run(Job(made, "train", "planted", "r3d"))
    assert Job(made, "train", "planted", "r3d").checkpoint.read_bytes() == first
    train.run(Job(made.model_copy(update={"seed": 5}), "train", "planted", "r3d"))
    assert Job(made, "train", "planted", "r3d").checkpoint.read_bytes() != first


def spoil(made, split, spoiled):
    """Marks clips as failed where `spoiled` says so."""
    for path in Job(made, "predict", dataset="planted", model="r3d").files("clips", split):
        clips = tables.read("clips", path)
        for clip in clips:
            if spoiled(clip):
                clip |= {"status": "bad_video", "error": "broken", "pixels": None, "frames": None}
        tables.write(clips, "clips", path)


def test_clips_that_could_not_be_extracted_are_left_out(changed):
    made = changed()
    first = tables.read("clips", *Job(made, "predict", "planted", "r3d").files("clips", "train"))[0]
    spoil(made, "train", lambda clip: clip["clip_id"] == first["clip_id"])
    train.run(Job(made, "train", "planted", "r3d"))
    assert (
        len(tables.read("training_log", Job(made, "train", dataset="planted", model="r3d").file("training_log"))) == 2
    )


def test_a_class_without_a_training_clip_is_named_before_anything_is_trained(changed):
    made = changed()
    Job(made, "train", "planted", "r3d").checkpoint.unlink()
    spoil(made, "train", lambda clip: clip["label"] == "cross-vertical")
    with pytest.raises(UsageError, match="data set 'planted': no training clip of class 'cross-vertical'; add videos"):
        train.run(Job(made, "train", "planted", "r3d"))
    assert not Job(made, "train", "planted", "r3d").checkpoint.exists()


def test_without_validation_clips_the_last_epoch_is_kept(changed, rows):
    made = changed()
    spoil(made, "validation", lambda clip: True)
    train.run(Job(made, "train", "planted", "r3d"))
    assert [row["best"] for row in rows(made, "training_log", model="r3d")] == [False, True]


def test_no_epochs_audit_the_initial_weights(changed, rows):
    made = changed(models={"raw": {"use": "r2plus1d_18", "options": {"width": 2}, "training": {"epochs": 0}}})
    train.run(Job(made, "train", "planted", "raw"))
    first = Job(made, "train", "planted", "raw").checkpoint.read_bytes()
    train.run(Job(made, "train", "planted", "raw"))
    assert Job(made, "train", "planted", "raw").checkpoint.read_bytes() == first  # drawn with the audit's seed
    assert rows(made, "training_log", model="raw") == []


@pytest.fixture
def narrow(changed, tmp_path):
    """Function of a state dict: the job of a model that is made of it and not trained, and a trained model's state."""
    options = {"use": "r2plus1d_18", "options": {"width": 2}, "training": {"epochs": 0}}
    made = changed(models={"raw": {**options, "weights": str(tmp_path / "weights.pth")}})
    _, state = checkpoint.read(Job(made, "train", "planted", "r3d").checkpoint)

    def job(weights):
        torch.save(weights, tmp_path / "weights.pth")
        return Job(made, "train", "planted", "raw")

    return job, state


def test_a_file_of_backbone_weights_fills_the_head_too_if_nothing_is_trained(narrow):
    """A classifier that was trained elsewhere, under torchvision's names."""
    job, state = narrow
    raw = job({name.removeprefix("backbone."): value for name, value in state.items()})
    train.run(raw)
    _, taken = checkpoint.read(raw.checkpoint)
    assert all(torch.equal(state[name], taken[name]) for name in state)


@pytest.mark.parametrize("head", ["of other classes", "missing"])
def test_a_model_that_is_not_trained_may_keep_no_random_weights(narrow, head):
    job, state = narrow
    backbone = {name.removeprefix("backbone."): value for name, value in state.items()}
    given = {name: value for name, value in backbone.items() if not name.startswith("fc.")}
    if head == "of other classes":
        given |= {name: value.repeat(200, *[1] * (value.ndim - 1)) for name, value in backbone.items() if "fc." in name}
    raw = job(given)
    with pytest.raises(
        UsageError,
        match=r"model 'raw' with `epochs: 0`: weights '.*' leave 2 of \d+ parameters of \w+ random, such as "
        r"backbone.fc.weight \[2, \d+\]; give the weights of the whole trained model, or train it",
    ):
        train.run(raw)
    assert not raw.checkpoint.exists()


ORDER = ["cross-vertical", "disc-horizontal"]
SAID = {
    "class_to_idx": lambda names: {name: place for place, name in enumerate(names)},
    "idx_to_class": lambda names: dict(enumerate(names)),
    "classes": list,
    "id2label": lambda names: {str(place): name for place, name in enumerate(names)},
    "meta": lambda names: {"dataset_meta": {"classes": tuple(names)}},
}


@pytest.mark.parametrize("key", SAID)
def test_weights_of_classes_in_another_order_are_refused_unless_they_are_trained_on(changed, tmp_path, key):
    options = {"use": "r2plus1d_18", "options": {"width": 2}, "weights": str(tmp_path / "weights.pth")}
    made = changed(
        models={"as_is": {**options, "training": {"epochs": 0}}, "tuned": {**options, "training": {"epochs": 1}}}
    )
    state = checkpoint.read(Job(made, "train", "planted", "r3d").checkpoint)[1]
    torch.save({"model": state, key: SAID[key](ORDER)}, tmp_path / "weights.pth")
    train.run(Job(made, "train", "planted", "as_is"))
    torch.save({"model": state, key: SAID[key](ORDER[::-1])}, tmp_path / "weights.pth")
    train.run(Job(made, "train", "planted", "tuned"))
    with pytest.raises(UsageError, match="output 0 is 'disc-horizontal', and 'cross-vertical' in the data"):
        train.run(Job(made, "train", "planted", "as_is"))


def test_the_order_that_a_network_of_ones_own_names_is_held_against_the_data_sets(changed, caplog):
    """The network was trained elsewhere; with epochs its outputs are learned."""

    def run(names, epochs):
        options = {"names": names}
        own = {"use": "odd_models:named", "options": options, "training": {"epochs": epochs}}
        train.run(Job(changed(models={"own": own}), "train", "planted", "own"))

    run(["Cross Vertical", "disc_horizontal"], 0)
    run(ORDER[::-1], 1)
    assert not caplog.records
    run(["left", "right"], 0)
    assert "it names its classes left, right, …, and the data set cross-vertical" in caplog.text
    with pytest.raises(UsageError, match=r"Named is for .* another order: its output 0 is 'Disc Horizontal'"):
        run(["Disc Horizontal", "cross_vertical"], 0)


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (
            ("bowl", "dive", "jump"),
            r"2 of its weights are random, such as classifier.bias: its own classes are not the 2 ",
        ),
        (tuple(ORDER[::-1]), r"VideoClassifier is for .* another order: its output 0 is 'disc-horizontal'"),
    ],
)
def test_a_classifier_of_transformers_for_other_classes_is_refused_unless_it_is_trained(changed, classes, text):
    own = {"use": "huggingface", "options": {"path": str(saved("VideoMAE", classes, 16))}}
    made = changed(models={"as_is": {**own, "training": {"epochs": 0}}, "tuned": {**own, "training": {"epochs": 1}}})
    train.run(Job(made, "train", "planted", "tuned"))
    with pytest.raises(UsageError, match=text):
        train.run(Job(made, "train", "planted", "as_is"))


@pytest.mark.parametrize(("kind", "count"), [("all", 3), ("restricted", 2)])
def test_a_network_is_audited_on_those_of_its_classes_that_the_data_set_has(changed, rows, kind, count):
    options = {"path": str(saved("VideoMAE", ("other", *ORDER[::-1]), 16))}
    own = {"use": "huggingface", "options": options, "training": {"epochs": 0}, "outputs": kind}
    made = changed(models={"own": own})
    train.run(Job(made, "train", "planted", "own"))
    predict.run(Job(made, "predict", "planted", "own", shard="test-000"))
    found = [row for row in rows(made, "predictions", model="own") if row["status"] == "ok"]
    assert {(row["outputs"], len(row["probabilities"])) for row in found} == {(kind, count)}
    for row in found:
        assert row["target_probability"] == row["probabilities"][row["target"]]
        assert row["predicted"] in {*ORDER, "other"}


def test_a_classifier_of_transformers_is_audited_as_it_is_and_its_files_decide_the_job(changed, rows):
    folder = saved("VideoMAE", tuple(ORDER), 16)
    own = {"use": "huggingface", "options": {"path": str(folder)}, "training": {"epochs": 0}}
    made = changed(models={"own": own})
    train.run(Job(made, "train", "planted", "own"))
    predict.run(Job(made, "predict", "planted", "own", shard="test-000"))
    assert {row["status"] for row in rows(made, "predictions", model="own")} == {"ok", "upstream"}
    assert {path.name for path in Job(made, "train", "planted", "own").given} == {
        *("config.json", "model.safetensors", "video_preprocessor_config.json"),
    }


def test_a_given_checkpoint_is_taken_over_and_nothing_is_trained(changed, whole, rows):
    given = {
        "use": "r2plus1d_18",
        "options": {"width": 2},
        "checkpoint": str(Job(whole, "train", "planted", "r3d").checkpoint),
    }
    made = changed(models={"given": given})
    train.run(Job(made, "train", "planted", "given"))
    states = [checkpoint.read(Job(made, "train", "planted", name).checkpoint)[1] for name in ("r3d", "given")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert rows(made, "training_log", model="given") == []


def test_a_given_checkpoint_of_another_model_is_refused(changed, whole):
    given = {
        "use": "r2plus1d_18",
        "options": {"width": 4},
        "checkpoint": str(Job(whole, "train", "planted", "r3d").checkpoint),
    }
    made = changed(models={"given": given})
    with pytest.raises(UsageError, match=r"a checkpoint with options \{'width': 2\}"):
        train.run(Job(made, "train", "planted", "given"))
    assert not Job(made, "train", "planted", "given").checkpoint.exists()


def test_a_given_checkpoint_of_other_classes_is_refused(changed, whole):
    given = {
        "use": "r2plus1d_18",
        "options": {"width": 2},
        "checkpoint": str(Job(whole, "train", "planted", "r3d").checkpoint),
    }
    made = changed(models={"given": given})
    path = Job(made, "index", dataset="planted").file("segments")
    segments = tables.read("segments", path)
    tables.write([{**row, "label": row["label"].replace("disc", "square")} for row in segments], "segments", path)
    with pytest.raises(
        UsageError, match=r"a checkpoint with classes .*disc-horizontal.* the configuration says .*square"
    ):
        train.run(Job(made, "train", "planted", "given"))
