"""Notes of jobs that are under way."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.running import job_notes
from stepaudit.running.progress import progress

AUDIT = {
    "datasets": {"d": {"use": "planted", "root": "x"}},
    "models": {"m": {"use": "r3d_18"}},
    "methods": {"step": {"ratios": [0.1]}},
}
KEY = ("predict", "d,m,test-000")


def job(folder):
    """A job of the audit in a folder."""
    made = config.parse({**AUDIT, "audit": folder.name, "results": str(folder.parent)})
    return Job(made, "predict", "d", "m", shard="test-000")


def test_a_job_that_ends_well_leaves_no_note(tmp_path):
    with job_notes.noted(job(tmp_path)):
        note = job_notes.read(tmp_path)[KEY]
        assert (note.state, note.process, note.host) == ("running", os.getpid(), socket.gethostname())
    assert job_notes.read(tmp_path) == {}


def test_a_note_tells_how_far_the_job_is(tmp_path, monkeypatch):
    monkeypatch.setattr(job_notes, "SECONDS_BETWEEN_NOTES", 0)
    clock = [0.0]
    monkeypatch.setattr(job_notes.progress.time, "monotonic", lambda: clock[0])
    with job_notes.noted(job(tmp_path)), progress("predict", 8, clips=8) as advance:
        clock[0] = 4.0
        advance(2, rows=[{"status": "ok"}, {"status": "bad_video"}])
        note = job_notes.read(tmp_path)[KEY]
        assert (note.done, note.total, note.failed) == (2, 8, 1)
        assert (note.clips_per_second, note.seconds_left) == (0.5, 12)


def test_a_job_that_failed_leaves_the_first_line_of_its_error(tmp_path):
    with pytest.raises(ValueError, match="a bug"), job_notes.noted(job(tmp_path)):
        raise ValueError("a bug\nand more")
    note = job_notes.read(tmp_path)[KEY]
    assert (note.state, note.error) == ("failed", "a bug")


def test_a_job_that_was_killed_has_stopped(tmp_path):
    script = (
        "import os, pathlib, sys; from stepaudit.running import job_notes; from test_job_notes import job\n"
        "with job_notes.noted(job(pathlib.Path(sys.argv[1]))): os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], check=False, cwd=Path(__file__).parent)
    assert done.returncode == 9
    assert job_notes.read(tmp_path)[KEY].state == "stopped"


def test_a_job_whose_number_another_process_has_by_now_has_stopped(tmp_path):
    with job_notes.noted(job(tmp_path)):
        note = job_notes.read(tmp_path)[KEY]
    assert note.state == "running"
    note.began -= 10 * 86_400  # before this process was started
    assert note.state == "stopped"


def test_a_job_of_another_machine_runs_as_long_as_it_says_so(tmp_path):
    with job_notes.noted(job(tmp_path)):
        note = job_notes.read(tmp_path)[KEY]
    note.host, note.process = "elsewhere", 1
    assert note.state == "running"
    note.noted -= job_notes.SILENT + 1
    assert note.state == "stopped"


def test_a_damaged_note_is_none_and_a_disk_that_refuses_one_stops_nothing(tmp_path):
    (tmp_path / job_notes.FOLDER).write_text("a file where the folder should be")
    with job_notes.noted(job(tmp_path)):
        assert job_notes.read(tmp_path) == {}
    (tmp_path / job_notes.FOLDER).unlink()
    for number, text in enumerate(("{", "[]", json.dumps({"host": "x"}), json.dumps({"surprise": 1}))):
        path = tmp_path / job_notes.FOLDER / "score" / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert job_notes.read(tmp_path) == {}
