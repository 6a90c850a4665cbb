"""The preserve stage with the bound `sufficiency`: rows of crisp masks, for the label and the runner-up."""

import re

import pytest
import torch

from stepaudit import maps
from stepaudit.audit.jobs import Job
from stepaudit.audit.requests import Request
from stepaudit.errors import UsageError
from stepaudit.extremal import fills, readings, sufficiency
from stepaudit.running import parts
from stepaudit.stages import preserve
from stepaudit.stages._crisp_masks import background
from stepaudit.store import tables

KEYS = {"dataset": "planted", "model": "r3d", "method": "ep3d"}
CRISP = {"methods": ["ep3d"], "bounds": ["sufficiency"]}


@pytest.fixture(scope="module")
def searched(whole, tmp_path_factory):
    """The audit with a short search of both shards, and its rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sufficiency, "ITERATIONS", 24)
        folder = tmp_path_factory.mktemp("crisp")
        made = whole.model_copy(update={"results": folder, "preserve": whole.preserve.model_copy(update=CRISP)})
        link(whole, made)
        for shard in ("test-000", "test-001"):
            preserve.run(Job(made, "preserve", **KEYS, shard=shard))
    return made, tables.read("preservation", made.folder / "preservation")


def link(whole, made) -> None:
    """Lets an audit read the tables of another one."""
    made.folder.mkdir(parents=True)
    for name in ("segments", "clips", "predictions", "checkpoints"):
        (made.folder / name).symlink_to(whole.folder / name)


def test_a_clip_has_a_row_for_its_label_and_one_for_the_runner_up(searched, whole, rows):
    _, found = searched
    predictions = {row["clip_id"]: row for row in rows(whole, "predictions", model="r3d")}
    assert sorted((row["clip_id"], row["asked_class"]) for row in found) == sorted(
        (clip, asked) for clip in predictions for asked in ("label", "runner_up")
    )
    sound = [row for row in found if row["status"] == "ok"]
    assert len(sound) == 14
    for row in sound:
        own = predictions[row["clip_id"]]
        assert (row["target"] == own["target"]) == (row["asked_class"] == "label")
        assert row["target_probability"] == pytest.approx(own["probabilities"][row["target"]], abs=1e-5)


def test_broken_videos_are_rows_for_both_classes(searched):
    broken = [row for row in searched[1] if row["status"] != "ok"]
    assert {row["status"] for row in broken} == {"upstream"}
    assert len(broken) == 2 * 3
    assert all(row["ratio"] is row["vacuous"] is row["log2_ratio"] is None for row in broken)


def test_numbers_of_a_row_agree_with_each_other(searched):
    for row in (row for row in searched[1] if row["status"] == "ok"):
        gains = dict(zip(row["fills"], row["empty_probabilities"], strict=True))
        assert set(gains) == {"blur", "mean-colour", "grey", "half-blur", "background"}
        assert row["vacuous"] == (not row["asking_fills"])
        assert row["volumes"] == sorted(row["volumes"])
        assert len(row["volumes"]) == len(row["shares"]) == row["evaluations"]
        assert row["passes"] <= sufficiency.BUDGET
        assert (row["random_ratio"] is None) == (row["vacuous"] or row["asked_class"] == "runner_up")
        if row["vacuous"]:
            assert (row["ratio"], row["lower"], row["upper"], row["log2_ratio"]) == (0, 0, 0, None)
        elif row["ratio"] is not None:
            assert row["lower"] < row["ratio"] <= 1
            assert row["ratio"] <= (row["ratio_75"] or 1) <= (row["ratio_90"] or 1)


def test_a_fill_asks_where_the_clip_adds_a_tenth_of_probability_to_it(searched, whole, rows):
    own = {row["clip_id"]: row["target_probability"] for row in rows(whole, "predictions", model="r3d")}
    for row in (row for row in searched[1] if row["status"] == "ok"):
        asked = zip(row["fills"], row["empty_probabilities"], strict=True)
        assert row["asking_fills"] == [name for name, empty in asked if own[row["clip_id"]] - empty >= 0.1]


def test_the_mask_of_a_row_has_its_ratio_as_its_mean(searched):
    masks = [row for row in searched[1] if row["grid"] is not None]
    for row in masks:
        grid = torch.tensor(list(row["grid"])).view(1, *row["grid_shape"])
        mask = maps.crisp_masks(grid, row["upsampling"], (16, 32, 32), [row["shown_ratio"]])
        assert mask.mean().item() == pytest.approx(row["ratio"], rel=1e-3)
    without = [row for row in searched[1] if row["grid"] is None and row["status"] == "ok"]
    assert all(row["vacuous"] or row["ratio"] in (None, 1.0) for row in without)


def test_a_clip_s_background_is_of_another_class_and_the_same_each_time(searched, whole, rows):
    label = {row["clip_id"]: row["target"] for row in rows(whole, "clips", split="test")}
    chosen = {row["clip_id"]: row["background"] for row in searched[1] if row["status"] == "ok"}
    assert all(label[clip] != label[other] for clip, other in chosen.items())


def clip(name: str, target: int = 0, status: str = "ok", seed: int = 0, pixels: str = "") -> Request:
    row = {"clip_id": name, "target": target, "status": status, "sha256": pixels or name}
    return Request(row, target, seed=seed)


def test_without_another_class_the_background_is_any_other_clip_and_without_one_there_is_none():
    assert background(clip("a"), [clip("a"), clip("b")])["clip_id"] == "b"
    assert background(clip("a"), [clip("a"), clip("b", status="bad_video")]) is None
    windows = [clip(f"{name}@0000{second}.000s") for name in "ab" for second in (0, 2)]  # the same scene is no other
    assert background(windows[0], windows)["clip_id"][0] == "b"
    assert background(windows[0], windows[:2]) is None


def test_the_same_stretch_under_another_label_is_no_background():
    others = [clip("a#run", 0, pixels="a"), clip("a#jump", 1, pixels="a"), clip("b", 0)]
    assert background(others[0], others)["clip_id"] == "b"


def test_other_seeds_draw_other_backgrounds():
    others = [clip(str(name), target=1) for name in range(20)]
    drawn = {background(clip("a", seed=seed), others)["clip_id"] for seed in range(10)}
    assert len(drawn) > 3


def test_a_search_that_was_stopped_ends_as_if_it_had_not_been(searched, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(sufficiency, "ITERATIONS", 24)
    entry = whole.methods["ep3d"].model_copy(update={"batch_size": 16})
    made = searched[0].model_copy(update={"results": tmp_path, "methods": {**whole.methods, "ep3d": entry}})
    link(whole, made)
    job = Job(made, "preserve", **KEYS, shard="test-000")
    stopped_after_a_batch(job, monkeypatch)
    monkeypatch.setattr(parts.Parts, "add", stop)  # nothing is left to make
    preserve.run(job)
    undisturbed = Job(searched[0], "preserve", **KEYS, shard="test-000").file("preservation")
    assert tables.read("preservation", job.file("preservation")) == tables.read("preservation", undisturbed)


def test_readings_are_columns_of_the_label_s_rows_and_do_not_depend_on_when_the_search_was_stopped(
    whole, tmp_path, monkeypatch
):
    """A batch for each clip; the second search ends after its first one, and goes on.

    The model has learned nothing: what counts as adding something is set so low that some clips do.
    """
    for module, name, value in (
        (sufficiency, "ITERATIONS", 24),
        (sufficiency, "BUDGET", 30),
        (readings, "FRAMES_BUDGET", 30),
        (fills, "MIN_GAIN", 1e-5),
    ):
        monkeypatch.setattr(module, name, value)
    entry = whole.methods["ep3d"].model_copy(update={"batch_size": 1})
    section = whole.preserve.model_copy(update={**CRISP, "readings": list(readings.READ), "classes": ["label"]})
    found = []
    for folder in (tmp_path / "whole", tmp_path / "stopped"):
        changes = {"results": folder, "methods": {**whole.methods, "ep3d": entry}, "preserve": section}
        link(whole, made := whole.model_copy(update=changes))
        job = Job(made, "preserve", **KEYS, shard="test-001")
        if folder.name == "stopped":
            stopped_after_a_batch(job, monkeypatch)
        preserve.run(job)
        found.append(tables.read("preservation", job.file("preservation")))
    assert found[0] == found[1]
    asked = [row for row in found[0] if row["status"] == "ok" and not row["vacuous"]]
    assert len(asked) > 1
    for row in asked:
        assert row["fewest_frames_lower"] < len(row["fewest_frames"])
        assert (row["tube_lower"] or 0) < row["tube"] <= 1
        assert 1 <= row["disjoint_pieces"] <= readings.MAX_PIECES
        assert row["readings_passes"] > 0
    others = [row for row in found[0] if row not in asked]
    assert all(row["fewest_frames"] is row["tube"] is row["disjoint_pieces"] is None for row in others)


def stopped_after_a_batch(job, monkeypatch) -> None:
    add = parts.Parts.add
    with monkeypatch.context() as patch:
        patch.setattr(parts.Parts, "add", lambda kept, batch, rows: (add(kept, batch, rows), stop()))
        with pytest.raises(KeyboardInterrupt):
            preserve.run(job)
    assert not job.file("preservation").exists()


def stop(*_arguments) -> None:
    raise KeyboardInterrupt


def test_a_method_without_this_search_is_refused_before_anything_runs(changed):
    uniform = {"uniform": {"use": "odd_methods:uniform", "ratios": [0.1]}}
    with pytest.raises(
        UsageError, match=r"'uniform' has no search for the bound `sufficiency`; use .* `bounds: \[prob"
    ):
        changed(methods=uniform, preserve={**CRISP, "methods": ["uniform"]})


def test_rows_of_an_audit_without_readings_have_none(searched):
    names = ("fewest_frames", "fewest_frames_lower", "tube", "tube_lower", "disjoint_pieces", "readings_passes")
    assert all(row[name] is None for row in searched[1] for name in names)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"readings": ["frame"]}, "readings.0: Input should be 'frames', 'tube' or 'disjoint', got 'frame'"),
        ({"readings": ["tube", "tube"]}, "readings: 'tube' is listed twice"),
        (
            {"readings": ["tube"], "bounds": ["top1"]},
            "`readings` go with the bound `sufficiency` and the class `label`",
        ),
        ({"readings": ["tube"], "classes": ["runner_up"]}, "`readings` go with the bound `sufficiency`"),
    ],
)
def test_readings_that_do_not_exist_or_have_no_search_are_refused(changed, section, problem):
    with pytest.raises(UsageError, match=re.escape(problem)):
        changed(preserve={"methods": ["ep3d"], **section})


def test_an_audit_that_only_names_methods_asks_for_both_classes_by_crisp_masks(whole):
    section = type(whole.preserve)(methods=["ep3d"])
    assert section.questions == [("sufficiency", "label"), ("sufficiency", "runner_up")]
