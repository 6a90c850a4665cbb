"""`stepaudit status` on an audit that is half done."""

import shutil

import processes
import pytest
import tiny_audit
from typer.testing import CliRunner

from stepaudit.audit import audit_folder, decides
from stepaudit.audit.jobs import Job
from stepaudit.cli import app
from stepaudit.commands import status
from stepaudit.errors import UsageError
from stepaudit.running import job_notes
from stepaudit.stages import report

JOB = {"dataset": "planted", "model": "r3d"}
STAGES = ["index", "extract", "train", "predict", "attribute", "score", "report"]


def run_row(stage, seconds, **keys):
    return {"stage": stage, "keys": tiny_audit.tables.as_json(keys), "seconds": seconds}


def job_of(folder, stage, method):
    return Job(tiny_audit.config.load(folder / "config.yaml"), stage, **JOB, method=method, shard="test-000")


@pytest.fixture
def folder(tmp_path):
    """One of three methods explained, with a row that failed; nothing scored."""
    rows = {
        **tiny_audit.clips("a", "b"),
        "boxes": [],
        "maps": [
            {"clip_id": "a", "ratio": 0.1},
            {"clip_id": "b", "ratio": 0.1, "status": "bad_video", "error": "cut off"},
        ],
    }
    folder = tiny_audit.write_audit(tmp_path, rows)
    shard = {**JOB, "method": "step", "shard": "test-000"}
    record = job_of(folder, "attribute", "step").record
    tiny_audit.tables.write([{**tiny_audit.DEFAULTS["runs"], **run_row("attribute", 30.0, **shard)}], "runs", record)
    return folder


def stage_of(folder, name):
    return {stage.name: stage for stage in status.of_folder(folder).stages}[name]


def test_finished_jobs_their_rows_and_the_time_of_the_others_are_told(folder):
    found = stage_of(folder, "attribute")
    assert found.states == {"done": 1, "stale": 0, "running": 0, "stopped": 0, "failed": 0, "waiting": 2}
    assert (found.rows, found.without_value) == (2, 1)
    assert found.seconds_left == 60  # two methods of which nothing is known but what the third took
    assert [stage.name for stage in status.of_folder(folder).stages] == STAGES


def test_a_job_without_its_record_is_not_done(folder):
    (record,) = (folder / "runs").rglob("*step*.parquet")
    record.unlink()
    assert stage_of(folder, "attribute").states["waiting"] == 3


def test_a_job_at_work_is_running_and_one_that_raised_has_failed_with_its_reason(folder):
    with pytest.raises(ValueError, match="a bug"), job_notes.noted(job_of(folder, "score", "step")):
        raise ValueError("a bug")
    with job_notes.noted(job_of(folder, "attribute", "middle")):
        assert stage_of(folder, "attribute").states["running"] == 1
        assert stage_of(folder, "score").states["failed"] == 1
        lines = list(status._summary(status.of_folder(folder)))
    assert lines[0].startswith("running: attribute planted,r3d,middle,test-000: process ")
    assert lines[1].startswith("failed: score planted,r3d,step,test-000: a bug, process ")
    assert "not known" in lines[-1]  # of training, none has ended


def test_a_running_job_is_reckoned_at_its_own_pace(folder, monkeypatch):
    monkeypatch.setattr(job_notes, "SECONDS_BETWEEN_NOTES", 0)
    clock = [0.0]
    monkeypatch.setattr(job_notes.progress.time, "monotonic", lambda: clock[0])
    job = job_notes.noted(job_of(folder, "attribute", "middle"))
    with job, job_notes.progress.progress("middle", 10) as advance:
        clock[0] = 5.0
        advance(1)
        assert stage_of(folder, "attribute").seconds_left == pytest.approx(45 + 30, abs=2)


def test_the_command_prints_a_table_and_the_time_left(folder):
    done = CliRunner().invoke(app, ["status", str(folder)])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["stage", "jobs", "done", "stale"]
    assert [line.split()[0] for line in lines[2 : 2 + len(STAGES)]] == STAGES
    assert "attribute" in done.stdout
    assert "1 min 00 s" in done.stdout


def test_notes_of_jobs_that_are_not_asked_any_more_are_not_told(folder):
    with pytest.raises(ValueError, match="a bug"), job_notes.noted(job_of(folder, "attribute", "gone")):
        raise ValueError("a bug")
    assert not [line for line in status._summary(status.of_folder(folder)) if "gone" in line]


def test_folders_above_an_audit_may_be_called_as_a_table_is(folder, tmp_path):
    """`clip_boxes` has no status, whatever it lies in."""
    moved = tmp_path / "clips" / "tiny"
    shutil.copytree(folder, moved)
    boxes = moved / "clip_boxes/dataset=planted/size=16x112x112/test-000.parquet"
    tiny_audit.tables.write([], "clip_boxes", boxes)
    assert stage_of(moved, "extract").rows == stage_of(folder, "extract").rows == 2


def test_a_folder_without_an_audit_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no audit lies here"):
        status.of_folder(tmp_path)


def test_a_report_that_could_not_be_made_has_failed_and_one_that_was_made_is_done(folder):
    (clips,) = (folder / "clips").rglob("*.parquet")
    clips.unlink()  # they hold no pixels
    (table,) = (folder / "maps").rglob("*.parquet")
    sound = table.read_bytes()
    table.write_bytes(sound[:100])
    with pytest.raises(UsageError):
        report.run(folder)
    assert stage_of(folder, "report").states["failed"] == 1
    assert any(line.startswith("failed: report all: ") for line in status._summary(status.of_folder(folder)))
    table.write_bytes(sound)
    report.run(folder)
    assert stage_of(folder, "report").states["done"] == 1


def test_watching_shows_the_table_again_and_again_until_ctrl_c(folder):
    terminal = processes.Terminal(["status", "--watch", str(folder)], folder, {"TERM": "xterm", "COLUMNS": "200"})
    try:
        for _ in range(2):  # at once, and after five seconds
            shown = terminal.until("attribute.*predict.*\r\n")
            assert "Traceback" not in shown
        terminal.type("\x03")
        terminal.until("stepaudit: stopped")
        assert terminal.ended() == 130
    finally:
        terminal.close()


def test_watching_ends_by_itself_when_all_is_done(folder):
    audit = audit_folder.of_folder(folder)
    for name in [*audit.files, *audit.records, "report/index.html"]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    done = CliRunner().invoke(app, ["status", "--watch", str(folder)])
    assert (done.exit_code, done.exception) == (0, None)
    assert done.stdout.endswith("All jobs are done.\n")


def test_results_are_read_where_a_component_of_the_users_is_not(folder):
    """Its code counts as unchanged; only a new report needs it."""
    file = folder / "config.yaml"
    file.write_text(file.read_text().replace("use: r2plus1d_18", "use: not_here:build"))
    assert audit_folder.of_folder(folder).config.models["r3d"].use == "not_here:build"
    job = job_of_folder(folder)
    assert decides.parts(job)["code"] is None
    assert "code" not in decides.changed(job, tiny_audit.tables.as_json({**decides.parts(job), "code": "1"}))
    assert stage_of(folder, "attribute").states["stale"] == 0
    with pytest.raises(UsageError, match=r"models\.r3d: 'not_here:build' is not here, and a report needs it"):
        report.run(folder)
    with pytest.raises(UsageError, match="cannot find the module of 'not_here:build'"):
        tiny_audit.config.load(file)


def job_of_folder(folder):
    return next(job for job in audit_folder.of_folder(folder).jobs if job.stage == "attribute")
