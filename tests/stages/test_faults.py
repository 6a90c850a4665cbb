"""Methods that hang, raise, leak and leave things behind: the finished tables are those of one that does not."""

import logging
import signal
import subprocess
import sys
import time

import faulty_methods
import pytest

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.clips.tensors import to_tensor
from stepaudit.running import interruption
from stepaudit.stages import attribute, score, train
from stepaudit.store import tables

PATIENCE = 60


def of(method):
    """The keys of a job."""
    return {"dataset": "planted", "model": "r3d", "method": method, "shard": "test-000"}


@pytest.fixture
def explain(changed):
    """Runs a faulty method and the sound one on a shard; gives their rows, but for the time that they took."""

    def run(name, **options):
        settings = options.pop("settings", {})
        methods = {
            method: {"use": f"faulty_methods:{method}", "batch_size": 2, "options": given}
            for method, given in ((name, options), ("sound", {}))
        }
        made = changed(methods=methods, **settings)
        attribute.run(Job(made, "attribute", **of("sound")))
        attribute.run(Job(made, "attribute", **of(name)))
        return rows(made, name), rows(made, "sound")

    return run


@pytest.fixture
def brightness(whole):
    """A brightness between the brightest clip of the shard and the next, and the brightest's name."""
    shown = {}
    for row in tables.read("clips", *Job(whole, "predict", "planted", "r3d").files("clips")):
        if row["status"] == "ok":
            shown[row["clip_id"]] = to_tensor([row])[0, :, 0].mean().item()
    first = {row["clip_id"] for row in tables.read("maps", Job(whole, "attribute", **of("center")).file("maps"))}
    second, brightest = sorted((name for name in shown if name in first), key=shown.__getitem__)[-2:]
    return (shown[second] + shown[brightest]) / 2, brightest


def rows(made, method):
    found = tables.read("maps", Job(made, "attribute", **of(method)).file("maps"))
    return [{**row, "seconds": None, "method": None, "options": None} for row in found]


def test_a_clip_at_which_a_method_hangs_is_the_only_one_that_times_out(explain, brightness):
    above, brightest = brightness
    found, sound = explain("hanging", above=above, settings={"batch_seconds": 0.5})
    for mine, right in zip(found, sound, strict=True):
        if right["clip_id"] == brightest:
            assert mine["status"] == "timed_out"
            assert mine["error"] == "not done within 0.5 s; if it is only slow, raise `batch_seconds`"
            assert mine["grid"] is None
        else:
            assert mine == right


@pytest.mark.parametrize("spoil", [False, True])
def test_what_a_method_leaves_behind_does_not_reach_the_next_row_and_is_told_once(explain, caplog, spoil):
    with caplog.at_level(logging.WARNING):
        found, sound = explain("leaving", spoil=spoil)
    assert found == sound
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith(
        "method 'leaving' of model 'r3d' changed the model's training mode, the model's frozen weights"
    )
    assert "the model's hooks" in told
    assert told.endswith("undone, the model is loaded again" if spoil else "undone")


def test_a_bug_ends_the_job_with_the_method_and_the_clip_and_what_is_kept(explain, brightness):
    with pytest.raises(ZeroDivisionError) as bug:
        explain("raising", above=brightness[0])
    (note,) = bug.value.__notes__
    assert note.startswith("stepaudit: method 'raising' of model 'r3d' failed on ")
    assert f"'{brightness[1]}'" in note
    assert note.endswith(" rows are kept; fix it and run again")


def test_a_method_that_leaks_goes_on_in_fresh_processes_until_it_is_done(explain, monkeypatch, capfd):
    monkeypatch.setattr(interruption._State, "reason", None)
    found, stops = None, 0
    while found is None:
        try:
            found, sound = explain("leaking", settings={"memory_growth_mb": 10})
        except SystemExit as stop:
            stops += stop.code == 75
            interruption._State.reason = None  # as in a fresh process
    faulty_methods.held.clear()
    assert found == sound
    assert stops >= 1
    assert "by more than `memory_growth_mb: 10`; 4 of 5 rows are kept; run again" in capfd.readouterr().err


def test_a_batch_that_does_not_fit_is_halved_once_and_for_all(explain, monkeypatch):
    calls, work = [], faulty_methods.hungry

    def hungry(model, clips, targets, **options):
        calls.append(len(clips))
        return work(model, clips, targets, **options)

    monkeypatch.setattr(faulty_methods, "hungry", hungry)
    found, sound = explain("hungry", most=1)
    assert found == sound
    assert calls.count(2) == 1
    assert (
        calls.count(1) == len([row for row in sound if row["status"] == "ok"]) + 2
    )  # and two of a batch by themselves


def test_a_metric_that_hangs_is_a_row_of_its_own_and_one_that_raises_names_the_clip(changed):
    made = changed(metrics={"slow": {"use": "faulty_metrics:hanging"}, "entropy": {}}, batch_seconds=0.3)
    score.run(Job(made, "score", **of("center")))
    found = tables.read("scores", Job(made, "score", **of("center")).file("scores"))
    statuses = {metric: {row["status"] for row in found if row["metric"] == metric} for metric in ("slow", "entropy")}
    assert statuses == {"slow": {"timed_out", "upstream"}, "entropy": {"ok", "upstream"}}
    made = changed(metrics={"wrong": {"use": "faulty_metrics:raising"}})
    with pytest.raises(KeyError) as bug:
        score.run(Job(made, "score", **of("center")))
    assert "stepaudit: metric 'wrong' failed on '" in bug.value.__notes__[0]


def command(made, folder, *arguments):
    """The command line, started with a configuration."""
    config.save(made, folder / "config.yaml")
    whole = [sys.executable, "-m", "stepaudit.cli", arguments[0], str(folder / "config.yaml"), *arguments[1:]]
    return subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(pattern, folder, process):
    limit = time.monotonic() + PATIENCE
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_a_job_that_is_told_to_end_says_what_is_kept_and_goes_on_to_the_same_rows(changed, tmp_path, whole):
    """A real process, in an optimisation that would take minutes."""
    long = {"step": {"ratios": [0.1, 0.3], "options": {"iterations": 3}, "batch_size": 1}}
    made = changed(methods=long)
    output = Job(made, "attribute", **of("step")).file("maps")
    output.unlink()
    named = [part for key, value in of("step").items() for part in (f"--{key}", value)]
    with command(made, tmp_path, "attribute", *named) as process:
        wait_for(".*.parts/*.parquet", output.parent, process)
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 75
    assert err.splitlines()[-1].startswith("stepaudit: stopped; ")
    assert err.endswith(" of 10 rows are kept; run again\n")
    assert "Traceback" not in err
    assert not output.exists()
    attribute.run(Job(made, "attribute", **of("step")))
    kept = [{**row, "seconds": None} for row in tables.read("maps", output)]
    attribute.run(Job(made, "attribute", **of("step")))  # all anew
    assert kept == [{**row, "seconds": None} for row in tables.read("maps", output)]


def test_a_training_that_is_killed_goes_on_to_the_same_checkpoint(changed, tmp_path):
    entry = {"use": "r2plus1d_18", "options": {"width": 2}, "training": {"epochs": 12, "batch_size": 4}}
    made = changed(models={"r3d": entry})
    path = Job(made, "train", "planted", "r3d").checkpoint
    train.run(Job(made, "train", "planted", "r3d"))
    right = path.read_bytes()
    path.unlink()
    with command(made, tmp_path, "train", "--dataset", "planted", "--model", "r3d") as process:
        wait_for(".*.parts/epoch-*.pt", path.parent, process)
        process.kill()
        process.communicate()
    assert not path.exists()
    train.run(Job(made, "train", "planted", "r3d"))
    assert path.read_bytes() == right
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []
