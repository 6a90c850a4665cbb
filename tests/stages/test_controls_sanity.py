"""Sanity checks end to end: randomised weights, shuffled labels, other classes, frames in other orders."""

import pytest
import torch
from every_shard import predict_all

from stepaudit.audit import config, plan
from stepaudit.audit.jobs import Job
from stepaudit.audit.requests import Request, for_runner_up
from stepaudit.clips.tensors import to_tensor
from stepaudit.errors import UsageError
from stepaudit.metrics import similarity
from stepaudit.networks import checkpoint
from stepaudit.report import build_database
from stepaudit.stages import attribute, predict, score, train
from stepaudit.store import database, tables

MODELS = {
    "half": {"of": "r3d", "randomise": 0.5},
    "whole": {"of": "r3d", "randomise": 1},
    "labels": {"of": "r3d", "shuffle_labels": True, "training": {"epochs": 3}},
}
METHODS = {"gradient": None, "edges": None, "wrong": {"use": "gradient", "target": "runner_up"}}
# Of seven clips the interval is wide, so that the usual threshold of 0.7 may lie in it.
METRICS = {"similarity": {"options": {"threshold": 0.9}}, "entropy": None}


def maps(made, method, model="r3d"):
    """Maps that were made, by clip."""
    paths = Job(made, "attribute", dataset="planted", model=model, method=method).files("maps")
    return {row["clip_id"]: row for row in tables.read("maps", *paths) if row["status"] == "ok"}


def grids(made, method, model="r3d"):
    rows = maps(made, method, model).items()
    return {name: torch.tensor(row["grid"]).view(row["grid_shape"]).float() for name, row in rows}


@pytest.fixture(scope="module")
def checked(whole, tmp_path_factory):
    """The audit with controls, methods for another class, and metrics that compare; tests only read it."""
    data = whole.model_dump(mode="json")
    for section, new in (("models", MODELS), ("methods", METHODS)):
        data[section] |= new
    data |= {"metrics": METRICS, "results": str(tmp_path_factory.mktemp("checked"))}
    made = config.parse(data)
    made.folder.mkdir(parents=True)
    for table in ("segments", "boxes", "clips", "clip_boxes", "checkpoints"):
        (made.folder / table).symlink_to(whole.folder / table)
    (made.folder / "checkpoints").unlink()
    for name in ("r3d", "rnn"):
        path = Job(made, "train", "planted", name).checkpoint
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Job(whole, "train", "planted", name).checkpoint.read_bytes())
    for name in ("r3d", *MODELS):
        if name != "r3d":
            train.run(Job(made, "train", "planted", name))
        predict_all(made, name)
        for stage, module in (("attribute", attribute), ("score", score)):
            for method in METHODS:
                for shard in plan.shard_names(made.shards, "test"):
                    module.run(Job(made, stage, "planted", name, method, shard))
    build_database.create(made.folder, made)
    return made


def asked(made, sql):
    return database.query(made.folder, sql)[1]


def test_a_randomised_model_is_the_trained_one_but_for_the_layers_that_its_checkpoint_names(checked):
    trained = checkpoint.read(Job(checked, "train", "planted", "r3d").checkpoint)[1]
    for name, share in (("half", 0.5), ("whole", 1)):
        about, state = checkpoint.read(Job(checked, "train", "planted", name).checkpoint)
        layers = {key.rpartition(".")[0] for key in state}
        assert len(about["randomised"]) == round(share * len(layers))
        changed = {key.rpartition(".")[0] for key in state if not torch.equal(state[key], trained[key])}
        assert changed == set(about["randomised"])
    again = Job(checked, "train", "planted", "half").checkpoint.read_bytes()
    train.run(Job(checked, "train", "planted", "half"))
    assert Job(checked, "train", "planted", "half").checkpoint.read_bytes() == again


def test_labels_are_shuffled_among_clips_and_the_last_epoch_is_kept(checked):
    log = tables.read("training_log", Job(checked, "train", dataset="planted", model="labels").file("training_log"))
    assert [(row["epoch"], row["best"]) for row in log] == [(1, False), (2, False), (3, True)]
    assert {row["validation_loss"] for row in log} == {None}
    states = [checkpoint.read(Job(checked, "train", "planted", name).checkpoint)[1] for name in ("r3d", "labels")]
    assert not torch.equal(states[0]["backbone.fc.weight"], states[1]["backbone.fc.weight"])


def test_a_method_that_ignores_the_model_fails_and_one_that_depends_on_it_passes(checked):
    found = asked(
        checked, "select model, method, randomised, answer, rank, clips from sanity_randomisation order by all"
    )
    clips = len(maps(checked, "edges"))
    edges = [row for row in found if row[1] == "edges"]
    assert edges == [("r3d", "edges", 0.5, None, 1, clips), ("r3d", "edges", 1, "no", 1, clips)]
    (gradient,) = [row for row in found if row[1:3] == ("gradient", 1)]
    assert gradient[3] == "yes"
    assert gradient[4] < 0.7
    labels = asked(checked, "select control, method, answer from sanity_labels where method = 'edges'")
    assert labels == [("labels", "edges", "no")]


def test_similarities_and_entropies_are_those_of_the_maps_themselves(checked):
    own, trained = grids(checked, "gradient", "half"), grids(checked, "gradient")
    found = dict(
        asked(checked, "select clip_id, value from scores where metric = 'similarity.model.rank' "
              "and model = 'half' and method = 'gradient'")
    )  # fmt: skip
    assert found.keys() == own.keys() == trained.keys()
    for clip, value in found.items():
        assert value == similarity.score(own[clip], {"model": trained[clip]})["model.rank"]
    ((entropy, count),) = asked(
        checked, "select avg(value), count(*) from scores where metric = 'entropy' and status = 'ok'"
    )
    assert 0.5 < entropy < 1
    assert count == len(own) * len(METHODS) * 4


def test_a_method_for_the_runner_up_explains_the_most_probable_other_class(checked):
    """Of two classes the runner-up is the one that is not the label, and the logits' gradients differ."""
    predictions = tables.read(
        "predictions", *Job(checked, "predict", dataset="planted", model="r3d").files("predictions")
    )
    of_clip = {row["clip_id"]: row for row in predictions}
    right, wrong = maps(checked, "gradient"), maps(checked, "wrong")
    assert right.keys() == wrong.keys()
    for clip, row in wrong.items():
        assert row["target"] == 1 - right[clip]["target"]
        assert row["target_probability"] == pytest.approx(of_clip[clip]["probabilities"][row["target"]])
        assert row["grid"] != right[clip]["grid"]
    ((method, clips, answer),) = asked(checked, "select method, clips, answer from sanity_targets")
    assert (method, clips) == ("wrong", len(right))
    assert answer in ("yes", "no", "cannot tell")


def test_the_map_of_the_runner_up_is_what_the_method_gives_for_that_class(checked):
    model = checkpoint.load(
        Job(checked, "train", "planted", "r3d").checkpoint, checked.models["r3d"], ["cross-vertical", "disc-horizontal"]
    )
    clips = {
        row["clip_id"]: row
        for row in tables.read("clips", *Job(checked, "predict", "planted", "r3d").files("clips"))
        if row["status"] == "ok"
    }
    function = checked.component("methods", "wrong").load()
    for name, row in list(maps(checked, "wrong").items())[:2]:
        full = function(model, to_tensor([clips[name]]), torch.tensor([row["target"]])).full()[0]
        assert grids(checked, "wrong")[name].flatten().tolist() == pytest.approx(full.flatten().tolist(), abs=1e-3)


def test_broken_clips_have_rows_without_a_class_where_that_is_not_known(checked):
    paths = Job(checked, "attribute", dataset="planted", model="r3d", method="wrong").files("maps")
    failed = [row for row in tables.read("maps", *paths) if row["status"] != "ok"]
    assert failed
    assert {(row["status"], row["target"]) for row in failed} == {("upstream", None)}


def test_one_class_has_no_runner_up():
    for target, probabilities, expected in ((0, [1.0], (None, None)), (2, [0.2, 0.3, 0.5], (1, 0.3))):
        found = for_runner_up(Request({}, target, {"probabilities": probabilities}))
        assert (found.target, found.target_probability) == expected


def test_probabilities_of_reordered_frames_are_the_models_own(checked):
    model = checkpoint.load(
        Job(checked, "train", "planted", "r3d").checkpoint, checked.models["r3d"], ["cross-vertical", "disc-horizontal"]
    )
    rows = tables.read("frame_orders", *Job(checked, "predict", dataset="planted", model="r3d").files("frame_orders"))
    clips = tables.read("clips", *Job(checked, "predict", "planted", "r3d").files("clips"))
    assert len(rows) == 3 * len(clips)
    found = {(row["clip_id"], row["frame_order"]): row for row in rows}
    for clip in clips:
        if clip["status"] != "ok":
            assert {found[clip["clip_id"], order]["status"] for order in ("shuffled", "reversed", "frozen")} == {
                "upstream"
            }
            continue
        tensor = to_tensor([clip])
        frozen = tensor[:, :, 8:9].expand_as(tensor)
        for name, frames in (("reversed", tensor.flip(2)), ("frozen", frozen)):
            with torch.no_grad():
                expected = model(frames).softmax(1)[0, clip["target"]].item()
            assert found[clip["clip_id"], name]["target_probability"] == pytest.approx(expected, abs=1e-5)
    assert {row[0] for row in asked(checked, "select distinct model from time_use")} == {"r3d"}


def test_a_model_that_does_not_see_order_answers_alike_and_nan_is_a_row_that_says_so(changed, rows, tested):
    uses = {"blind": "odd_models:blind", "nan": "odd_models:nan_above"}
    made = changed(models={name: {"use": use, "training": {"epochs": 0}} for name, use in uses.items()})
    for name in ("blind", "nan"):
        train.run(Job(made, "train", "planted", name))
        predict_all(made, name)
    own = {row["clip_id"]: row["target_probability"] for row in rows(made, "predictions", model="blind", status="ok")}
    found = rows(made, "frame_orders", model="blind", status="ok")
    assert len(found) == 3 * len(own) > 0
    for row in found:
        if row["frame_order"] != "frozen":
            assert row["target_probability"] == pytest.approx(own[row["clip_id"]], abs=1e-6)
    assert {row["status"] for row in rows(made, "frame_orders", model="nan")} == {"non_finite", "upstream"}


def test_the_orders_are_permutations_that_differ_and_are_the_same_every_time():
    orders = predict.frame_orders(16)
    assert orders == predict.frame_orders(16)
    assert [sorted(order) for order in orders["shuffled"]] == [list(range(16))] * 4
    assert len({tuple(order) for order in (*orders["shuffled"], range(16))}) == 5
    assert orders["reversed"] == [[*range(15, -1, -1)]]
    assert orders["frozen"] == [[8] * 16]


def test_a_randomised_model_without_training_clips_says_what_to_do(changed):
    made = changed(models={"half": MODELS["half"]})
    for path in Job(made, "predict", dataset="planted", model="half").files("clips", "train"):
        tables.write([], "clips", path)
    with pytest.raises(UsageError, match=r"no training clip for the statistics of 'half'.*; add one, or take"):
        train.run(Job(made, "train", "planted", "half"))
