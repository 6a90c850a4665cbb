"""Shards as large as the work in them allows."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from stepaudit.audit import config, jobs, plan, planning, work
from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError
from stepaudit.layers import pass_costs, without_data
from stepaudit.models import r2plus1d_18

AUDIT = {
    "audit": "a",
    "device": "cpu",
    "clips": {"frames": 16, "height": 48, "width": 48},
    "datasets": {"planted": {"root": "d", "options": {"train_per_class": 500, "test_per_class": 999}}},
    "models": {"r2": {"use": "r2plus1d_18", "options": {"width": 4}}},
    "methods": {
        "step": {"ratios": [0.1], "options": {"schedule": "short"}},
        "slow": {"use": "step", "ratios": [0.05, 0.1]},
        "center": {},
    },
    "metrics": {"box_share": {}},
}
SEGMENTS = 4 * 999 + 4  # broken ones among them


def audit(folder, **changes):
    return config.parse({**AUDIT, "results": str(folder), **changes})


def planned(folder, **changes):
    return planning.planned(audit(folder, **changes))


def shards(made, method):
    return len(Job(made, "attribute", dataset="planted", model="r2", method=method).shards("maps"))


def test_dear_methods_have_more_shards_than_cheap_ones_and_all_divide_one_another(tmp_path):
    made = planned(tmp_path)
    clips = len(Job(made, "extract", dataset="planted").shards("clips"))
    numbers = [shards(made, name) for name in ("center", "step", "slow")]
    assert numbers == sorted(numbers)
    assert numbers[0] < numbers[2] == clips
    for number in (*numbers, clips):
        assert number & (number - 1) == 0, "no power of two"
    assert SEGMENTS / numbers[0] <= made.jobs.clips


def test_a_job_is_estimated_to_last_about_as_long_as_it_is_meant_to(tmp_path):
    for minutes in (20, 60):
        made = planned(tmp_path / str(minutes), jobs={"minutes": minutes})
        assert minutes / 2.1 < made.plan.seconds("maps", "planted", "r2", "slow") / 60 <= minutes


def test_a_faster_machine_gets_larger_shards(tmp_path):
    slow, fast = (planned(tmp_path / str(speed), jobs={"gflops": speed}) for speed in (1, 1000))
    assert shards(slow, "slow") > shards(fast, "slow")


def test_no_job_has_so_few_clips_that_a_control_finds_no_other(tmp_path):
    made = planned(tmp_path, jobs={"minutes": 0.01})
    assert SEGMENTS / shards(made, "slow") > planning.MIN_CLIPS / 2


def test_where_there_would_be_too_many_jobs_they_are_fewer_and_longer(tmp_path):
    many, few = planned(tmp_path / "many"), planned(tmp_path / "few", jobs={"most": 40})
    totals = [sum(map(len, jobs.in_groups(made))) - 1 for made in (many, few)]  # but for the index
    assert totals[0] > 40 >= totals[1]


def test_planning_does_not_load_pytorch_into_the_workflow(tmp_path):
    script = (
        "import json, sys; from stepaudit.audit import config, planning\n"
        "made = planning.planned(config.parse(json.loads(sys.argv[1])))\n"
        "print(json.dumps([made.plan.entries, 'torch' in sys.modules]))"
    )
    asked = json.dumps({**AUDIT, "results": str(tmp_path)})
    done = subprocess.run([sys.executable, "-c", script, asked], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [planned(tmp_path).plan.entries, False]


def test_a_data_set_that_cannot_be_read_is_told_from_there_in_the_same_words(tmp_path):
    data = {**AUDIT, "results": str(tmp_path), "datasets": {"folder": {"root": str(tmp_path / "none")}}}
    script = "import json, sys; from stepaudit.audit import config, planning; "
    script += "planning.planned(config.parse(json.loads(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", script, json.dumps(data)], capture_output=True, text=True, check=False)
    with pytest.raises(UsageError) as told:
        planning.planned(config.parse(data))
    assert done.stderr.splitlines()[-1] == f"stepaudit.errors.UsageError: {told.value}"


def test_what_was_planned_stays_until_its_own_settings_change(tmp_path):
    first = planned(tmp_path)
    plan.save(first.plan, first.folder)
    grown = {"planted": {"root": "d", "options": {"train_per_class": 500, "test_per_class": 999}, "box_distance": 0}}
    assert planned(tmp_path, datasets=grown).plan == first.plan
    methods = {**AUDIT["methods"], "rise": {}}
    more = planned(tmp_path, methods=methods).plan
    assert {name: entry for name, entry in more.entries.items() if not name.endswith("/rise")} == first.plan.entries
    other = planned(tmp_path, jobs={"minutes": 600})
    assert shards(other, "slow") < shards(first, "slow")


def test_a_plan_that_is_kept_is_used_without_a_look_at_the_data_or_the_model(tmp_path, monkeypatch):
    first = planned(tmp_path)
    plan.save(first.plan, first.folder)
    monkeypatch.setattr(work, "count", None)
    monkeypatch.setattr(work, "seconds_per_clip", None)
    assert planned(tmp_path).plan == first.plan


def test_a_number_in_the_configuration_needs_no_plan(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "count", None)
    assert len(Job(planned(tmp_path, shards=3), "extract", "planted").shards("clips")) == 3


def test_operations_are_counted_without_computing_anything():
    """Published for R(2+1)D-18 at 16 × 112 × 112: 40.5 G multiply-adds."""
    with without_data():
        operations, _ = pass_costs(r2plus1d_18.build(400).eval(), torch.empty(1, 3, 16, 112, 112))
    assert operations == pytest.approx(2 * 40.5e9, rel=0.02)


def test_what_a_pass_writes_costs_time_too(tmp_path):
    """A convolution of each channel by itself has few operations, and writes as much as one of all channels."""

    def costs(groups):
        with without_data():
            layers = nn.Sequential(nn.Conv3d(6, 6, 3, padding=1, groups=groups), nn.ReLU(inplace=True), nn.Flatten())
            return pass_costs(layers, torch.empty(2, 6, 4, 8, 8))

    numbers = 2 * 6 * 4 * 8 * 8
    assert costs(1) == (2 * 6 * 27 * numbers, 2 * numbers)  # the convolution and the ReLU; flattening is a view
    assert costs(6) == (2 * 27 * numbers, 2 * numbers)
    clips = {"frames": 16, "height": 112, "width": 112}
    full = audit(tmp_path, clips=clips, models={"r2": {"use": "r2plus1d_18"}})
    with without_data():
        operations, written = pass_costs(r2plus1d_18.build(2).eval(), torch.empty(1, 3, 16, 112, 112))
    expected = (1 + work.OTHER_VERSIONS) * ((operations + work.OPERATIONS_PER_NUMBER * written) / 6e10 + 5e-3)
    assert work.prediction_seconds(full, "r2") == pytest.approx(expected)


def test_a_model_that_cannot_be_measured_without_data_is_planned_as_a_large_one(tmp_path, caplog):
    caplog.set_level("INFO")
    made = audit(tmp_path, models={"r2": {"use": "odd_models:broken"}})
    assert work.prediction_seconds(made, "r2") > work.prediction_seconds(audit(tmp_path), "r2")
    assert "cannot be measured without data" in caplog.text


def test_a_network_that_loads_its_weights_as_it_is_built_is_measured_without_a_warning(tmp_path, recwarn):
    made = audit(tmp_path, models={"own": {"use": "odd_models:loaded_at_once"}})
    assert work.prediction_seconds(made, "own") < work.prediction_seconds(
        audit(tmp_path, models={"broken": {"use": "odd_models:broken"}}), "broken"
    )
    assert [str(warning.message) for warning in recwarn if "non-meta" in str(warning.message)] == []


def test_segments_are_counted_without_making_videos(tmp_path):
    made = audit(tmp_path, datasets={"planted": {"root": str(tmp_path / "videos"), "validation": 0.25}})
    assert work.count(made, "planted") == {"train": 4 * 36 * 3 // 4, "validation": 36, "test": 4 * 12 + 4}
    assert not (tmp_path / "videos").exists()


def test_planning_leaves_the_random_state_alone(tmp_path):
    state = torch.get_rng_state()
    planned(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_bug_of_a_component_is_told_as_one(tmp_path):
    """And not as bad input: its traceback is on standard error."""
    (tmp_path / "own_videos.py").write_text("def count(root): 1 / 0\n\n\ndef read(root): 1 / 0\n")
    data = {**AUDIT, "results": str(tmp_path), "datasets": {"own": {"use": "own_videos:read", "root": "."}}}
    script = "import json, sys; from stepaudit.audit import config, planning; "
    script += "planning.planned(config.parse(json.loads(sys.argv[1])))"
    command = [sys.executable, "-c", script, json.dumps(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "ZeroDivisionError" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("RuntimeError: planning ended with status 1")


OWN = """
import atexit, sys
from torch import nn
sys.stdout.write("no newline at the end ... ")
atexit.register(print, "at the end")
def build(classes): return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, classes))
"""


def in_a_process(folder, code="", **changes):
    """Planning of an audit in a process that has not loaded PyTorch, from this folder."""
    (folder / "a.yaml").write_text(json.dumps({**AUDIT, "results": str(folder / "results"), **changes}))
    command = [sys.executable, "-c", f"{code}\nfrom stepaudit.cli import main\nmain()", "plan", "a.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_prints_of_a_users_model_and_modules_beside_it_do_not_end_planning(tmp_path):
    (tmp_path / "my_model.py").write_text(OWN)
    for name in ("statistics", "json", "tempfile"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not of Python')")
    away = f"import sys; sys.path.remove(''); sys.path.append({str(tmp_path)!r})"
    done = in_a_process(tmp_path, away, models={"m": {"use": "my_model:build"}})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("stage")
    assert "no newline at the end ... at the end" in done.stderr


def test_a_model_that_ends_python_is_a_bug_with_its_name(tmp_path):
    (tmp_path / "my_model.py").write_text("import sys\nsys.exit(0)\ndef build(classes): ...")
    done = in_a_process(tmp_path, models={"m": {"use": "my_model:build"}})
    assert done.returncode == 70
    assert "model 'my_model:build' called sys.exit()" in done.stderr


def test_more_jobs_than_can_be_looked_after_are_refused_before_they_are_listed(tmp_path):
    with pytest.raises(UsageError, match=r"1,300,000 jobs, at most 200,000 are possible; set `shards` to less"):
        planned(tmp_path, shards=100_000)


def test_a_folder_that_duckdb_cannot_open_is_refused_before_the_first_job(tmp_path):
    with pytest.raises(UsageError, match=r"DuckDB does not open files in a folder with `\?` in its name; rename it"):
        planned(tmp_path / "which?", shards=1)
