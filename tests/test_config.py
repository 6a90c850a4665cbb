"""The configuration: closed, typed, every problem at once, without torch."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stepaudit.audit import config, decides, jobs
from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError

SOUND = {
    "audit": "a",
    "datasets": {"planted": {"root": "data"}},
    "models": {"small": {"use": "r2plus1d_18", "options": {"width": 2}}},
    "methods": {"step": {"ratios": [0.05, 0.1]}, "center": None},
    "metrics": {"spatial_pointing": None},
}


KEYS = {"dataset": "planted", "model": "small", "method": "center", "shard": "test-000"}


def changed(path: str, value: object) -> dict:
    """The sound configuration with one key, `a.b.c`, set."""
    data = yaml.safe_load(yaml.safe_dump(SOUND))
    *parents, last = path.split(".")
    place = data
    for key in parents:
        place[key] = place.get(key) or {}
        place = place[key]
    place[last] = value
    return data


def problems(data: object) -> list[str]:
    """The lines of the error message after its first."""
    with pytest.raises(UsageError) as caught:
        config.parse(data, "c.yaml")
    first, *lines = str(caught.value).split("\n  ")
    assert first == f"c.yaml: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return lines


def test_a_sound_configuration_fills_in_defaults_and_names():
    made = config.parse(SOUND)
    assert made.methods["center"].use == "center"
    assert made.models["small"].use == "r2plus1d_18"
    assert made.datasets["planted"].root == Path("data")
    assert (made.clips.frames, made.clips.height, made.seed, made.shards) == (16, 112, 0, "auto")
    assert made.methods["center"].seeds == [0]


def test_a_method_is_all_that_the_search_for_what_a_clip_needs_is_told():
    made = config.parse(changed("preserve.methods", ["step"]))
    assert made.preserve.questions == [("sufficiency", "label"), ("sufficiency", "runner_up")]


UNKNOWN_KEYS = {
    "modles": "modles: unknown key; did you mean 'models'?",
    "clips.frame": "clips.frame: unknown key; did you mean 'frames'?",
    "datasets.planted.rot": "datasets.planted.rot: unknown key; did you mean 'root'?",
    "models.small.wieghts": "models.small.wieghts: unknown key; did you mean 'weights'?",
    "models.small.training.epoch": "models.small.training.epoch: unknown key; did you mean 'epochs'?",
    "methods.center.seed": "methods.center.seed: unknown key; did you mean 'seeds'?",
    "metrics.spatial_pointing.option": "metrics.spatial_pointing.option: unknown key; did you mean 'options'?",
    "preserve.tolerence": "preserve.tolerence: unknown key; did you mean 'tolerance'?",
    "models.small.options.widht": "models.small.options: r2plus1d_18 has no option 'widht'; did you mean 'width'?",
}


@pytest.mark.parametrize("path", UNKNOWN_KEYS)
def test_an_unknown_key_is_named_with_the_nearest_at_every_level(path):
    (line,) = problems(changed(path, 1))
    assert line.startswith(UNKNOWN_KEYS[path] + " (known: ")


UNKNOWN_NAMES = {
    (
        "methods.stepp",
        "ratios",
    ): "methods.stepp.use: no method 'stepp'; did you mean 'step'? (known: annotation_prior, attention_rollout,",
    ("models.m", "vgg16"): "models.m.use: no model 'vgg16'; did you mean 'vgg16_lstm'? (known: ",
    ("datasets.d", "ucf101"): "datasets.d.use: no dataset 'ucf101'; did you mean 'ucf101_24'? (known: epic_action,",
    ("metrics.m", "spacial_pointing"): "metrics.m.use: no metric 'spacial_pointing'; did you mean 'spatial_pointing'?",
    ("models.m", "nowhere:build"): "models.m.use: cannot find the module of 'nowhere:build'; is it installed",
}


@pytest.mark.parametrize(("path", "use"), UNKNOWN_NAMES)
def test_an_unknown_component_is_named_with_the_nearest(path, use):
    entry = {"ratios": [0.1]} if use == "ratios" else {"use": use}
    entry |= {"root": "data"} if path.startswith("datasets") else {}
    (line,) = problems(changed(path, entry))
    assert line.startswith(UNKNOWN_NAMES[path, use])


@pytest.mark.parametrize("use", [":build", ".relative:build", "..:build", "a b:build", "os.nothing:build"])
def test_a_module_that_cannot_be_is_a_problem_like_others(use):
    (line,) = problems(changed("models.m", {"use": use}))
    assert line.startswith(f"models.m.use: cannot find the module of '{use}'")


def test_all_problems_come_at_once():
    data = changed("methods.stepp", {"ratios": [0.1]})
    data |= {"audit": "a/b", "shards": 0, "extra": 1, "clips": {"height": 1}, "preserve": {"grid": [0.5, 0.2]}}
    del data["datasets"]
    lines = problems(data)
    assert [line.partition(": ")[0] for line in lines] == sorted(
        ["audit", "clips.height", "datasets", "extra", "methods.stepp.use", "preserve.grid", "shards"]
    )
    assert "datasets: missing" in lines


BAD_VALUES = {
    ("methods.step.ratios", (0.0, 0.1)): "methods.step.ratios.0: Input should be greater than 0, got 0.0",
    ("methods.step.ratios", (0.1, 1)): "methods.step.ratios.1: Input should be less than 1, got 1",
    ("methods.step.ratios", (0.1, -0.5)): "methods.step.ratios.1: Input should be greater than 0, got -0.5",
    ("methods.step.ratios", (float("nan"),)): "methods.step.ratios.0: Input should be",
    ("methods.step.ratios", ()): "methods.step: 'step' needs `ratios`, such as [0.05, 0.1]",
    ("methods.step.ratios", (0.1, 0.2, 0.1)): "methods.step.ratios: 0.1 is listed twice",
    ("methods.center.seeds", (1, 2, 2)): "methods.center.seeds: 2 is listed twice",
    ("methods.center.seeds", (1, 2**31)): "methods.center.seeds.1: 2147483648 is outside its range",
    ("methods.center.seeds", ()): "methods.center.seeds: List should have at least 1 item",
    ("methods.center.ratios", (0.1,)): "methods.center: 'center' takes no `ratios`; remove them",
    ("preserve.grid", (0.2, 0.1)): "preserve.grid: the ratios must ascend, each once",
    ("preserve.grid", (0.1, 0.1)): "preserve.grid: the ratios must ascend, each once",
    ("preserve.grid", (0.1, 1.0)): "preserve.grid.1: Input should be less than 1, got 1.0",
    ("preserve.bounds", ("top1", "top1")): "preserve.bounds: 'top1' is listed twice",
    (
        "preserve.bounds",
        ("top5",),
    ): "preserve.bounds.0: Input should be 'sufficiency', 'probability' or 'top1', got 'top5'",
    ("preserve.share", 0): "preserve.share: Input should be greater than 0, got 0",
    ("metrics.kept_probability.methods", ("stepp",)): (
        "metrics.kept_probability.methods: no method 'stepp'; did you mean 'step'?"
    ),
    ("preserve.methods", ("center",)): "preserve.methods: no method 'center' with ratios (known: step)",
    ("preserve.methods", ("stepp",)): "preserve.methods: no method 'stepp' with ratios; did you mean 'step'?",
    ("preserve.methods", ("step", "step")): "preserve.methods: 'step' is listed twice",
    ("datasets.planted.validation", 1): "datasets.planted.validation: Input should be less than 1, got 1",
    ("models.small.training.optimizer", "adam"): "models.small.training.optimizer: Input should be 'sgd' or 'adamw'",
    ("models.small.training.flips", ("sideways",)): "models.small.training.flips.0: Input should be 'horizontal',",
    ("device", "gpu"): "device: Input should be 'auto', 'cpu' or 'cuda', got 'gpu'",
    ("precision", "float16"): "precision: Input should be 'float32' or 'bfloat16', got 'float16'",
    ("seed", "x"): "seed: Input should be a valid integer",
    ("seed", True): "seed: true is no number (YAML takes yes, no, on and off for true and false)",
    ("models.small.training.epochs", False): "models.small.training.epochs: false is no number",
    ("models.small.training.weight_decay", True): "models.small.training.weight_decay: true is no number",
    ("methods.step.seeds", (True, 2)): "methods.step.seeds: true is no number",
    ("memory_growth_mb", True): "memory_growth_mb: true is no number",
}


@pytest.mark.parametrize(("path", "value"), BAD_VALUES)
def test_a_value_out_of_range_is_named_with_its_place(path, value):
    (line,) = problems(changed(path, list(value) if isinstance(value, tuple) else value))
    assert line.startswith(BAD_VALUES[path, value])


BAD_OPTIONS = {
    ("models.small.options.width", "wide"): "option 'width' of r2plus1d_18: Input should be a valid integer",
    ("models.small.options.width", "2"): "option 'width' of r2plus1d_18: Input should be a valid integer",
    ("models.small.options.width", 2.5): "option 'width' of r2plus1d_18: Input should be a valid integer",
    ("models.small.options.width", True): "option 'width' of r2plus1d_18: Input should be a valid integer",
    ("methods.step.options.preset", "matchd"): "option 'preset' of step: Input should be 'paper', 'follow-up',",
    ("methods.step.options.blur_sigma", "wide"): "option 'blur_sigma' of step: Input should be a valid number",
    ("datasets.planted.options.classes", "disc-vertical"): "option 'classes' of planted: Input should be a valid",
    ("datasets.planted.options.broken", "no"): "option 'broken' of planted: Input should be a valid boolean",
}


@pytest.mark.parametrize(("path", "value"), BAD_OPTIONS)
def test_an_option_of_another_type_is_refused(path, value):
    (line,) = problems(changed(path, value))
    assert line.startswith(f"{path.rpartition('.')[0]}: {BAD_OPTIONS[path, value]}")
    assert line.endswith(f", got {value!r}")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("methods.step.options.iterations", None),
        ("methods.step.options.iterations", 7),
        ("methods.step.options.blur_sigma", 4),
        ("methods.step.options.blur_sigma", 4.5),
        ("datasets.planted.options.classes", ["disc-vertical", "disc-horizontal"]),
        ("datasets.planted.options.broken", False),
    ],
)
def test_an_option_of_its_type_is_taken(path, value):
    config.parse(changed(path, value))


@pytest.mark.parametrize("name", ["a/b", "../up", "a\\b", "a=b", "", ".hidden", "a b", "é", "a\n"])
@pytest.mark.parametrize("section", ["audit", "datasets", "models", "methods", "metrics"])
def test_names_that_would_leave_their_folder_are_refused(section, name):
    entry = {"use": {"datasets": "planted", "models": "r2plus1d_18", "methods": "center"}.get(section, "box_share")}
    entry |= {"root": "data"} if section == "datasets" else {}
    data = {**SOUND, section: name if section == "audit" else {**SOUND[section], name: entry}}
    (line,) = problems(data)
    assert "String should match pattern" in line


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([1, 2], r"the whole: should be a section of `key: value` lines, got \[1, 2\]"),
        (None, r"the whole: should be a section of `key: value` lines, got None"),
        ({**SOUND, "methods": ["step"]}, r"methods: should be a section of `key: value` lines, got \['step'\]"),
        ({**SOUND, "methods": {}}, r"methods: Dictionary should have at least 1 item"),
        ({**SOUND, "methods": {"step": 3}}, r"methods\.step: should be a section of `key: value` lines, got 3"),
        ({**SOUND, "methods": {1: {"use": "center"}}}, r"methods\.1: Input should be a valid string, got 1"),
    ],
)
def test_a_section_of_another_form_is_a_problem_not_a_crash(data, text):
    with pytest.raises(UsageError, match=text):
        config.parse(data)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"audit: [", "no YAML"),
        (b"", "got None"),
        (b"- a\n- b\n", r"should be a section .*, got \['a', 'b'\]"),
        (b"audit: \xff\xfe", "no YAML"),
        (b"audit: a\n\x00", "no YAML"),
        (b"!!python/object/apply:os.system ['touch executed']", "no YAML"),
    ],
)
def test_a_file_that_is_no_configuration_says_so(tmp_path, monkeypatch, content, text):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=text) as caught:
        config.load(path)
    assert str(path) in str(caught.value)
    assert not Path("executed").exists()


def test_a_missing_file_says_what_to_name(tmp_path):
    for path in (tmp_path / "no.yaml", tmp_path):
        with pytest.raises(UsageError, match=r"cannot be read .*; name a configuration file"):
            config.load(path)


def test_a_saved_configuration_is_the_same_when_read_again(tmp_path):
    made = config.parse({**SOUND, "preserve": {"methods": ["step"]}, "results": str(tmp_path)})
    config.save(made, tmp_path / "folder" / "config.yaml")
    assert config.load(tmp_path / "folder" / "config.yaml") == made
    assert config.load(tmp_path / "folder" / "config.yaml").hash == made.hash
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["config.yaml"]


def test_the_hash_changes_with_a_setting_and_not_with_a_key_that_a_later_version_adds():
    class Later(config.Config):
        added: int = 3

    made = config.parse(SOUND)
    written = made.model_dump(mode="json")
    assert Later.model_validate(written).hash == made.hash
    assert Later.model_validate(written | {"added": 4}).hash != made.hash
    assert config.parse({**SOUND, "seed": 5}).hash != made.hash


def test_saving_again_leaves_the_file_alone_unless_something_changed(tmp_path):
    made, path = config.parse(SOUND), tmp_path / "config.yaml"
    config.save(made, path)
    first = path.stat().st_mtime_ns
    config.save(made, path)
    assert path.stat().st_mtime_ns == first
    config.save(made.model_copy(update={"seed": 1}), path)
    assert config.load(path).seed == 1


@pytest.mark.parametrize("name", ["config.yaml", "kinetics.yaml", "paper.yaml", "ucf101_24.yaml"])
def test_the_configurations_that_are_shipped_are_sound(name):
    path = Path(__file__).parents[1] / "config" / name
    if not path.exists():
        pytest.skip(f"no {path.name} yet")
    config.load(path)


def test_paths_name_every_key_so_that_tables_can_be_read_as_one(tmp_path):
    made = config.parse({**SOUND, "results": str(tmp_path), "shards": 2})
    job = Job(made, "attribute", "planted", "small", "step", "test-001")
    assert job.file("maps") == tmp_path / "a/maps/dataset=planted/model=small/method=step/test-001.parquet"
    assert job.file("segments") == tmp_path / "a/segments/dataset=planted/all.parquet"
    assert [path.name for path in job.files("clips")] == ["test-000.parquet", "test-001.parquet"]
    assert len({path for each in jobs.explaining(made, "attribute") for path in each.tables}) == 2 * 2


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("dataset", "plantd", "no dataset 'plantd'; did you mean 'planted'?"),
        ("model", "big", r"no model 'big' \(known: small\)"),
        ("method", "stepp", "no method 'stepp'; did you mean 'step'?"),
        ("shard", "test-001", "no shard 'test-001'; did you mean 'test-000'?"),
    ],
)
def test_a_name_that_the_configuration_lacks_is_named_with_the_nearest(kind, name, text):
    with pytest.raises(UsageError, match=text):
        jobs.checked(config.parse({**SOUND, "shards": 1}), "attribute", **{**KEYS, kind: name})


DECIDES = {  # what a stage's rows depend on, and what they do not
    "index": (["seed", "datasets.planted.validation"], ["clips.frames", "methods.center.seeds", "precision"]),
    "extract": (["seed", "clips.frames", "shards"], ["methods.center.seeds", "metrics.box_share", "precision"]),
    "train": (
        ["seed", "models.small.training.epochs", "shards"],
        ["methods.center.seeds", "preserve.share", "precision"],
    ),
    "predict": (["models.small.options.width", "precision"], ["methods.center.seeds", "preserve.share"]),
    "attribute": (
        ["methods.center.seeds", "precision"],
        ["methods.step.ratios", "preserve.share", "metrics.box_share"],
    ),
    "preserve": (["methods.center.seeds", "preserve.share", "precision"], ["methods.step.ratios", "metrics.box_share"]),
    "score": (["metrics.box_share", "precision"], ["methods.center.seeds", "preserve.share"]),
}
OTHER = {
    "seed": 3, "datasets.planted.validation": 0.4, "clips.frames": 8, "shards": 3, "models.small.training.epochs": 2,
    "models.small.options.width": 3, "methods.center.seeds": [4], "methods.step.ratios": [0.3], "preserve.share": 0.5,
    "metrics.box_share": None, "precision": "bfloat16",
}  # fmt: skip


@pytest.mark.parametrize("stage", DECIDES)
def test_a_stage_runs_again_for_the_settings_that_decide_its_rows_and_for_no_others(stage):
    keys = {kind: name for kind, name in KEYS.items() if kind != "shard"}

    def settings(data):
        made = config.parse({"shards": 1, **data})
        return decides.settings(Job(made, stage, **keys, size=made.clips.size if stage == "extract" else ""))

    before = settings(SOUND)
    deciding, indifferent = DECIDES[stage]
    for path in deciding:
        assert settings(changed(path, OTHER[path])) != before, path
    for path in indifferent:
        assert settings(changed(path, OTHER[path])) == before, path


def test_overrides_from_the_command_line_are_merged_and_get_their_types_back():
    data = {"seed": 0, "models": {"m": {"options": {"width": 6, "pooled": 2}}}, "methods": {"center": None}}
    changes = {"seed": 3, "models": {"m": {"options": {"width": "4"}, "weights": "null"}}}
    changes |= {"methods": {"center": "false", "step": {"ratios": ["0.1", "0.2"], "use": "step"}}}
    assert config.overridden(data, changes) == {
        "seed": 3,
        "models": {"m": {"options": {"width": 4, "pooled": 2}, "weights": None}},
        "methods": {"center": False, "step": {"ratios": [0.1, 0.2], "use": "step"}},
    }
    assert data["models"]["m"]["options"]["width"] == 6


def test_a_checkpoint_beside_initial_weights_is_refused():
    small = {**SOUND["models"]["small"], "checkpoint": "a.safetensors", "weights": "b.pt"}
    (line,) = problems({**SOUND, "models": {"small": small}})
    assert line.startswith("models.small: `checkpoint` holds all weights")


def test_an_entry_that_is_false_is_left_out():
    made = config.parse({**SOUND, "methods": {**SOUND["methods"], "step": False}})
    assert list(made.methods) == ["center"]


def test_what_models_say_of_a_data_set_that_is_left_out_goes_with_it():
    small = {**SOUND["models"]["small"], "training_on": {"other": {"epochs": 3}, "planted": {"epochs": 4}}}
    made = config.parse({**SOUND, "models": {"small": small}, "datasets": {**SOUND["datasets"], "other": False}})
    assert made.models["small"].training_on == {"planted": {"epochs": 4}}


def test_a_model_may_take_clips_of_its_own_size_and_train_otherwise_on_a_data_set():
    big = {"use": "vgg16_lstm", "clips": {"height": 224}, "training_on": {"planted": {"epochs": 3}}}
    made = config.parse({**SOUND, "shards": 1, "models": {**SOUND["models"], "big": big}})
    assert list(made.sizes) == ["16x112x112", "16x224x112"]
    assert made.clips_of("small") == made.clips
    assert Job(made, "predict", dataset="planted", model="big").files("clips")[0].parts[-2] == "size=16x224x112"
    assert made.models["big"].training_for("planted").epochs == 3
    assert made.models["big"].training_for("other") == made.models["big"].training


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"planted": {"epoch": 3}}, "planted.epoch: unknown key; did you mean 'epochs'?"),
        ({"planted": {"epochs": -1}}, "planted.epochs: -1 is outside its range, 0 to 100000"),
        ({"plantd": {"epochs": 3}}, "models.small.training_on: no data set 'plantd'; did you mean 'planted'?"),
    ],
)
def test_a_change_of_training_is_checked_like_training_itself(change, text):
    data = {**SOUND, "models": {"small": {**SOUND["models"]["small"], "training_on": change}}}
    with pytest.raises(UsageError) as error:
        config.parse(data)
    assert text in str(error.value)


@pytest.mark.parametrize(
    "code",
    [
        "import stepaudit.audit.config",
        "import stepaudit.audit.registry as r; [c.options for k in r.FUNCTIONS for c in r.components(k).values()]",
        "import pathlib, stepaudit.audit.config as c; c.load(pathlib.Path('config/config.yaml'))",
        "import stepaudit.cli",
        "import stepaudit.store.tables, stepaudit.errors",
    ],
)
def test_names_and_checks_import_no_torch(code):
    heavy = "{'torch', 'torchvision', 'captum', 'duckdb', 'altair'}"
    script = f"import sys\n{code}\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"shards": 10**9}, "shards: Input should be `auto` or a whole number from 1 to 100000, got 1000000000"),
        ({"clips": {"frames": 10**6}}, "clips.frames: 1000000 is outside its range, 1 to 1024"),
        ({"clips": {"height": 8}}, "clips.height: 8 is outside its range, 16 to 4096"),
        ({"results": "res{shard}"}, "results: res{shard}: Snakemake takes {…} in a path for a wildcard"),
        ({"methods": {"center": {"seeds": [*range(20_000)]}}}, "methods.center.seeds: List should have at most 1000"),
    ],
)
def test_what_no_machine_can_do_is_refused_with_its_range(change, text):
    with pytest.raises(UsageError, match=re.escape(text)):
        config.parse({**SOUND, **change})


def test_a_leading_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    datasets = {"own": {"use": "folder", "root": "~/v", "options": {"boxes": "~/b.csv", "group": "a~b"}}}
    models = {"r3d_18": {"weights": "~/w.pth"}, "s3d": {"checkpoint": "~/c.safetensors"}}
    made = config.parse({**SOUND, "results": "~/audits", "datasets": datasets, "models": models})
    assert made.folder == tmp_path / "audits" / made.audit
    assert made.datasets["own"].root == tmp_path / "v"
    assert made.datasets["own"].options == {"boxes": f"{tmp_path}/b.csv", "group": "a~b"}
    assert (made.models["r3d_18"].weights, made.models["s3d"].checkpoint) == (
        f"{tmp_path}/w.pth",
        tmp_path / "c.safetensors",
    )
