"""Nothing is read, written or deleted through a link in an audit, and no pipe or device is waited for."""

import os
from pathlib import Path

import pytest
from tiny_audit import clips, write_audit
from torch import nn

import stepaudit
from stepaudit.audit import audit_folder, config
from stepaudit.commands.check import integrity
from stepaudit.errors import UsageError
from stepaudit.networks import checkpoint
from stepaudit.report import build_database
from stepaudit.stages import report
from stepaudit.store import arrays, plain_files

COMMANDS = [
    ("status", "AUDIT"),
    ("check", "AUDIT"),
    ("check", "AUDIT", "--delete"),
    ("report", "AUDIT"),
    ("export", "maps", "AUDIT", "--out", "out"),
]


@pytest.fixture
def audit(tmp_path) -> Path:
    return write_audit(tmp_path / "results", clips("a", "b"))


@pytest.fixture
def home(tmp_path) -> Path:
    """Somebody's files, which a link may lead to."""
    place = tmp_path / "home"
    place.mkdir()
    for name in ("notes", "index.html", "accuracy.csv", "model.safetensors"):
        (place / name).write_text(f"precious {name}")
    return place


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "name",
    [
        "checkpoints",
        "report",
        ".jobs",
        "scores",
        "scores/dataset=planted",
        ".audit.duckdb.spilled",
        "audit.duckdb.tmp",
    ],
)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_linked_folder_is_refused_and_what_lies_behind_it_stays(stepaudit, audit, home, tmp_path, name, words):
    before = contents(home)
    (audit / name).parent.mkdir(exist_ok=True)
    (audit / name).symlink_to(home)
    os.chdir(tmp_path)
    status, _, err = stepaudit(*(str(audit) if word == "AUDIT" else word for word in words))
    assert (status, contents(home)) == (2, before)
    assert f"{name}: a link; put the folder itself there" in err


@pytest.mark.parametrize(
    "name",
    [".audit.duckdb.lock", "report/.index.html.tmp", "report/.accuracy.csv.tmp", ".jobs/report/.all.json.tmp"],
)
def test_the_report_of_a_strangers_audit_writes_through_no_planted_link(audit, home, name):
    before = contents(home)
    (audit / name).parent.mkdir(parents=True, exist_ok=True)
    (audit / name).symlink_to(home / "notes")
    with pytest.raises(UsageError, match="a link"):
        report.run(audit)
    assert contents(home) == before


@pytest.mark.parametrize("name", ["plan.json", "audit.duckdb", "clips/dataset=planted/test-000.parquet"])
def test_a_pipe_in_an_audit_is_refused_and_not_waited_for(stepaudit, audit, name):
    (audit / name).parent.mkdir(parents=True, exist_ok=True)
    (audit / name).unlink(missing_ok=True)
    os.mkfifo(audit / name)
    for words in (["status"], ["check"], ["report"], *([["sql"]] if name == "audit.duckdb" else [])):
        query = ["select 1"] if words == ["sql"] else []
        status, _, err = stepaudit(*words, str(audit), *query)
        assert status == 2
        assert "a pipe, a device or the like" in err or "no plain file" in err


def test_results_on_another_disk_may_be_a_link(audit, tmp_path):
    (tmp_path / "linked").symlink_to(audit.parent)
    folder = tmp_path / "linked" / audit.name
    assert audit_folder.of_folder(folder).folder == folder
    plain_files.require_inside(folder, folder / "clips/dataset=planted/test-000.parquet")


def test_a_name_in_somebodys_database_leads_to_no_other_file(audit, tmp_path):
    build_database.create(audit, config.load(audit / "config.yaml"), ())
    (audit / "clips/dataset=x").mkdir()
    away = f"x/{'../' * 6}{tmp_path}"
    row = {"dataset": away, "size": "16x112x112", "clip_id": "a", "view": "middle"}
    with pytest.raises(UsageError, match="leads through a link out of"):
        arrays.pixels(row, audit)
    assert stepaudit.open_results(audit).sql("select 1 as one") == [{"one": 1}]


def test_a_job_writes_into_no_linked_folder(stepaudit, tmp_path):
    audit = write_audit(tmp_path / "results")
    (tmp_path / "other").mkdir()
    (audit / "segments").symlink_to(tmp_path / "other")
    status, _, err = stepaudit("index", str(audit / "config.yaml"), "--dataset", "planted")
    assert status == 2
    assert "leads through a link out of" in err
    assert not list((tmp_path / "other").iterdir())


def test_checking_somebodys_checkpoints_runs_none_of_their_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_evil.py").write_text("open('ran', 'w')\ndef build(classes): ...\n")
    audit = write_audit(tmp_path / "results", clips("a"), models={"r3d": {"use": "own_evil:build"}})
    made = audit_folder.of_folder(audit)
    job = next(job for job in made.jobs if job.stage == "train")
    checkpoint.save(nn.Linear(2, 1), job.checkpoint, made.config.models["r3d"], ["a"], {})
    names = [made.name(job.checkpoint), made.name(job.file("segments"))]
    assert list(integrity._checkpoint_problems(made, names)) == []
    checkpoint.save(nn.Linear(2, 1), job.checkpoint, made.config.models["r3d"], ["other"], {})
    assert [problem.kind for problem in integrity._checkpoint_problems(made, names)] == ["foreign"]
    assert not (tmp_path / "ran").exists()


def test_a_tilde_that_the_shell_left_is_the_home_folder(stepaudit, audit, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    build_database.create(audit, config.load(audit / "config.yaml"), ())
    assert stepaudit("sql", f"~/results/{audit.name}", "select 1 as one", "--format", "csv")[:2] == (0, "one\n1\n")
    status, _, err = stepaudit("export", "table", str(audit), "clips", "--out=~/clips.csv")
    assert status == 0, err
    assert (tmp_path / "clips.csv").exists()
    assert plain_files.at_home("a~b/~c") == "a~b/~c"
    with pytest.raises(UsageError, match="no home folder is known for '~nobody-there/x'; write the folder out"):
        plain_files.at_home(Path("~nobody-there/x"))


def test_a_pipe_or_a_device_in_the_place_of_a_configuration_is_refused(stepaudit, audit, tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (audit / "plan.json").unlink(missing_ok=True)
    os.mkfifo(audit / "plan.json")
    for path in (tmp_path / "pipe.yaml", Path("/dev/zero"), audit / "config.yaml"):
        status, _, err = stepaudit("plan", str(path))
        assert status == 2
        assert "no plain file" in err
