"""`stepaudit init`: it sees what lies in a folder, and what it writes is valid, commented and runs."""

import csv
import os
import re
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from epic_files import action, touch_videos, write_epic
from PIL import Image

from stepaudit.audit import config, registry
from stepaudit.audit.jobs import Job
from stepaudit.commands.init import budgets, choices, command, configuration, layouts, sampling, survey
from stepaudit.commands.init.choices import Choices
from stepaudit.errors import UsageError
from stepaudit.stages import extract, index
from stepaudit.store import package_files, tables

ROOT = Path(__file__).parents[1]
BOX_METRICS = {"spatial_pointing", "mass_in_box", "box_share", "box_auc"}
ACTION_METRICS = {"temporal_pointing", "mass_in_segment", "segment_auc"}
FLOORS = {"center", "edges", "motion_energy", "random_pixel"}


def put(folder: Path, *names: str, frames: int = 16) -> Path:
    """Videos as folders of pictures: no encoder is needed."""
    for name in names:
        place = folder / name
        place.mkdir(parents=True)
        for frame in range(frames):
            Image.fromarray(np.full((32, 40, 3), 9 * frame, np.uint8)).save(place / f"{frame}.png")
    return folder


@pytest.fixture
def videos(tmp_path, monkeypatch):
    """The folder `videos`, named as a user in the folder above it does: two classes of four videos."""
    monkeypatch.chdir(tmp_path)
    return put(Path("videos"), *(f"{label}/{number}" for label in ("run", "swim") for number in range(4)))


@pytest.fixture
def boxed(videos):
    """The same with boxes in every fifth frame, and the frames of the action."""
    names = [f"{label}/{number}" for label in ("run", "swim") for number in range(4)]
    boxes = [f"{name},{frame},1,2,30,20" for name in names for frame in (0, 5, 10)]
    (videos / "boxes.csv").write_text("video,frame,x0,y0,x1,y1\n" + "\n".join(boxes) + "\n")
    lines = [f"{name},0,16,4,9" for name in names]
    (videos / "segments.csv").write_text("video,start,stop,action_start,action_stop\n" + "\n".join(lines) + "\n")
    return videos


def written(folder: Path, out: str = "my.yaml", **given: str) -> config.Config:
    """The configuration that a call with these options writes."""
    command.run(folder, Path(out), given, echo=lambda line: None)
    return config.load(Path(out))


def test_class_folders_are_seen_with_their_videos_frames_and_pixels(videos):
    seen = survey.look(videos)
    assert (seen.source.use, seen.source.root, seen.source.options) == ("folder", videos, {})
    assert (seen.labels, len(seen.segments)) == (["run", "swim"], 8)
    assert {(each.frames, each.height, each.width, each.error) for each in seen.seen} == {(16, 32, 40, "")}
    assert len(seen.seen) == survey.SAMPLE
    assert (seen.boxed, seen.with_action) == (0, 0)


@pytest.mark.parametrize("name", ["2024", "1.10", "on"])
def test_a_folder_whose_name_yaml_takes_for_a_number_or_a_flag_keeps_it(videos, name):
    made = written(videos.rename(videos.with_name(name)))
    assert (made.audit, list(made.datasets)) == (name, [name])


def test_split_folders_are_seen(tmp_path):
    put(tmp_path, "train/run/0", "train/swim/1", "test/run/2", "test/swim/3", "validation/run/4", "validation/swim/5")
    seen = survey.look(tmp_path)
    assert {split: len(seen.of(split)) for split in ("train", "validation", "test")} == {
        "train": 2,
        "validation": 2,
        "test": 2,
    }
    assert "2 classes, 2 to train on, 2 to validate on, 2 to test on" in configuration.summary(seen)


def test_annotation_beside_the_videos_is_read_and_boxes_reach_as_far_as_the_next_ones(boxed):
    seen = survey.look(boxed)
    assert seen.source.options == {"segments": "segments.csv", "boxes": "boxes.csv"}
    assert (seen.boxed, seen.with_action) == (2, 2)
    assert seen.source.box_distance == 2  # from 5 to 5 frames, each takes those of the nearest


def test_class_folders_one_level_further_down_are_found_and_told(tmp_path, videos):
    seen = survey.look(tmp_path)
    assert seen.source.root == tmp_path / "videos"
    assert f"the class folders lie in {tmp_path / 'videos'}" in seen.notes


def test_names_that_tell_a_scene_keep_its_videos_together(tmp_path):
    names = [
        f"{label}/v_{label}_g{group:02d}_c{clip:02d}" for label in ("a", "b") for group in range(4) for clip in (1, 2)
    ]
    seen = survey.look(put(tmp_path, *names))
    groups = {split: {row["group"] for row in seen.of(split)} for split in ("train", "test")}
    assert groups["train"]
    assert groups["test"]
    assert not groups["train"] & groups["test"]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "no video in it; put video files"),
        (["run/0", "run/1"], "one class, run; a classifier needs videos of another class"),
        (["train/run/0", "train/swim/1"], "no test videos; put some into"),
        (["run/0", "swim/1", "swim/2"], "class 'run': its 1 group cannot be divided"),
    ],
)
def test_a_folder_that_no_audit_can_use_is_refused_with_the_next_step(tmp_path, names, text):
    with pytest.raises(UsageError, match=text):
        survey.look(put(tmp_path, *names))


def test_videos_that_lie_loose_are_to_be_put_into_folders(tmp_path):
    (tmp_path / "jump.mp4").touch()
    with pytest.raises(
        UsageError,
        match=r"1 videos are not in a folder of their class, such as jump.mp4, so that nothing can be trained; make a "
        r"folder for each class, .* --weights R2Plus1D_18_Weights.KINETICS400_V1`",
    ):
        configuration.draft(survey.look(tmp_path), Choices(tmp_path, Path("my.yaml")))
    with pytest.raises(UsageError, match="no such folder; name the folder of your videos"):
        survey.look(tmp_path / "none")


def test_videos_without_class_folders_are_for_a_trained_model_whose_answers_are_explained(tmp_path):
    (tmp_path / "jump.mp4").touch()
    seen = survey.look(tmp_path)
    weights = "R2Plus1D_18_Weights.KINETICS400_V1"
    made = configuration.draft(seen, Choices(tmp_path, Path("my.yaml"), weights=weights))
    assert "no class folders, 1 to test on" in configuration.summary(seen)
    read = config.parse(yaml.safe_load(made.text))
    (entry,) = read.models.values()
    assert (entry.weights, entry.outputs, entry.training.epochs) == (weights, "all", 0)
    assert "classes: names.txt" not in made.text
    own = configuration.draft(seen, Choices(tmp_path, Path("my.yaml"), weights="mine.pt"))
    assert "# classes: names.txt" in own.text


def test_what_does_not_decode_or_is_too_short_or_not_read_is_told(videos):
    (videos / "run/0/0.png").write_bytes(b"no picture")
    (videos / "labels.csv").touch()
    put(videos, "swim/9", frames=3)
    seen = survey.look(videos)
    text = configuration.draft(seen, Choices(videos, Path("my.yaml"))).text
    assert "# does not decode: 0/0.png: no readable picture.\n" in text
    assert "# 9 has fewer than 16 frames: such videos get the status `too_short`.\n" in text
    assert "# not read: labels.csv; annotation of your own stands in videos.csv, segments.csv, boxes.csv.\n" in text


def test_epic_kitchens_is_seen_by_its_official_files(tmp_path):
    lines = [action(n, "P01_01", 300 * n + 201, 300 * n + 300, verb=str(n % 2)) for n in range(20)]
    root = touch_videos(write_epic(tmp_path, lines), "P01_01")
    source = layouts.find(root)
    assert (source.use, source.options) == ("epic_action", {"partial": True, "classes": 2, "per_class": 2})
    moved = root / "P01/videos"
    moved.mkdir(parents=True)
    (root / "videos/train/P01/P01_01.MP4").rename(moved / "P01_01.MP4")
    assert layouts.find(root).options["files"] == "{participant}/videos/{video}.MP4"


@pytest.fixture(scope="module")
def real() -> Path:
    folder = Path(os.environ.get("STEPAUDIT_TEST_DATA", "not set"))
    if not (folder / "UCF101-24" / "pyannot.pkl").is_file():
        pytest.skip("STEPAUDIT_TEST_DATA names no folder with UCF-101, ucfTrainTestlist and UCF101-24")
    return folder


def test_real_ucf101_is_seen_with_the_annotated_classes_that_can_be_trained_and_tested(real, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = written(real)
    (entry,) = settings.datasets.values()
    assert entry.use == "ucf101_24"
    assert set(entry.options["classes"]) >= {"BasketballDunk", "Surfing"}
    assert entry.options["per_class"] <= 10
    assert set(settings.metrics) >= BOX_METRICS | ACTION_METRICS
    text = Path("my.yaml").read_text()
    assert re.search(r"boxes on (\d+) of the \1 test segments, action times on \1 of the \1 test segments", text)
    assert "320×240 pixels" in text


@pytest.mark.parametrize("budget", budgets.BUDGETS)
def test_what_every_budget_writes_is_valid_and_has_floors_and_the_metrics_that_the_annotation_allows(boxed, budget):
    settings = written(boxed, budget=budget)
    assert set(settings.methods) >= {*FLOORS, "annotation_prior", "step"}
    assert set(settings.metrics) >= BOX_METRICS | ACTION_METRICS
    assert settings.preserve.methods == ["step"]
    assert settings.datasets["videos"].box_distance == 2
    assert settings.datasets["videos"].root == Path("videos")


@pytest.mark.parametrize("budget", budgets.BUDGETS)
def test_without_annotation_no_metric_needs_some_and_the_file_says_what_would(videos, budget):
    settings = written(videos, budget=budget)
    assert not set(settings.metrics) & (BOX_METRICS | ACTION_METRICS)
    assert "annotation_prior" not in settings.methods  # it is made of boxes
    text = Path("my.yaml").read_text()
    assert "# With boxes of the object (a file boxes.csv in the folder): spatial_pointing" in text
    assert "# With the frames of the action (a file segments.csv): temporal_pointing" in text


@pytest.mark.parametrize("model", sorted(budgets.PRETRAINED))
@pytest.mark.parametrize("weights", ["none", None])
def test_every_family_can_be_chosen_with_its_weights_or_narrow(videos, model, weights):
    seen = survey.look(videos)
    text = configuration.draft(seen, Choices(videos, Path("my.yaml"), "standard", model=model, weights=weights)).text
    entry = config.parse(yaml.safe_load(text)).models[model]
    name, (frames, height, width) = budgets.PRETRAINED[model]
    if weights is None:
        assert (entry.weights, entry.options) == (name, {})
        assert re.search(rf"frames: {frames} .*\n  height: {height} .*\n  width: {width}\n", text)
    else:
        assert entry.weights is None
        assert f"# weights: {name}  # knows videos already" in text


def test_the_families_are_those_of_the_documentation_with_the_same_weights():
    table = dict(re.findall(r"^\| `(\w+)` \| `(\w+\.\w+)` \|", (ROOT / "config/MODELS.md").read_text(), re.M))
    assert {model: name for model, (name, _) in budgets.PRETRAINED.items()} == table


def test_everything_that_a_budget_names_is_registered():
    metrics = {*BOX_METRICS, *ACTION_METRICS}
    for budget in budgets.BUDGETS.values():
        assert set(budget.methods) <= set(registry.names("methods"))
        assert {*budget.metrics, *budget.box_metrics, *budget.action_metrics} <= set(registry.names("metrics"))
        assert metrics <= {*budget.box_metrics, *budget.action_metrics}
        for names, measure in ((budget.box_metrics, "boxes"), (budget.action_metrics, "in_action")):
            assert all(measure in registry.find("metrics", name).measures for name in names)
        for name in budget.metrics:
            assert not {"boxes", "in_action"} & set(registry.find("metrics", name).measures) or name == "mask_survival"
    narrow = {option for model in budgets.PRETRAINED for option in registry.find("models", model).options}
    assert set(budgets.NARROW) <= narrow
    assert configuration.COMMENTS.keys() >= {key for each in budgets.BUDGETS.values() for key in each.preserve}


def test_options_replace_what_the_budget_proposes(videos):
    settings = written(
        videos, model="mc3_18", weights="none", methods="occlusion, step", size="8x32x48", audit="my audit!"
    )
    assert (settings.audit, list(settings.datasets)) == ("my_audit", ["videos"])  # so that two audits can be compared
    assert settings.models["mc3_18"].options == {"width": budgets.NARROW["width"]}
    assert set(settings.methods) == {"occlusion", "step", *FLOORS}
    assert next(iter(settings.sizes)) == "8x32x48"
    assert written(videos, "two.yaml", methods="grad_cam").preserve.methods == []


@pytest.mark.parametrize("weights", ["mine.pt", "there_without_an_ending"])
def test_own_weights_are_audited_as_they_are_and_no_training_clip_is_cut(videos, weights):
    Path("there_without_an_ending").touch()
    settings = written(videos, weights=weights)
    (entry,) = settings.models.values()
    assert (entry.weights, entry.training.epochs) == (weights, 0)
    assert settings.splits_cut("videos") == ("test",)


def test_weights_of_torchvision_are_fine_tuned(videos):
    settings = written(videos, weights="R2Plus1D_18_Weights.KINETICS400_V1")
    assert settings.models["r2plus1d_18"].training.epochs
    assert settings.splits_cut("videos") == ("train", "validation", "test")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"budget": "quik"}, "no budget 'quik'; did you mean 'quick'?"),
        ({"model": "r2plus1d"}, "no model 'r2plus1d'; did you mean 'r2plus1d_18'?"),
        ({"methods": "step,gradcam"}, "no method 'gradcam'; did you mean 'grad_cam'?"),
        ({"size": "112"}, "--size 112: give frames, height and width from 16 pixels on, such as 16x112x112"),
        ({"size": "16x8x8"}, "--size 16x8x8: give frames, height and width from 16 pixels on"),
        ({"model": "no_such_module:build"}, "cannot find the module"),
    ],
)
def test_a_choice_that_there_is_not_is_refused_and_nothing_is_written(videos, given, text):
    with pytest.raises(UsageError, match=re.escape(text)):
        written(videos, **given)
    assert not Path("my.yaml").exists()


def test_a_model_of_ones_own_is_named_by_its_module(videos):
    Path("own_net.py").write_text("def build(classes, *, width: int = 3):\n    return None\n")
    made = configuration.draft(survey.look(videos), Choices(videos, Path("my.yaml"), model="own_net:build"))
    entries = yaml.safe_load(made.text)["models"]
    assert entries["own_net_build"]["use"] == "own_net:build"


def test_nothing_is_overwritten_but_by_force(videos):
    Path("my.yaml").write_text("mine")
    with pytest.raises(UsageError, match="exists already; replace it with --force"):
        written(videos)
    assert Path("my.yaml").read_text() == "mine"
    command.run(videos, Path("my.yaml"), {}, force=True, echo=lambda line: None)
    assert config.load(Path("my.yaml")).audit == "videos"


def test_a_large_folder_is_cut_to_the_budget_by_a_list_beside_the_configuration(videos, monkeypatch):
    small = budgets.Budget(**{**vars(budgets.BUDGETS["quick"]), "training_clips": 2, "test_clips": 1})
    monkeypatch.setitem(budgets.BUDGETS, "quick", small)
    settings = written(videos, "sub/my.yaml")
    entry = settings.datasets["videos"]
    assert entry.options["videos"] == "../sub/my.videos.csv"
    rows, _ = settings.component("datasets", "videos").load()(entry.root, **entry.options)
    assert Counter((row["label"], row["split"]) for row in rows) == {
        (label, split): count for label in ("run", "swim") for split, count in (("train", 2), ("test", 1))
    }
    with Path("sub/my.videos.csv").open() as file:
        assert Counter(row["split"] for row in csv.DictReader(file)) == {"train": 4, "test": 2, "unused": 2}
    again = written(videos, "again.yaml")
    assert again.datasets["videos"].options["videos"] == "../again.videos.csv"
    assert Path("again.videos.csv").read_text() == Path("sub/my.videos.csv").read_text()


def test_a_list_beside_a_linked_folder_is_found(videos, monkeypatch, tmp_path):
    small = budgets.Budget(**{**vars(budgets.BUDGETS["quick"]), "training_clips": 2})
    monkeypatch.setitem(budgets.BUDGETS, "quick", small)
    (tmp_path / "far").mkdir()
    (tmp_path / "videos").rename(tmp_path / "far/away")
    Path("videos").symlink_to("far/away")
    settings = written(Path("videos"))
    entry = settings.datasets["videos"]
    assert len(settings.component("datasets", "videos").load()(entry.root, **entry.options)[0]) == 6


def test_a_list_that_the_user_wrote_is_left_as_it_is(videos):
    lines = [f"{label}/{number},{'test' if number else 'train'}" for label in ("run", "swim") for number in range(4)]
    (videos / "videos.csv").write_text("video,split\n" + "\n".join(lines) + "\n")
    seen = survey.look(videos)
    small = budgets.Budget(**{**vars(budgets.BUDGETS["quick"]), "training_clips": 1, "test_clips": 1})
    assert sampling.choose(seen, small, Path("my.yaml")) == (None, {"videos": "videos.csv"})


def test_it_asks_for_what_is_not_given_and_again_until_the_answer_makes_sense(videos):
    told, asked = [], []
    answers = iter(["slow", "standard", "r3d_18", "none", "", "8x32x32"])

    def ask(text: str, default: str) -> str:
        asked.append((text.splitlines()[-1].split(" (")[0], default))
        return next(answers) or default

    command.run(videos, Path("my.yaml"), {}, ask=ask, echo=told.append)
    assert asked == [
        ("Budget", "quick"),
        ("Budget", "quick"),
        ("Model", "r2plus1d_18"),
        ("Weights to begin with", "R3D_18_Weights.KINETICS400_V1"),
        ("Methods", "step,ep3d,grad_cam"),
        ("Frames, height and width of the clips", "16x112x112"),
    ]
    assert any("no budget 'slow'" in line for line in told)
    settings = config.load(Path("my.yaml"))
    assert (list(settings.models), list(settings.sizes)) == (["r3d_18"], ["8x32x32"])
    assert len(choices.QUESTIONS) == 5


def test_it_says_how_long_it_takes_and_what_to_run_next(videos):
    told = []
    command.run(videos, Path("my.yaml"), {}, echo=told.append)
    assert told[0].startswith("videos: 2 classes, 6 to train on, 2 to test on, 4 opened: 40×32 pixels, 16 to 16 frames")
    assert told[1:4] == ["  class  train  test", "  run        3     1", "  swim       3     1"]
    assert told[4] == "written: my.yaml"
    assert re.fullmatch(r"Estimate: about .* on one core, in \d+ jobs\.", told[5])
    commands = [line.strip() for line in told[7:]]
    assert commands[0] == "stepaudit doctor my.yaml"
    assert all(f"#   {command}" in Path("my.yaml").read_text() for command in commands)
    assert commands[-1].endswith("--cores all --configfile my.yaml")


def test_snakemake_is_given_the_rules_of_the_checkout_where_there_are_none(tmp_path):
    assert package_files.snakemake(ROOT) == "snakemake"
    assert package_files.snakemake(tmp_path) == f"snakemake -s {ROOT / 'Snakefile'}"
    (tmp_path / "Snakefile").write_text("rule another_project: output: 'x'")
    assert package_files.snakemake(tmp_path) == f"snakemake -s {ROOT / 'Snakefile'}"


def test_snakemake_is_given_the_rules_of_the_package_where_that_was_installed(tmp_path, monkeypatch):
    """A wheel has them in `_workflow`; pyproject.toml puts them there."""
    rules = tmp_path / "stepaudit" / "_workflow" / "Snakefile"
    rules.parent.mkdir(parents=True)
    monkeypatch.setattr(package_files, "PACKAGE", tmp_path / "stepaudit")
    assert package_files.snakemake(tmp_path) == f"snakemake -s {rules}"
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert included["force-include"]["Snakefile"] == "stepaudit/_workflow/Snakefile"
    assert included["force-include"]["workflow"] == "stepaudit/_workflow/workflow"


def test_what_it_writes_runs(boxed):
    """The first stages, on the configuration as it is written."""
    settings = written(boxed, size="4x16x16")
    settings = settings.with_plan(config.Plan({}, 1))
    index.run(Job(settings, "index", "videos"))
    for split in ("train", "validation", "test"):
        extract.run(Job(settings, "extract", "videos", shard=f"{split}-000", size="4x16x16"))
    rows = tables.read(
        "clips", *Job(settings, "extract", dataset="videos", size="4x16x16").file("clips").parent.glob("*.parquet")
    )
    assert {row["status"] for row in rows} == {"ok"}
    assert Counter(row["split"] for row in rows)["test"] == 2
    boxes = tables.read(
        "clip_boxes", *Job(settings, "extract", dataset="videos", size="4x16x16").file("clip_boxes").parent.glob("*")
    )
    assert boxes


def test_the_command_asks_nothing_where_there_is_no_terminal(videos, stepaudit):
    status, out, err = stepaudit("init", "videos", "--out", "my.yaml")
    assert (status, err) == (0, "")
    assert "written: my.yaml" in out
    assert config.load(Path("my.yaml")).audit == "videos"
    status, _, err = stepaudit("init", "videos", "--out", "my.yaml", "--yes")
    assert (status, err.count("\n")) == (2, 1)
    assert "--force" in err
    assert stepaudit("init", "videos", "--out", "my.yaml", "--budget", "standard", "--force")[0] == 0
    assert config.load(Path("my.yaml")).models["r2plus1d_18"].weights
    status, _, err = stepaudit("init")
    assert (status, "name the folder of your videos" in err) == (2, True)
