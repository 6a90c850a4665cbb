"""Each fault is done to an audit on purpose; afterwards its tables are those of an audit that was left alone."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import pytest
from disks import fill, read_only, small_disk
from workshop import ODD, PATIENCE, STEP, kill, same_weights

KILLS = 20
# Of the whole workflow, in first and in repeated runs: each takes half a minute, so that 20 are for a long night.
WORKFLOW_KILLS = int(os.environ.get("STEPAUDIT_KILLS", "8"))
STAGES = ("index", "extract", "train", "predict", "attribute", "preserve", "score", "report")


def remove(workshop, table: str, keys: dict[str, str]) -> Path:
    path = workshop.file(table, keys)
    path.unlink()
    return path


def until(so, process: subprocess.Popen | None = None) -> None:
    limit = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < limit
        assert process is None or process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def test_killed_at_random_moments(workshop, recovered):
    """A job killed at 20 random moments, one after another."""
    output, random, killed, finished = remove(workshop, "maps", STEP), Random(0), 0, 0
    start = time.monotonic()
    status, text = workshop.job("attribute", STEP)
    assert status == 0, text
    whole = time.monotonic() - start
    while killed < KILLS:
        output.unlink(missing_ok=True)
        process = workshop.start("attribute", STEP)
        try:
            process.communicate(timeout=random.uniform(0.3, 0.9) * whole)
            finished += 1
        except subprocess.TimeoutExpired:
            kill(process)
            killed += 1
            kept = len(workshop.parts("maps", STEP))
            assert output.exists() or kept < 11
    output.unlink(missing_ok=True)
    since = time.monotonic()
    assert workshop.job("attribute", STEP)[0] == 0
    recovered(
        f"{killed} kills came before the job's end; {finished} runs between them ended first",
        workshop.lost("maps", STEP),
        since,
    )


def test_first_runs_are_killed(workshop, recovered):
    """The workflow killed at random moments of first runs, in every stage."""
    random, killed, lost, since = Random(1), 0, 0, time.monotonic()
    while killed < WORKFLOW_KILLS:
        for folder in (workshop.results, workshop.checkout.folder / ".snakemake"):
            shutil.rmtree(folder)
        for stage in STAGES[: WORKFLOW_KILLS - killed]:
            killed += kill_workflow(workshop, stage, random.uniform(0, 3))
        lost += lost_after_recovery(workshop)
    recovered(f"{killed} kills over all stages; `stepaudit check` found nothing in the end", lost, since)


def test_repeated_runs_are_killed(workshop, recovered):
    """The workflow killed at random moments of repeated runs (`--forcerun`), in every stage."""
    random, killed, lost, since = Random(2), 0, 0, time.monotonic()
    while killed < WORKFLOW_KILLS:
        stage = STAGES[killed % len(STAGES)]
        killed += kill_workflow(workshop, stage, random.uniform(0, 3), "--forcerun", stage)
        lost += lost_after_recovery(workshop)
    recovered(f"{killed} kills, each continued to the end, after which `stepaudit check` found nothing", lost, since)


def kill_workflow(workshop, stage: str, seconds: float, *options: str) -> bool:
    """Starts the workflow and kills all of it, so many seconds after a job of a stage has begun. False if it ended."""
    command = workshop.checkout.command("--cores", "2", "--configfile", "tiny.yaml", "--rerun-incomplete", *options)
    path = workshop.checkout.folder / "killed.log"
    with path.open("w") as log:
        process = subprocess.Popen(**command, stdout=log, stderr=log, start_new_session=True)
        try:
            until(lambda: f"rule {stage}:" in path.read_text() or process.poll() is not None)
            assert f"rule {stage}:" in path.read_text(), path.read_text()
            time.sleep(seconds)
            alive = process.poll() is None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert workshop.checkout.snakemake("--unlock", "--configfile", "tiny.yaml").returncode == 0
    return alive


def lost_after_recovery(workshop) -> int:
    """Rows of all tables that are missing or others after the documented commands, with which `check` is content."""
    done = workshop.snakemake("--rerun-incomplete")
    assert done.returncode == 0, done.stdout
    assert workshop.stepaudit("check", "results/tiny") == (0, "")
    return workshop.lost_of_all()


def test_killed_while_it_trains(workshop, recovered):
    """A training killed after its second epoch."""
    keys = {"dataset": "planted", "model": "narrow"}
    path = workshop.results / "checkpoints" / "dataset=planted" / "narrow.safetensors"
    path.unlink()
    process = workshop.start("train", keys)
    kept = path.with_name(f".{path.name}.parts")
    until(lambda: kept.exists() and (kept / "ledger").exists() and (kept / "ledger").read_text().count("\n") >= 2)
    kill(process)
    since = time.monotonic()
    assert not path.exists()
    assert workshop.job("train", keys)[0] == 0
    expected = workshop.expected / path.relative_to(workshop.results)
    lost = 0 if same_weights(path, expected) else 1
    recovered("its two epochs were not repeated; the weights are the same, bit by bit", lost, since)


def test_the_disk_fills_up(workshop, recovered):
    """The disk is full while maps are written."""
    folder = remove(workshop, "maps", STEP).parent
    shutil.rmtree(folder)
    with small_disk(folder, kilobytes=2048):
        process = workshop.start("attribute", STEP)
        until(lambda: workshop.parts("maps", STEP), process)
        ballast = fill(folder)
        text, _ = process.communicate()
        assert process.returncode == 1, text
        assert "the disk is full" in text
        assert text.strip().count("\n") < 12, text
        kept = len(workshop.parts("maps", STEP))
        assert kept >= 1
        assert not workshop.file("maps", STEP).exists()
        ballast.unlink()
        since = time.monotonic()
        assert workshop.job("attribute", STEP)[0] == 0
        recovered(f"the job ended with one sentence, {kept} batches were kept", workshop.lost("maps", STEP), since)


@pytest.fixture(params=["truncated", "bit flipped"])
def damage(request):
    def do(path: Path) -> None:
        content = bytearray(path.read_bytes())
        if request.param == "truncated":
            path.write_bytes(content[: len(content) // 2])
        else:
            content[len(content) // 3] ^= 4
            path.write_bytes(content)

    return request.param, do


def test_a_shard_is_damaged_on_the_disk(workshop, damage, recovered):
    """A finished shard is damaged on the disk."""
    name, do = damage
    assert workshop.stepaudit("check", "results/tiny") == (0, "")
    path = workshop.file("maps", STEP)
    do(path)
    since = time.monotonic()
    status, text = workshop.stepaudit("check", "results/tiny", "--delete")
    assert status == 1
    assert str(path.relative_to(workshop.results)) in text
    assert not path.exists()
    again = workshop.snakemake("--", str(path.relative_to(workshop.checkout.folder)), "all")
    assert again.returncode == 0, again.stdout
    lost = workshop.lost("maps", STEP)
    status, text = workshop.stepaudit("check", "results/tiny")
    assert (status, text) == (0, ""), text
    recovered(f"{name}; `stepaudit check` found it, and it was made again", lost, since)


def test_the_results_folder_cannot_be_written(workshop, recovered):
    """The results folder is read-only."""
    folder = remove(workshop, "maps", STEP).parent
    shutil.rmtree(folder)
    with read_only(folder):
        status, text = workshop.job("attribute", STEP)
        assert status == 1, text
        assert "cannot be written" in text
    shutil.rmtree(folder, ignore_errors=True)
    since = time.monotonic()
    assert workshop.job("attribute", STEP)[0] == 0
    recovered("the job ended with one sentence that names the folder", workshop.lost("maps", STEP), since)


def test_two_runs_are_started_at_once(workshop, recovered):
    """Two runs of the workflow are started at once."""
    path = remove(workshop, "maps", STEP)
    target = ("--", str(path.relative_to(workshop.checkout.folder)))
    command = workshop.checkout.command("--cores", "1", "--configfile", "tiny.yaml", *target)
    first = subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: workshop.parts("maps", STEP), first)
    since = time.monotonic()
    second = workshop.snakemake(*target)
    assert second.returncode != 0
    assert "--unlock" in second.stdout
    text, _ = first.communicate()
    assert first.returncode == 0, text
    recovered("the second one refused, the first one ended well", workshop.lost("maps", STEP), since)


def test_two_jobs_make_the_same_shard(workshop, recovered):
    """Two jobs make the same shard at once, as after the loss of a login node."""
    remove(workshop, "maps", STEP)
    first = workshop.start("attribute", STEP)
    until(lambda: workshop.parts("maps", STEP), first)
    since = time.monotonic()
    status, text = workshop.job("attribute", STEP)
    assert status == 2
    assert f"process {first.pid}" in text
    first.communicate()
    assert first.returncode == 0
    recovered("the second one refused and named the first", workshop.lost("maps", STEP), since)


@pytest.mark.parametrize("days", [-400, 400], ids=["back", "forward"])
def test_the_clock_jumps(workshop, days, recovered):
    """The machine's clock jumps by more than a year while a job is stopped."""
    output = remove(workshop, "maps", STEP)
    process = workshop.start("attribute", STEP)
    until(lambda: len(workshop.parts("maps", STEP)) >= 2, process)
    kill(process)
    kept = len(workshop.parts("maps", STEP))
    for path in [path for path in workshop.results.rglob("*") if path.is_file()]:
        moment = path.stat().st_mtime + 86400 * days
        os.utime(path, (moment, moment))
    since = time.monotonic()
    status, text = workshop.job("attribute", STEP)
    assert status == 0, text
    again = workshop.snakemake("--rerun-incomplete", "--", str(output.relative_to(workshop.checkout.folder)))
    assert again.returncode == 0, again.stdout
    recovered(f"by {days} days; {kept} batches were kept", workshop.lost("maps", STEP), since)


def test_a_video_is_corrupt(workshop, recovered):
    """A video in the middle of a shard is cut off, and repaired later."""
    keys = {"dataset": "planted", "size": "16x32x32", "shard": "test-000"}
    videos = sorted((workshop.checkout.folder / "data").rglob("cross-vertical-test-001.mp4"))
    assert len(videos) == 1
    whole = videos[0].read_bytes()
    remove(workshop, "clips", keys)
    videos[0].write_bytes(whole[: len(whole) // 2])
    status, text = workshop.job("extract", keys)
    assert status == 0, text
    expected = workshop.expected_rows("clips", keys)
    rows = {row["clip_id"]: row for row in workshop.rows("clips", keys)}
    broken = [row["clip_id"] for row in expected if rows[row["clip_id"]]["status"] != row["status"]]
    assert len(broken) == 1
    assert rows[broken[0]]["status"] == "bad_video"
    assert all(rows[row["clip_id"]] == row for row in expected if row["clip_id"] not in broken)
    videos[0].write_bytes(whole)
    remove(workshop, "clips", keys)
    since = time.monotonic()
    assert workshop.job("extract", keys)[0] == 0
    recovered(
        "one row `bad_video`, the others unchanged; all complete after the repair", workshop.lost("clips", keys), since
    )


def of_one_kind(workshop, table: str, keys: dict[str, str], status: str) -> int:
    """Rows with another status than before; all others must be as they were (or, asked about a blurred copy, NULL)."""
    expected, found = workshop.expected_rows(table, keys), workshop.rows(table, keys)
    for row, before in zip(found, expected, strict=True):
        if row.get("predicted_when_blurred", "") is None:  # the model answered NaN to the copy, which has no row
            before["predicted_when_blurred"] = None
    changed = [row for row, before in zip(found, expected, strict=True) if row != before]
    assert {row["status"] for row in changed} == {status}
    return len(changed)


def test_a_model_answers_nan(workshop, recovered):
    """A model answers NaN for some clips."""
    keys = {"dataset": "planted", "model": "plugin", "shard": "test-000"}
    remove(workshop, "predictions", keys)
    assert workshop.job("predict", keys, FAULT="nan")[0] == 0
    count = of_one_kind(workshop, "predictions", keys, "non_finite")
    remove(workshop, "predictions", keys)
    since = time.monotonic()
    assert workshop.job("predict", keys)[0] == 0
    what = f"{count} rows `non_finite`, the others unchanged; all complete after the repair"
    recovered(what, workshop.lost("predictions", keys), since)


def test_a_plugin_raises(workshop, recovered):
    """A plugin has a bug that shows at some clips."""
    output = remove(workshop, "maps", ODD)
    status, text = workshop.job("attribute", ODD, FAULT="raise")
    assert status == 1, text
    assert "method 'odd'" in text
    assert "a bug of the plugin" in text
    assert not output.exists()
    kept = len(workshop.parts("maps", ODD))
    since = time.monotonic()
    assert workshop.job("attribute", ODD)[0] == 0
    recovered(f"the job named plugin and clip; {kept} batches were kept", workshop.lost("maps", ODD), since)


def test_a_plugin_hangs(workshop, recovered):
    """A plugin hangs at some clips."""
    config = workshop.results / "config.yaml"
    before = config.read_text()
    config.write_text(before.replace("batch_seconds: 14400.0", "batch_seconds: 2.0"))
    assert config.read_text() != before
    remove(workshop, "maps", ODD)
    status, text = workshop.job("attribute", ODD, FAULT="hang")
    assert status == 0, text
    count = of_one_kind(workshop, "maps", ODD, "timed_out")
    config.write_text(before)
    remove(workshop, "maps", ODD)
    since = time.monotonic()
    assert workshop.job("attribute", ODD)[0] == 0
    recovered(
        f"{count} rows `timed_out`, the others unchanged; all complete after the repair",
        workshop.lost("maps", ODD),
        since,
    )


def test_a_plugin_leaks_memory(workshop, recovered):
    """A plugin leaks memory."""
    config = workshop.results / "config.yaml"
    config.write_text(config.read_text().replace("memory_growth_mb: null", "memory_growth_mb: 100"))
    remove(workshop, "maps", ODD)
    since, runs = time.monotonic(), 0
    while not workshop.file("maps", ODD).exists():
        status, text = workshop.job("attribute", ODD, FAULT="leak")
        runs += 1
        assert status in (0, 75), text
        assert runs < 12
    assert runs > 1
    recovered(f"the job asked to be run again, {runs - 1} times", workshop.lost("maps", ODD), since)


def test_a_plugin_leaves_things_behind(workshop, recovered):
    """A plugin leaves hooks, modes and changed weights behind after each batch."""
    remove(workshop, "maps", ODD)
    since = time.monotonic()
    status, text = workshop.job("attribute", ODD, FAULT="hooks")
    assert status == 0, text
    assert "method 'odd'" in text
    for left in ("hooks", "training mode", "weights", "gradient mode", "random state"):
        assert left in text, text
    recovered("each was undone before the next batch and logged", workshop.lost("maps", ODD), since)
