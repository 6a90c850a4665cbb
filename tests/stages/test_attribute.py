"""The attribute stage: a row for each clip, seed and ratio; failures stay with their clip; restarts change nothing."""

from collections import Counter

import numpy as np
import pytest
import torch

from stepaudit.audit import plan
from stepaudit.audit.jobs import Job
from stepaudit.clips import box_prior
from stepaudit.clips.tensors import to_tensor
from stepaudit.errors import UsageError
from stepaudit.extremal.perturbation import Perturbation, blend
from stepaudit.maps import render
from stepaudit.networks import checkpoint
from stepaudit.running import parts
from stepaudit.stages import attribute, extract, predict, train
from stepaudit.store import tables

CLASSES = ["cross-vertical", "disc-horizontal"]
UNTRAINED = {"training": {"epochs": 0}}


def explain(made, model, method):
    """Runs the stage on both shards, and what goes before it where that is missing."""
    if not Job(made, "train", "planted", model).checkpoint.exists():
        train.run(Job(made, "train", "planted", model))
    for shard in plan.shard_names(made.shards, "test"):
        if not Job(made, "predict", dataset="planted", model=model, shard=shard).file("predictions").exists():
            predict.run(Job(made, "predict", "planted", model, shard=shard))
        attribute.run(Job(made, "attribute", "planted", model, method, shard))


def full_map(row):
    grid = torch.tensor(row["grid"]).view(1, *row["grid_shape"])
    return render(grid, row["upsampling"], (16, 32, 32))


def lasting(rows):
    """Rows without their wall time."""
    return [{**row, "seconds": None} for row in rows]


def test_every_clip_has_one_row_for_each_model_method_ratio_and_seed(whole, rows, tested):
    asked = {"step": [(0.1, 0), (0.3, 0)], "ep3d": [(0.2, 0)], "noise": [(None, 0), (None, 7)]}
    expected = Counter(
        (model, method, clip["clip_id"], ratio, seed)
        for model in whole.models
        for method in whole.methods
        for clip in tested
        for ratio, seed in asked.get(method, [(None, 0)])
    )
    found = rows(whole, "maps")
    assert Counter((r["model"], r["method"], r["clip_id"], r["ratio"], r["seed"]) for r in found) == expected


def test_broken_videos_are_rows_that_say_what_was_wrong(whole, rows, tested):
    status = {clip["clip_id"]: clip for clip in tested}
    for row in rows(whole, "maps"):
        clip = status[row["clip_id"]]
        assert row["target"] == clip["target"]
        if clip["status"] == "ok":
            assert (row["status"], row["error"]) == ("ok", None)
        else:
            assert (row["status"], row["error"]) == ("upstream", f"{clip['status']}: {clip['error']}")
            assert row["grid"] is row["volume"] is row["upsampling"] is row["seconds"] is None


def test_the_full_map_comes_back_from_the_table(whole, rows):
    for row in rows(whole, "maps", status="ok"):
        full = full_map(row)[0]
        assert 0 <= full.min() <= full.max() <= 1
        assert full.mean().item() == pytest.approx(row["volume"], abs=1e-6)
        assert full.mean(dim=(1, 2)).tolist() == pytest.approx(row["frame_volume"], abs=1e-6)
        assert row["seconds"] > 0


def test_the_kept_probability_is_that_of_the_clip_under_the_map_of_the_table(whole, rows, tested):
    clips = {clip["clip_id"]: clip for clip in tested}
    for name, entry in whole.models.items():
        model = checkpoint.load(Job(whole, "train", "planted", name).checkpoint, entry, CLASSES)
        for row in [row for method in ("step", "ep3d") for row in rows(whole, "maps", model=name, method=method)]:
            if row["status"] != "ok":
                continue
            clip = to_tensor([clips[row["clip_id"]]])
            with torch.no_grad():
                kept = model(blend(Perturbation().levels(clip), full_map(row))).softmax(1)[0, row["target"]].item()
            assert row["kept_probability"] == pytest.approx(kept, abs=1e-5)
            assert row["steps"] == 3
            assert row["preset"] == {"step": "matched", "ep3d": "corrected"}[row["method"]]
            assert row["perturbation"] == f"blur:sigma={20 / 112 * 32:g}"


def test_what_a_method_does_not_know_is_null(whole, rows):
    for method in ("grad_cam", "center", "noise"):
        for row in rows(whole, "maps", method=method):
            assert {row[name] for name in ("preset", "perturbation", "kept_probability", "steps", "ratio")} == {None}


def test_the_target_probability_is_the_predictions(whole, rows):
    of_clip = {(row["model"], row["clip_id"]): row["target_probability"] for row in rows(whole, "predictions")}
    for row in rows(whole, "maps", status="ok"):
        assert row["target_probability"] == of_clip[row["model"], row["clip_id"]]


def test_seeds_give_other_maps(whole, rows):
    for clip_id in {row["clip_id"] for row in rows(whole, "maps", method="noise", status="ok")}:
        one, other = rows(whole, "maps", method="noise", clip_id=clip_id, model="r3d")
        assert (one["seed"], other["seed"]) == (0, 7)
        assert one["grid"] != other["grid"]


def test_a_method_that_cannot_explain_a_model_has_rows_that_say_so(changed, rows):
    made = changed(models={"blind": {"use": "odd_models:blind", **UNTRAINED}})
    explain(made, "blind", "grad_cam")
    found = rows(made, "maps", model="blind", method="grad_cam")
    assert Counter(row["status"] for row in found) == {"not_applicable": 7, "upstream": 3}
    assert {row["error"] for row in found if row["status"] == "not_applicable"} == {
        "Brightness names no activation_layer, which Grad-CAM reads; set the model's `layer:`"
    }


def test_a_model_that_answers_nan_has_rows_that_say_so(changed, rows):
    made = changed(models={"nan": {"use": "odd_models:nan_above", **UNTRAINED}})
    for method in ("ep3d", "center"):
        explain(made, "nan", method)
        found = rows(made, "maps", model="nan", method=method)
        assert Counter(row["status"] for row in found) == {"upstream": 10}
        assert sum("non_finite: the model's logits hold" in row["error"] for row in found) == 7


@pytest.mark.parametrize("method", ["ep3d", "step"])
def test_an_optimisation_that_is_not_finite_has_rows_that_say_so(changed, rows, method):
    """The model's answers are finite, their gradient is not."""
    made = changed(models={"steep": {"use": "odd_models:steep", **UNTRAINED}})
    explain(made, "steep", method)
    found = rows(made, "maps", model="steep", method=method)
    ratios = len(made.methods[method].ratios)
    assert Counter(row["status"] for row in found) == {"non_finite": 7 * ratios, "upstream": 3 * ratios}
    assert all(row["grid"] is None for row in found)


def test_clips_too_short_for_the_released_kernel_have_rows_that_say_so(changed, rows):
    made = changed(clips={"frames": 2})
    for shard in plan.shard_names(made.shards, "test"):
        extract.run(Job(made, "extract", "planted", shard=shard, size=made.clips.size))
    for method, expected in (("step", {"too_short": 8 * 2, "upstream": 2 * 2}), ("ep3d", {"ok": 8, "upstream": 2})):
        for shard in plan.shard_names(made.shards, "test"):
            predict.run(Job(made, "predict", "planted", "r3d", shard=shard))
            attribute.run(Job(made, "attribute", "planted", "r3d", method, shard))
        found = rows(made, "maps", model="r3d", method=method)
        assert Counter(row["status"] for row in found) == expected


def test_a_clip_that_a_method_refuses_is_the_only_one_to_fail(changed, rows, tested):
    first = {clip["clip_id"]: to_tensor([clip])[0, :, 0].mean().item() for clip in tested if clip["status"] == "ok"}
    values = sorted(first.values())
    above = (values[-2] + values[-1]) / 2
    made = changed(methods={"picky": {"use": "odd_methods:picky", "options": {"above": above}}})
    explain(made, "r3d", "picky")
    status = {row["clip_id"]: (row["status"], row["error"]) for row in rows(made, "maps", method="picky")}
    assert len(status) == 10
    for clip_id, value in first.items():
        assert status[clip_id] == (("not_applicable", "too bright for me") if value > above else ("ok", None))


def test_the_mean_of_the_training_boxes_is_computed_once_for_all_shards_and_models(changed, whole, rows, monkeypatch):
    made, mean, calls = changed(methods={"prior": {"use": "annotation_prior"}}), box_prior.mean_boxes, []
    monkeypatch.setattr(box_prior, "mean_boxes", lambda *arguments: calls.append(1) or mean(*arguments))
    for model in made.models:
        explain(made, model, "prior")
    assert len(calls) == 1
    boxes = rows(whole, "clip_boxes", view="random0")
    labels = {clip["clip_id"]: clip["label"] for clip in rows(whole, "clips", split="train")}
    own = [box for box in boxes if box["label"] == labels.get(box["clip_id"])]
    share = torch.zeros(16, 32, 32)
    for clip_id in {box["clip_id"] for box in own}:
        inside = torch.zeros(16, 32, 32)
        for box in (box for box in own if box["clip_id"] == clip_id):
            edges = (round(box[edge]) for edge in ("x0", "y0", "x1", "y1"))
            x0, y0, x1, y1 = edges
            inside[box["frame"], y0:y1, x0:x1] = 1
        share += inside
    (prior,) = (torch.from_numpy(np.load(path)) for path in (made.folder / ".cache").iterdir())
    assert torch.equal(box_prior.of_training(Job(made, "attribute", "planted", "r3d", "prior")), prior)
    assert (prior - share / len({box["clip_id"] for box in own})).abs().mean() < 0.02  # edges are rounded otherwise


IMPURE = {
    "scaled_together": "method 'own' gives a clip another map alone than in a batch of 3; scale each map by itself",
    "turned_round": "method 'own' gives a clip another map alone than in a batch of 3; .*or set `batch_size: 1`",
    "unseeded": "method 'own' gives the same clip another map each time; draw with a generator that `seed` seeds",
}


@pytest.mark.parametrize("name", [*IMPURE, "scaled_alone", "seeded"])
def test_a_method_whose_map_is_no_function_of_the_clip_and_the_seed_is_refused(changed, rows, name):
    made = changed(methods={"own": {"use": f"odd_methods:{name}", "batch_size": 3}})
    if name not in IMPURE:
        explain(made, "r3d", "own")
        assert lasting(rows(made, "maps", method="own"))
        return
    with pytest.raises(UsageError, match=IMPURE[name]):
        explain(made, "r3d", "own")
    assert not list((made.folder / "maps").rglob("method=own/*.parquet"))


def test_in_batches_of_one_a_map_may_depend_on_the_batch(changed, rows):
    made = changed(methods={"own": {"use": "odd_methods:turned_round", "batch_size": 1}})
    explain(made, "r3d", "own")
    assert lasting(rows(made, "maps", method="own"))


def test_a_bug_in_a_method_crashes_and_writes_no_table(changed):
    made = changed(methods={"buggy": {"use": "odd_methods:buggy"}})
    with pytest.raises(ValueError, match="a bug"):
        explain(made, "r3d", "buggy")
    assert not list((made.folder / "maps").rglob("method=buggy/*.parquet"))


def test_a_shard_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(changed, whole, monkeypatch):
    made, keys = changed(), {"dataset": "planted", "model": "r3d", "method": "step", "shard": "test-000"}
    output = Job(made, "attribute", **keys).file("maps")
    output.unlink()
    add, added = parts.Parts.add, []

    def stop_at_the_third(parts, batch, rows):
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append(batch)
        add(parts, batch, rows)

    monkeypatch.setattr(parts.Parts, "add", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        attribute.run(Job(made, "attribute", **keys))
    assert not output.exists()
    monkeypatch.setattr(parts.Parts, "add", lambda kept, batch, rows: (added.append(batch), add(kept, batch, rows)))
    attribute.run(Job(made, "attribute", **keys))
    assert added == [0, 1, 2, 3]  # ten rows, three at a time, each batch made once
    assert lasting(tables.read("maps", output)) == lasting(
        tables.read("maps", Job(whole, "attribute", **keys).file("maps"))
    )
    assert [path.name for path in output.parent.iterdir() if path.name.startswith(".")] == []


def test_what_was_finished_under_other_settings_is_made_again(changed, monkeypatch):
    keys = {"dataset": "planted", "model": "r3d", "method": "step", "shard": "test-000"}
    made = changed()
    finish = parts.Parts.finish
    monkeypatch.setattr(parts.Parts, "finish", lambda kept, batches: None)
    attribute.run(Job(made, "attribute", **keys))
    monkeypatch.setattr(parts.Parts, "finish", finish)
    other = changed(methods={"step": {"ratios": [0.1, 0.3], "options": {"iterations": 1}, "batch_size": 3}})
    attribute.run(Job(other, "attribute", **keys))
    steps = {
        row["steps"]
        for row in tables.read("maps", Job(other, "attribute", **keys).file("maps"))
        if row["status"] == "ok"
    }
    assert steps == {1}


def test_batches_do_not_decide_the_rows(changed, whole, rows):
    """One row at a time gives the maps of a batch; but for rounding, which a few steps of the optimiser leave small."""
    made = changed(methods={"ep3d": {**whole.methods["ep3d"].model_dump(exclude={"use"}), "batch_size": 1}})
    explain(made, "rnn", "ep3d")
    pairs = zip(
        rows(made, "maps", method="ep3d", model="rnn"), rows(whole, "maps", method="ep3d", model="rnn"), strict=True
    )
    for mine, theirs in pairs:
        assert (mine["clip_id"], mine["status"]) == (theirs["clip_id"], theirs["status"])
        if mine["status"] == "ok":
            assert mine["volume"] == pytest.approx(theirs["volume"], abs=1e-3)
            assert mine["kept_probability"] == pytest.approx(theirs["kept_probability"], abs=1e-3)


def test_a_shard_of_training_clips_is_refused_with_the_reason(changed):
    """Only test clips are predicted and explained."""
    with pytest.raises(UsageError, match=r"'train-000'.* test"):
        attribute.run(Job(changed(), "attribute", "planted", "r3d", "center", "train-000"))
