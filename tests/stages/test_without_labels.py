"""Videos without a label: each model's answer is explained, and nothing is said that supposes a label."""

import shutil

import pytest

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.commands.check import requested_rows, values
from stepaudit.errors import UsageError
from stepaudit.extremal import sufficiency
from stepaudit.networks import checkpoint
from stepaudit.report.page import conclusions
from stepaudit.stages import attribute, extract, index, predict, preserve, report, score, train
from stepaudit.store import database, tables

NAMES = ["cross-vertical", "disc-horizontal"]
OF_LABELS = ("accuracy", "accuracy_by_class", "confusions", "class_cues", "planted_shortcut")


def audit(root, results, models, **changes):
    return config.parse(
        {
            "audit": "footage",
            "results": str(results),
            "shards": 1,
            "clips": {"height": 32, "width": 32, "random_views": 1},
            "datasets": {"footage": {"use": "folder", "root": str(root)}},
            "models": models,
            "methods": {"ep3d": {"ratios": [0.2], "options": {"iterations": 3}}, "grad_cam": None, "center": None},
            "metrics": {"kept_probability": {}, "spatial_pointing": {}, "mask_survival": {"methods": ["ep3d"]}},
            "preserve": {"methods": ["ep3d"]},
            **changes,
        }
    )


def run(made):
    config.save(made, made.folder / "config.yaml")
    index.run(Job(made, "index", "footage"))
    for size in made.sizes:
        for split in made.splits_cut("footage"):
            for shard in Job(made, "extract", "footage", size=size).shards("clips", split):
                extract.run(Job(made, "extract", "footage", shard=shard, size=size))
    for model in made.models:
        train.run(Job(made, "train", "footage", model))
        predict.run(Job(made, "predict", "footage", model, shard="test-000"))
        for method in made.methods:
            attribute.run(Job(made, "attribute", "footage", model, method, "test-000"))
        preserve.run(Job(made, "preserve", "footage", model, "ep3d", "test-000"))
    for model in made.models:
        for method in made.methods:
            score.run(Job(made, "score", "footage", model, method, "test-000"))
    return report.run(made.folder)


def copied(videos, root, *names):
    """Some of the planted videos, moved to other places."""
    for place, name in names:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next(videos.rglob(f"{name}.*")), root / place)
    return root


@pytest.fixture(scope="module")
def known(whole):
    """The trained model of the tiny audit as a checkpoint, and its twin on other outputs."""
    path = str(Job(whole, "train", "planted", "r3d").checkpoint)
    return {"use": "r2plus1d_18", "options": {"width": 2}, "checkpoint": path}


@pytest.fixture(scope="module")
def footage(videos, whole, known, tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    names = [(f"cam{place}.mp4", f"{name}-test-00{place}") for place, name in enumerate(("disc-horizontal",) * 3)]
    root = copied(videos, folder / "videos", *names)
    (root / "cut.mp4").write_bytes(b"no video")
    (folder / "names.txt").write_text("zebra\nwolf\nyak\n")
    made = audit(
        root,
        folder / "results",
        {
            "known": known,
            "animals": {"use": "r3d_18", "options": {"width": 2}, "training": {"epochs": 0}, "outputs": "all",
                        "classes": str(folder / "names.txt")},
        },
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sufficiency, "ITERATIONS", 24)
        page = run(made)
    return made, page.read_text()


def rows(made, table):
    return tables.read(table, made.folder / table)


def test_label_and_target_are_null_and_the_answer_is_explained(footage):
    made, _ = footage
    assert {(row["label"], row["target"], row["split"]) for row in rows(made, "segments")} == {(None, None, "test")}
    answers = {}
    for row in rows(made, "predictions"):
        assert row["label"] is row["target"] is row["rank"] is row["target_probability"] is None
        assert (row["status"] == "ok") == (row["clip_id"] != "cut.mp4")
        answers[row["model"], row["clip_id"]] = row
    for row in [*rows(made, "maps"), *rows(made, "preservation")]:
        answer = answers[row["model"], row["clip_id"]]
        if row["status"] == "ok" and row.get("asked_class") != "runner_up":
            values = answer["probabilities"]
            assert row["target"] == values.index(max(values))
            assert row["target_name"] == answer["predicted"]
    assert {row["predicted"] for row in answers.values()} <= {*NAMES, "zebra", "wolf", "yak", None}


def test_the_classes_are_the_models_own(footage):
    made, _ = footage
    names = {model: checkpoint.output_names(Job(made, "predict", "footage", model)) for model in made.models}
    assert names == {"known": NAMES, "animals": ["zebra", "wolf", "yak"]}


def test_a_mask_is_not_shown_to_a_model_that_does_not_know_the_class(footage):
    found = [row for row in rows(footage[0], "scores") if row["metric"].startswith("mask_survival.peer")]
    assert {(row["model"], row["metric"], row["value"]) for row in found} == {
        (model, "mask_survival.peer", None) for model in ("known", "animals")
    }


def test_what_needs_annotation_says_that_there_is_none(footage):
    pointing = [row for row in rows(footage[0], "scores") if row["metric"] == "spatial_pointing"]
    assert {row["status"] for row in pointing if row["method"] == "center"} == {"no_annotation", "upstream"}


def test_the_page_says_that_there_are_no_labels_and_nothing_that_supposes_some(footage):
    made, text = footage
    sentence = (
        "The clips have no label: what is explained is each model&#39;s answer, and nothing says if that is right."
    )
    assert text.count(sentence) == 1
    assert "No label" in text
    assert "Clips by class" not in text
    assert "how often is each right" not in text
    assert ">None<" not in text
    with database.connect(made.folder) as connection:
        for name in OF_LABELS:
            assert database.fetch(connection, f'from "{name}"')[1] == [], name
        found = conclusions.conclusions(connection, made)
        assert database.fetch(connection, "select count(*) from gallery_choices where rule = 'no label'")[1] == [(3,)]
    words = " ".join(f"{each.lead} {each.numbers}" for each in found)
    assert not any(word in words for word in ("right", "wrong", "naming one class"))


def test_check_finds_nothing_amiss(footage):
    made, _ = footage
    files = list(made.folder.rglob("*.parquet"))
    assert list(requested_rows.problems(made, files)) == []
    assert list(values.problems(files, made.folder)) == []


def test_a_data_set_with_and_without_labels_is_trained_on_and_explained(videos, known, tmp_path):
    names = [(f"{label}/{n}.mp4", f"{label}-train-00{n}") for label in NAMES for n in range(2)]
    root = copied(videos, tmp_path / "videos", *names, ("cam.mp4", "disc-horizontal-test-000"))
    model = {"use": "r2plus1d_18", "options": {"width": 2}, "training": {"epochs": 1, "batch_size": 4}}
    made = audit(root, tmp_path / "results", {"r3d": model})
    options = {"unlabelled": True, "test_share": 0.5}
    made = made.model_copy(
        update={"datasets": {"footage": made.datasets["footage"].model_copy(update={"options": options})}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sufficiency, "ITERATIONS", 24)
        text = run(made).read_text()
    found = {row["clip_id"]: row for row in rows(made, "predictions")}
    assert {clip for clip, row in found.items() if row["label"] is None} == {"cam.mp4"}
    assert {row["asked_class"] for row in rows(made, "preservation") if row["clip_id"] == "cam.mp4"} == {
        "predicted",
        "runner_up",
    }
    assert len(found) == 3
    sentence = "1 of them has no label: there each model&#39;s answer is explained, and nothing says if it is right."
    assert sentence in text
    with database.connect(made.folder) as connection:
        ((asked, clips),) = database.fetch(connection, "select clips_asked, clips from accuracy")[1]
    assert (asked, clips) == (3, 2)


def test_nothing_is_trained_without_labels_and_a_model_needs_names_for_its_classes(videos, tmp_path):
    root = copied(videos, tmp_path / "videos", ("cam.mp4", "disc-horizontal-test-000"))
    trained = audit(root, tmp_path / "one", {"r3d": {"use": "r2plus1d_18", "options": {"width": 2}}})
    with pytest.raises(UsageError, match=r"no video has a label, so that no model can be trained: put videos into"):
        index.run(Job(trained, "index", "footage"))
    entry = {"use": "r2plus1d_18", "options": {"width": 2}, "training": {"epochs": 0}}
    unnamed = audit(root, tmp_path / "two", {"r3d": entry})
    index.run(Job(unnamed, "index", "footage"))
    with pytest.raises(UsageError, match=r"the names of the classes must come from the model: give a `checkpoint`"):
        train.run(Job(unnamed, "train", "footage", "r3d"))
