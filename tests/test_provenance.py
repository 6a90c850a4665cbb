"""The record of a job, and the fingerprint of all that decides a shard's rows."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from stepaudit.audit import config, decides
from stepaudit.audit.jobs import Job
from stepaudit.running import run_records
from stepaudit.store import package_files, tables
from stepaudit.version import __version__

AUDIT = {
    "audit": "a",
    "shards": 1,
    "datasets": {"planted": {"root": "x"}, "planted_b": {"use": "planted", "root": "x"}},
    "models": {"m": {"use": "r2plus1d_18"}, "b_m": {"use": "r2plus1d_18"}},
    "methods": {"step": {"ratios": [0.1]}, "center": None},
}


@pytest.fixture
def made(tmp_path):
    return config.parse({**AUDIT, "results": str(tmp_path / "results")})


def test_a_job_leaves_a_row_that_says_where_its_results_come_from(made):
    with run_records.recorded(Job(made, "train", "planted", "m")):
        pass
    (row,) = tables.read("runs", made.folder / "runs")
    assert row["stage"] == "train"
    assert row["keys"] == '{"dataset":"planted","model":"m"}'
    assert row["config_hash"] == made.hash
    assert f'"stepaudit":"{__version__}"' in row["versions"]
    assert re.search(r'"torch":"\d', row["versions"])
    assert 0 <= row["seconds"] < 10
    assert 10 < row["peak_memory_mb"] < 100_000
    assert row["device"]


def test_a_job_that_fails_leaves_none(made):
    with pytest.raises(ValueError, match="a bug"), run_records.recorded(Job(made, "train", "planted", "m")):
        raise ValueError("a bug")
    assert not (made.folder / "runs").exists()


def test_a_job_that_runs_again_replaces_its_row(made):
    for _ in range(2):
        with run_records.recorded(Job(made, "index", "planted")):
            pass
    assert len(tables.read("runs", made.folder / "runs")) == 1


def test_jobs_whose_names_join_to_the_same_text_have_a_row_each(made):
    """Model `b_m` of `planted`, and model `m` of `planted_b`."""
    for dataset, model in (("planted", "b_m"), ("planted_b", "m")):
        with run_records.recorded(Job(made, "train", dataset, model)):
            pass
    assert len(tables.read("runs", made.folder / "runs")) == 2
    assert Job(made, "train", "planted", "b_m").log != Job(made, "train", "planted_b", "m").log


def git(folder, *arguments):
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_commit_has_a_plus_where_tracked_files_differ(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_records.commit() is None
    git(tmp_path, "init", "--quiet")
    assert run_records.commit() is None  # no commit yet
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert run_records.commit() == head
    (tmp_path / "untracked").write_text("results do not count")
    assert run_records.commit() == head
    (tmp_path / "file").write_text("two")
    assert run_records.commit() == f"{head}+"


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_records.commit() is None


class TestFingerprint:
    """Finished batches are kept only while all that decides their rows is the same."""

    keys = {"dataset": "planted", "model": "m", "method": "step", "shard": "test-000"}  # noqa: RUF012

    def of(self, made, **changes):
        return decides.rows(Job(made, "preserve", **{**self.keys, **changes}))

    @pytest.fixture
    def ready(self, made):
        self.write(made)
        for dataset, model in (("planted", "m"), ("planted", "b_m")):
            path = Job(made, "train", dataset, model).checkpoint
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("weights")
        return made

    def write(self, made, sha="1", **values):
        clips = [{"clip_id": "c", "view": "middle", "sha256": sha, **values}, {"clip_id": "d", "sha256": None}]
        tables.write(clips, "clips", Job(made, "predict", dataset="planted", model="m").files("clips")[0])

    def test_it_is_the_same_for_the_same_inputs(self, ready):
        assert self.of(ready) == self.of(ready)

    def test_other_clips_another_checkpoint_and_other_settings_change_it(self, ready):
        found = [self.of(ready), self.of(ready, method="center")]
        self.write(ready, sha="2")
        found.append(self.of(ready))
        Job(ready, "train", "planted", "m").checkpoint.write_text("other weights")
        found.append(self.of(ready))
        for change in (
            {"methods": {**AUDIT["methods"], "step": {"ratios": [0.2]}}},
            {"preserve": {"share": 0.5}},
            {"device": "cpu"},
        ):
            found.append(self.of(config.parse({**AUDIT, "results": str(ready.results), **change})))
        assert len(set(found)) == len(found)

    def test_another_annotation_of_the_same_pixels_changes_it_for_scores_alone(self, ready):
        jobs = [Job(ready, stage, **self.keys) for stage in ("score", "preserve")]
        found = [list(map(decides.rows, jobs))]
        for values in ({"label": "a"}, {"in_action": [True, False]}, {"annotation_error": "no box"}):
            self.write(ready, **values)
            found.append(list(map(decides.rows, jobs)))
        assert [len(set(each)) for each in zip(*found, strict=True)] == [len(found), 1]

    def test_other_versions_change_it(self, ready, monkeypatch):
        before = self.of(ready)
        monkeypatch.setattr(decides, "versions", lambda: {"torch": "0"})
        assert self.of(ready) != before


CODE = """
import json, sys
from stepaudit.audit import config, decides
from stepaudit.audit.jobs import Job

made = config.parse(json.loads(sys.argv[1]))
jobs = [Job(made, stage, "planted", "m", "step", "test-000") for stage in ("train", "attribute", "score")]
print(json.dumps([*map(decides.settings, jobs), decides.rows(jobs[1])]), "torch" in sys.modules)
"""


class TestSourceCode:
    """Rows are kept and made again as the code that decides them stays or changes, wherever that stands."""

    @pytest.fixture
    def folder(self, tmp_path):
        files = {
            "mine/__init__.py": "",
            "mine/net.py": "raise ImportError('planning runs no code of the user')\nfrom .blocks import Block\n",
            "mine/blocks.py": "import scales\n\nclass Block: ...\n",
            "mine/unused.py": "",
            "scales.py": "SCALE = 1.0\n",
        }
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        shutil.copytree(package_files.PACKAGE, tmp_path / "stepaudit", ignore=shutil.ignore_patterns("__pycache__"))
        return tmp_path

    def fingerprints(self, folder):
        data = {**AUDIT, "results": str(folder / "results"), "models": {"m": {"use": "mine.net:build"}}}
        made = config.parse({**data, "models": {"m": {"use": "r3d_18"}}})
        if not made.folder.exists():
            tables.write([{"clip_id": "c", "view": "middle"}], "clips", Job(made, "", "planted", "m").files("clips")[0])
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        command = [sys.executable, "-c", CODE, json.dumps(data)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        text, torch = done.stdout.rsplit(maxsplit=1)
        assert torch == "False"
        return json.loads(text)

    def changed(self, folder, files):
        """Places of the fingerprints that an edit of each file changes."""
        before, places = self.fingerprints(folder), {}
        for file in files:
            with (folder / file).open("a") as source:
                source.write("\nEDITED = True\n")
            after = self.fingerprints(folder)
            places[file] = [place for place in range(4) if before[place] != after[place]]
            before = after
        return places

    def test_an_edit_of_what_a_model_is_made_of_changes_all_its_rows(self, folder):
        files = [
            "mine/net.py",
            "mine/blocks.py",
            "scales.py",
            "stepaudit/layers.py",
            "stepaudit/networks/checkpoint.py",
        ]
        assert self.changed(folder, files) == {file: [0, 1, 2, 3] for file in files}

    def test_an_edit_of_what_computes_no_row_changes_none(self, folder):
        ours = ["report/charts/curves.py", "running/progress.py", "commands/status.py", "cli.py"]
        files = ["mine/unused.py", *(f"stepaudit/{name}" for name in ours)]
        assert self.changed(folder, files) == {file: [] for file in files}

    def test_an_edit_of_a_method_or_a_stage_changes_its_own_rows_alone(self, folder):
        expected = {"methods/step.py": [1, 3], "stages/score.py": [2], "networks/training.py": [0]}
        expected = {f"stepaudit/{name}": places for name, places in expected.items()}
        assert self.changed(folder, expected) == expected
