"""How commands end: the table of the documentation, one line for an error, tracebacks where somebody needs them."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import command_line
import numpy as np
import pytest
from tiny_audit import clips, write_audit
from typer.main import get_command

from stepaudit import cli
from stepaudit.audit import config
from stepaudit.clips import encoding
from stepaudit.commands import _exit_codes
from stepaudit.commands._exit_codes import ExitCode
from stepaudit.errors import StorageError, UsageError
from stepaudit.report import build_database
from stepaudit.running import interruption
from stepaudit.store import writing

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/commands.md").read_text()
STAGES = {path.stem for path in (ROOT / "stepaudit/stages").glob("[a-z]*.py")}
BROKEN = "def build(classes):\n    raise KeyError('a bug')\n"
CONFIG = """
audit: a
shards: 1
results: results
datasets: {planted: {root: data}}
models: {own: {use: "no_such_module:build"}}
methods: {center: }
"""


@pytest.fixture(autouse=True)
def _logs_of_bugs_vanish(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def stepaudit(monkeypatch, tmp_path):
    """Runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STEPAUDIT_DEBUG", raising=False)
    return command_line.run


def test_the_documentation_explains_every_status_and_names_the_variable_and_all_stages():
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    assert [(int(row[0]), row[1]) for row in rows] == [(code, code.name.lower()) for code in ExitCode]
    assert all(len(row) == 4 and row[2].endswith(".") and row[3].endswith(".") for row in rows)
    assert f"`{_exit_codes.VARIABLE}=1`" in PAGE
    assert all(f"`{stage}`" in PAGE for stage in _exit_codes.JOBS)


def test_the_numbers_are_those_that_shells_and_signals_have():
    assert list(ExitCode) == sorted(ExitCode)
    assert ExitCode.AGAIN == interruption.AGAIN == os.EX_TEMPFAIL == 75
    assert ExitCode.INTERRUPTED == interruption.EXIT_STATUSES[signal.SIGINT] == 128 + signal.SIGINT
    assert ExitCode.CLOSED == 128 + signal.SIGPIPE
    assert ExitCode.BUG == os.EX_SOFTWARE == 70


def test_jobs_are_the_stages():
    assert set(_exit_codes.JOBS) == STAGES
    assert set(get_command(cli.app).commands) >= STAGES


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (UsageError("name a file"), 2, "stepaudit: name a file"),
        (StorageError("the disk is full"), 1, "stepaudit: the disk is full"),
    ],
)
@pytest.mark.parametrize("command", ["sql", "train"])
def test_an_error_that_was_foreseen_is_one_line_for_everybody(error, status, text, command):
    assert _exit_codes.ending(error, [command, "x"], {}) == (status, text)


@pytest.mark.parametrize("environment", [{"STEPAUDIT_DEBUG": "1"}, {"STEPAUDIT_DEBUG": "yes"}])
@pytest.mark.parametrize("error", [UsageError("bad"), ValueError("bad")])
def test_debug_shows_the_traceback_of_every_error(error, environment):
    for told in (_exit_codes.ending(error, ["sql"], environment), _exit_codes.ending(error, ["--debug", "sql"], {})):
        assert f"{type(error).__name__}: bad" in told[1]
        assert told[0] == _exit_codes.ending(error, ["sql"], {})[0]
    assert "Error: bad" not in _exit_codes.ending(UsageError("bad"), ["sql"], {"STEPAUDIT_DEBUG": "0"})[1]


def test_a_bug_is_one_line_that_names_its_log_and_how_to_see_it(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    status, text = _exit_codes.ending(ValueError("first\nsecond"), ["sql", "a b", "select 1"], {})
    assert (status, text.count("\n")) == (70, 0)
    assert text.startswith("stepaudit: a bug in stepaudit or in a component of yours, ValueError: first; ")
    assert "`stepaudit --debug sql 'a b' 'select 1'` shows it here" in text
    (log,) = tmp_path.glob("*.log")
    assert str(log) in text
    assert "ValueError: first\nsecond" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_a_bug_is_told_also_where_no_log_can_be_written(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/proc/none")
    status, text = _exit_codes.ending(ValueError("bad"), ["sql"], {})
    assert status == 70
    assert "log" not in text


@pytest.mark.parametrize("job", _exit_codes.JOBS)
def test_a_bug_in_a_job_leaves_its_traceback_for_the_log(job):
    status, text = _exit_codes.ending(ValueError("bad"), [job, "c.yaml", "--dataset", "d"], {})
    assert (status, text.splitlines()[-1]) == (1, "ValueError: bad")


def test_a_bug_of_a_component_of_ones_own_ends_a_question_in_a_line_and_a_stage_in_a_traceback(stepaudit, tmp_path):
    (tmp_path / "broken_reader.py").write_text("def read(root):\n    raise KeyError('a bug')\n")
    text = CONFIG.replace("planted: {root: data}", "own: {use: 'broken_reader:read', root: .}")
    (tmp_path / "c.yaml").write_text(text.replace("no_such_module:build", "r2plus1d_18"))
    status, _, err = stepaudit("plan", "c.yaml")
    assert status == 0, err  # the number of shards is given: nothing is read
    (tmp_path / "c.yaml").write_text((tmp_path / "c.yaml").read_text().replace("shards: 1", ""))
    status, _, err = stepaudit("plan", "c.yaml")
    assert (status, err.count("\n")) == (70, 1)
    status, _, err = stepaudit("plan", "c.yaml", "--debug")
    assert (status, "Traceback" in err) == (70, True)
    status, _, err = stepaudit("index", "c.yaml", "--dataset", "own")
    assert status == 1
    assert re.search(r'File ".*broken_reader.py", line 2, in read\n.*\nKeyError: \'a bug\'\n', err)


def test_bad_input_is_one_line_and_with_debug_a_traceback_as_well(stepaudit, monkeypatch):
    status, _, err = stepaudit("check", "no.yaml")
    assert (status, err.count("\n")) == (2, 1)
    monkeypatch.setenv("STEPAUDIT_DEBUG", "1")
    status, _, err = stepaudit("check", "no.yaml")
    assert status == 2
    assert err.startswith("Traceback")
    assert "\nstepaudit: no.yaml: cannot be read" in err


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_may_stand_anywhere(stepaudit, place):
    arguments = ["check", "no.yaml"]
    status, _, err = stepaudit(*arguments[:place], "--debug", *arguments[place:])
    assert (status, err.startswith("Traceback")) == (2, True)


def test_output_that_nobody_reads_any_more_ends_a_command_quietly(tmp_path):
    folder = write_audit(tmp_path, {"segments": [{"clip_id": "c"}]})
    build_database.create(folder, config.load(folder / "config.yaml"), ())
    command = [sys.executable, "-m", "stepaudit.cli", "sql", folder, "from range(200000)", "--format", "csv"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env={**environment, "PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout.readline() == b"range\n"
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", ExitCode.CLOSED)


def test_a_pipe_of_the_programs_own_that_breaks_is_a_bug():
    with pytest.raises(RuntimeError, match="a pipe of the program's own broke"):
        _exit_codes.close_output(BrokenPipeError("to ffmpeg"))


LEAVING = """
import sys
from torch import nn
class Net(nn.Module):
    def forward(self, clips): sys.exit(0)
net = Net()
"""
HOSTILE = "\x1b]0;title\x07\x1b[2J\u202enote\x9b31m"


def test_control_characters_in_notes_and_docstrings_do_not_reach_the_terminal(stepaudit, tmp_path):
    audit = write_audit(tmp_path / "results")
    notes = {"host": "h", "process": 1, "cluster_job": "", "began": 0.0, "noted": 0.0, "error": HOSTILE}
    writing.write_text(audit / ".jobs/index/planted.json", json.dumps(notes))
    for words in (["status", str(audit)], ["check", str(audit)], ["plan", str(tmp_path / f"{HOSTILE[:12]}.yaml")]):
        _, out, err = stepaudit(*words)
        assert not {sign for sign in out + err if not sign.isprintable()} - {"\n", "\t"}
    assert "\\x1b]0;title" in stepaudit("status", str(audit))[1]


def test_a_locale_of_another_encoding_changes_no_output(tmp_path):
    audit = write_audit(tmp_path / "results", clips("größe-日本"))
    build_database.create(audit, config.load(audit / "config.yaml"), ())
    code = "from stepaudit.cli import main; main()"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-X", "utf8=0", "-c", code, "sql", str(audit), "select clip_id from clips"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "größe-日本" in done.stdout.decode("utf-8")
    command[command.index("utf8=0")] = "utf8"
    done = subprocess.run(command, env={**environment, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert r"größe-\u65e5\u672c" in done.stdout.decode("latin-1")


def test_a_component_that_calls_sys_exit_does_not_end_a_command_as_if_it_were_done(stepaudit, tmp_path, monkeypatch):
    """The probe finds it before the method runs: bad input, not a crash."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_leaving.py").write_text(LEAVING)
    frames = np.zeros((20, 32, 32, 3), np.uint8)
    encoding.encode(frames, tmp_path / "a.mp4", 25)
    words = [
        "explain",
        "a.mp4",
        "--model",
        "own_leaving:net",
        "--classes",
        "2",
        "--size",
        "8x32x32",
        "--method",
        "center",
    ]
    status, _, err = stepaudit(*words)
    assert status == 2
    assert "called sys.exit(); remove that call" in err
