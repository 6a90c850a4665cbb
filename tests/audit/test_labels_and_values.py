"""Whole tiny audits of networks that give labels, one logit or a number: tables, reports, the page's sentences."""

import html
import re

import labelled_regions
import pytest

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.stages import attribute, extract, index, predict, preserve, report, score, train
from stepaudit.store import database, tables

SHOWN = {"left": {"left": 1.0}, "right": {"right": 1.0}, "left|right": {"left": 1.0, "right": 0.95}}
SPLITS = {"train": 3, "test": 2}
REGION = 0.1172  # of the clip
FALSE = ("is right on", "commonest class", "naming one class", "most clips the same answer", "runner-up", "wrong more")


def write_videos(root):
    """Folders of pictures, with labels, and ten times the left region's redness as value."""
    lines = ["video,split,labels,value"]
    for number, (name, degrees) in enumerate(SHOWN.items()):
        for split, count in SPLITS.items():
            for place in range(count):
                video = f"all/{split}-{number}-{place}"
                dim = {key: degree * (1 - 0.1 * place) for key, degree in degrees.items()}
                labelled_regions.write(root / video, dim, 10 * number + place)
                lines.append(f"{video},{split},{name},{8 * dim.get('left', 0) + 0.5}")
    (root / "videos.csv").write_text("\n".join(lines) + "\n")


def audit(folder, videos, model, **changes):
    return config.parse(
        {
            "audit": "asked",
            "results": str(folder),
            "shards": 1,
            "device": "cpu",
            "clips": {"height": 32, "width": 32, "random_views": 1},
            "datasets": {
                "mine": {
                    "use": "folder",
                    "root": str(videos),
                    "options": {"videos": "videos.csv"},
                    "validation": 0.34,
                }
            },
            "models": {"net": model},
            "methods": {
                "ep3d": {"ratios": [0.12], "options": {"preset": "corrected", "schedule": "short"}},
                "gradient": None,
                "integrated_gradients": None,
                "occlusion": None,
                "mine": {"use": "odd_methods:uniform", "ratios": [0.5]},
                "center": None,
            },
            "metrics": dict.fromkeys(("kept_probability", "mask_survival", "entropy")),
            "preserve": {"methods": ["ep3d"]},
            **changes,
        }
    )


def run(made):
    config.save(made, made.folder / "config.yaml")
    index.run(Job(made, "index", "mine"))
    for split in ("train", "validation", "test"):
        extract.run(Job(made, "extract", "mine", shard=f"{split}-000", size=made.clips.size))
    train.run(Job(made, "train", "mine", "net"))
    predict.run(Job(made, "predict", "mine", "net", shard="test-000"))
    for method in made.methods:
        attribute.run(Job(made, "attribute", "mine", "net", method, "test-000"))
        if method in made.preserve.methods:
            preserve.run(Job(made, "preserve", "mine", "net", method, "test-000"))
        score.run(Job(made, "score", "mine", "net", method, "test-000"))
    report.run(made.folder)
    return made


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("asked") / "videos"
    write_videos(root)
    return root


@pytest.fixture(scope="module")
def labels(tmp_path_factory, videos):
    model = {"use": "labelled_regions:labels", "gives": "sigmoid", "training": {"epochs": 0}}
    return run(audit(tmp_path_factory.mktemp("labels"), videos, model))


@pytest.fixture(scope="module")
def values(tmp_path_factory, videos):
    model = {
        "use": "labelled_regions:redness",
        "gives": "regression",
        "tolerance": 1.0,
        "training": {"epochs": 0},
    }
    return run(audit(tmp_path_factory.mktemp("values"), videos, model))


def rows(made, table):
    return tables.read(table, made.folder / table)


def of_report(made, sql):
    with database.connect(made.folder) as connection:
        return database.records(connection, sql)


def page(made):
    """What a reader sees of the page above its tables: headline, notices, findings."""
    text = (made.folder / "report" / "index.html").read_text(encoding="utf-8")
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


def in_left(row):
    """Share of a map that lies on the left region."""
    from stepaudit.maps import render

    full = render(*_grid(row), labelled_regions.SIZE)[0]
    area, columns = labelled_regions.REGIONS["left"]
    return (full[:, area, columns].sum() / full.sum()).item()


def _grid(row):
    import torch

    return torch.tensor(list(row["grid"])).view(1, *row["grid_shape"]), row["upsampling"]


def test_a_clip_has_a_row_for_each_of_its_labels(labels):
    names = [row["clip_id"] for row in rows(labels, "predictions")]
    assert sorted(names) == sorted(
        [f"all/test-{number}-{place}" for number in (0, 1) for place in (0, 1)]
        + [f"all/test-2-{place}#{label}" for place in (0, 1) for label in ("left", "right")]
    )


def test_a_label_s_probability_is_its_own_sigmoid_and_nothing_has_a_rank(labels):
    for row in rows(labels, "predictions"):
        assert row["gives"] == "sigmoid"
        assert row["target_probability"] == pytest.approx(row["probabilities"][row["target"]])
        assert row["target_probability"] > 0.9
        both = row["clip_id"].startswith("all/test-2")
        assert sum(row["probabilities"]) == pytest.approx(2 if both else 1, abs=0.15)
        assert (row["rank"], row["predicted"], row["predicted_when_blurred"]) == (None, None, None)


def test_each_label_s_map_lies_on_its_own_region(labels):
    """Occlusion's tubelets are 8 pixels wide, the region 10, and 11.7 % of the clip."""
    least = {"ep3d": 0.6, "gradient": 0.99, "integrated_gradients": 0.95, "occlusion": 0.25}
    for row in rows(labels, "maps"):
        if row["method"] in least:
            share = in_left(row)
            right = share > least[row["method"]] if row["target"] == 0 else share < 0.05
            assert right, (row["method"], row["clip_id"], share)


def test_each_label_needs_about_six_tenths_of_its_region(labels):
    own = [row for row in rows(labels, "preservation") if row["asked_class"] == "label"]
    assert len(own) == 8
    for row in own:
        assert 0.4 * REGION < row["ratio"] < 0.8 * REGION
        assert row["lower"] < row["ratio"]


def test_labels_have_no_runner_up(labels, values):
    for made in (labels, values):
        other = [row for row in rows(made, "preservation") if row["asked_class"] == "runner_up"]
        assert {row["status"] for row in other} == {"not_applicable"}
        assert all("stands against no other class" in row["error"] for row in other)


def test_labels_have_average_precision_and_no_accuracy(labels):
    assert of_report(labels, "from accuracy") == []
    assert of_report(labels, "from confusions") == []
    assert of_report(labels, "from accuracy_by_class") == []
    whole, left, right = of_report(labels, "from label_precision")
    assert [row["label"] for row in (whole, left, right)] == [None, "left", "right"]
    for row in (left, right):
        assert (row["clips"], row["own_clips"], row["videos"]) == (6, 4, 4)
        assert row["average_precision_percent"] == 100
        assert row["average_precision_percent_low"] == pytest.approx(51, abs=0.1)  # Wilson's, four of four
        assert row["chance_percent"] == pytest.approx(66.7)


def test_the_page_says_nothing_of_accuracy_or_of_a_commonest_class(labels, values):
    for made in (labels, values):
        (overview,) = of_report(made, "from model_overview")
        assert (overview["top1_percent"], overview["commonest_class_percent"]) == (None, None)
        assert overview["need_percent"] is not None
        findings = page(made).partition("Further questions")[0]
        found = [text for text in FALSE if text in findings.partition("Models at a glance")[0]]
        assert found == []


def test_the_page_says_how_often_a_clip_counts(labels, values):
    sentence = "Clips with several labels count once for each of them: of 6 test clips there are 8 rows."
    assert sentence in page(labels)
    assert sentence in page(values)


def test_a_value_is_predicted_as_it_is(values):
    for row in rows(values, "predictions"):
        expected = 0 if row["clip_id"].startswith("all/test-1") else 8 - 0.8 * int(row["clip_id"][11])
        assert row["output"] == pytest.approx(expected, abs=0.1)
        assert (row["rank"], row["probabilities"], row["target_probability"]) == (None, None, 1)


def test_a_value_needs_seven_eighths_of_its_region(values):
    shown = [
        row
        for row in rows(values, "preservation")
        if row["asked_class"] == "label" and not row["clip_id"].startswith("all/test-1")
    ]
    assert len(shown) == 6
    for row in shown:
        assert 0.98 * 0.86 * REGION < row["ratio"] < 1.02 * REGION


def test_gradients_explain_the_output_and_masks_whether_it_stays(values):
    for row in rows(values, "maps"):
        if row["method"] in ("gradient", "ep3d") and not row["clip_id"].startswith("all/test-1"):
            assert in_left(row) > 0.6
        if row["method"] == "gradient":
            assert row["options"] == '{"score":"logit"}'
        if row["method"] == "ep3d":
            assert row["kept_probability"] > 0.5


def test_a_method_that_does_not_say_what_it_explains_of_a_value_has_a_reason(values, labels):
    for made, status in ((values, "not_applicable"), (labels, "ok")):
        assert {row["status"] for row in rows(made, "maps") if row["method"] == "mine"} == {status}
    errors = {row["error"] for row in rows(values, "maps") if row["method"] == "mine"}
    assert all("does not say what it explains of a regression; set beside it" in error for error in errors)


def test_errors_of_values_stand_beside_those_of_the_training_mean(values):
    """By hand: each answer is off by 0.5; the training mean by what the table of segments says."""
    (row,) = of_report(values, "from value_errors")
    assert (row["clips"], row["videos"]) == (8, 6)
    assert row["error"] == pytest.approx(0.5, abs=0.01)
    segments = rows(values, "segments")
    learned = [each["value"] for each in segments if each["split"] == "train"]
    tested = [each["value"] for each in segments if each["split"] == "test"]
    mean = sum(learned) / len(learned)
    off = sum(abs(value - mean) for value in tested) / len(tested)
    assert row["mean_error"] == pytest.approx(off, abs=1e-3)
    assert row["gain"] == pytest.approx(off - row["error"], abs=1e-3)
    assert row["gain_low"] > 0
    assert row["within_percent"] == 100
    assert of_report(values, "from accuracy") == []


def test_closeness_is_what_metrics_are_given(values):
    kept = [row for row in rows(values, "scores") if row["metric"] == "mask_survival.clip" and row["status"] == "ok"]
    assert kept
    assert all(row["value"] == pytest.approx(1, abs=1e-3) for row in kept)
    kept = [row for row in rows(values, "scores") if row["metric"] == "kept_probability" and row["status"] == "ok"]
    assert {row["method"] for row in kept} >= {"ep3d", "gradient", "center"}


@pytest.mark.parametrize("gives", ["sigmoid", "regression"])
def test_training_takes_all_labels_of_a_clip_once_or_its_value(tmp_path, videos, gives):
    use = {"sigmoid": "labels", "regression": "redness"}[gives]
    model = {
        "use": f"labelled_regions:{use}",
        "gives": gives,
        "training": {"epochs": 3, "batch_size": 4, "learning_rate": 1e-4},
        **({"tolerance": 1.0} if gives == "regression" else {}),
    }
    made = audit(tmp_path, videos, model)
    index.run(Job(made, "index", "mine"))
    for split in ("train", "validation"):
        extract.run(Job(made, "extract", "mine", shard=f"{split}-000", size=made.clips.size))
    from stepaudit.stages.train import _clips

    names, _, targets = _clips(Job(made, "train", "mine", "net"), "train")
    segments = {row["clip_id"]: row for row in rows(made, "segments")}
    videos_of = [segments[name]["video_id"] for name in names]
    if gives == "sigmoid":
        assert len(set(videos_of)) == len(videos_of)
        expected = [{"0": [1, 0], "1": [0, 1], "2": [1, 1]}[video[10]] for video in videos_of]
        assert targets.tolist() == expected
    else:
        assert targets[:, 0].tolist() == pytest.approx([segments[name]["value"] for name in names])
    train.run(Job(made, "train", "mine", "net"))
    log = rows(made, "training_log")
    assert len(log) == 3
    assert {row["train_accuracy"] for row in log} == {row["validation_accuracy"] for row in log} == {None}
    best = min(log, key=lambda row: row["validation_loss"])
    assert best["best"]
    assert log[-1]["train_loss"] < log[0]["train_loss"]
