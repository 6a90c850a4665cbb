"""A shard that is made batch by batch."""

import logging
import os
import signal
import subprocess
import sys
import time
from random import Random

import pytest
from disks import fill, read_only, small_disk
from processes import end, start

import stepaudit.running.ledger as kept_module
from stepaudit.errors import StorageError, UsageError
from stepaudit.running.parts import Parts
from stepaudit.store import tables

WRITER = """
import sys
from pathlib import Path
from stepaudit.running import interruption
from stepaudit.running.parts import Parts
with interruption.heeded():
    parts = Parts("clips", Path(sys.argv[1]), "x", [1] * 1000)
    print("ready", flush=True)
    for batch in range(1000):
        if batch not in parts:
            parts.add(batch, [{"clip_id": str(batch), "pixels": bytes([batch % 256]) * 100_000}])
"""
HOLDER = """
import sys, time
from pathlib import Path
from stepaudit.running.parts import Parts
parts = Parts("clips", Path(sys.argv[1]), "x")
print("ready", flush=True)
time.sleep(60)
"""


FORKING = """
import multiprocessing, os, sys, time
from pathlib import Path
from stepaudit.running.parts import Parts
parts = Parts("clips", Path(sys.argv[1]), "x")
def work():
    print(os.getpid(), flush=True)
    time.sleep(60)
multiprocessing.get_context("fork").Process(target=work).start()
time.sleep(60)
"""


@pytest.fixture
def output(tmp_path):
    return tmp_path / "clips" / "dataset=d" / "size=16x32x32" / "test-000.parquet"


def names(rows_of):
    return [row["clip_id"] for row in tables.read("clips", rows_of)]


def test_batches_are_joined_in_their_order_whenever_they_were_made(output):
    parts = Parts("clips", output, "x")
    for batch in (2, 0, 1):
        parts.add(batch, [{"clip_id": f"{batch}{row}"} for row in range(2)])
    assert not output.exists()
    parts.finish(3)
    assert names(output) == ["00", "01", "10", "11", "20", "21"]
    assert [file.name for file in output.parent.iterdir()] == [output.name]


def test_what_was_finished_is_still_there_after_a_restart(output):
    Parts("clips", output, "x").add(1, [{"clip_id": "kept"}])
    again = Parts("clips", output, "x")
    assert [batch in again for batch in range(3)] == [False, True, False]
    again.add(0, [{"clip_id": "new"}])
    again.finish(2)
    assert names(output) == ["new", "kept"]


def test_what_was_made_from_something_else_is_thrown_away(output):
    Parts("clips", output, "x").add(0, [{"clip_id": "old"}])
    assert 0 not in Parts("clips", output, "y")
    assert 0 not in Parts("clips", output, "x")


def test_parts_without_a_mark_are_thrown_away(output):
    """Stopped between making the folder and marking it."""
    parts = Parts("clips", output, "x")
    parts.add(0, [{}])
    (parts.folder / "fingerprint").unlink()
    assert 0 not in Parts("clips", output, "x")


def test_a_batch_that_was_stopped_half_way_is_made_again(output):
    parts = Parts("clips", output, "x")

    def rows():
        yield {"clip_id": "one"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.add(0, rows())
    assert 0 not in Parts("clips", output, "x")


def test_stopped_after_the_output_and_before_the_end_it_ends_with_the_same_rows(output, monkeypatch):
    parts = Parts("clips", output, "x")
    parts.add(0, [{"clip_id": "a"}])
    monkeypatch.setattr(kept_module, "remove", lambda output: None)
    parts.finish(1)
    monkeypatch.undo()
    before = output.read_bytes()
    again = Parts("clips", output, "x")
    assert 0 in again
    again.finish(1)
    assert output.read_bytes() == before


def test_no_batches_are_an_empty_table(output):
    Parts("clips", output, "x").finish(0)
    assert tables.read("clips", output) == []


def flipped(data, random):
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


def test_a_part_with_any_bit_flipped_or_any_end_cut_off_is_made_again_with_a_line_in_the_log(output, caplog):
    random = Random(0)
    for change in [flipped] * 20 + [lambda data, random: data[: random.randrange(len(data))]] * 10:
        parts = Parts("clips", output, "x")
        for batch in range(2):
            parts.add(batch, [{"clip_id": str(batch)}])
        path = parts.folder / "000001.parquet"
        path.write_bytes(change(path.read_bytes(), random))
        with caplog.at_level(logging.WARNING):
            again = Parts("clips", output, "x")
        assert [batch in again for batch in range(2)] == [True, False]
        assert "000001.parquet: damaged; it is made again" in caplog.text
        caplog.clear()


def test_a_ledger_that_was_cut_off_or_changed_costs_no_more_than_its_batches(output):
    random = Random(0)
    for _ in range(20):
        parts = Parts("clips", output, "x")
        for batch in range(3):
            parts.add(batch, [{"clip_id": str(batch)}])
        ledger = parts.folder / "ledger"
        ledger.write_bytes(flipped(ledger.read_bytes(), random)[: random.randrange(len(ledger.read_bytes()))])
        again = Parts("clips", output, "x")
        for batch in range(3):
            if batch not in again:
                again.add(batch, [{"clip_id": str(batch)}])
        again.finish(3)
        assert names(output) == ["0", "1", "2"]


def test_a_part_of_an_older_schema_is_made_again(output, monkeypatch):
    monkeypatch.setattr(tables, "SCHEMA_VERSION", tables.SCHEMA_VERSION - 1)
    Parts("clips", output, "x").add(0, [{"clip_id": "old"}])
    monkeypatch.undo()
    assert 0 not in Parts("clips", output, "x")


def test_what_killed_writers_left_is_gone_and_never_taken_for_a_part(output):
    parts = Parts("clips", output, "x")
    parts.add(0, [{"clip_id": "0"}])
    sound = (parts.folder / "000000.parquet").read_bytes()
    left = [
        parts.folder / ".000001.parquet.tmp",
        parts.folder / "000001.parquet",
        output.with_name(f".{output.name}.tmp"),
    ]
    for path in left:
        path.write_bytes(sound)
    again = Parts("clips", output, "x")
    assert 1 not in again
    assert not any(path.exists() for path in left)


def test_a_writer_that_is_killed_again_and_again_leaves_only_sound_parts(output):
    random, found = Random(1), []
    for attempt in range(6):
        process = start(WRITER, output)
        while len(list(output.parent.glob(".*.parts/*.parquet"))) < len(found) + random.randint(1, 9):
            time.sleep(random.uniform(0, 0.003))
        process.send_signal(signal.SIGTERM if attempt % 2 else signal.SIGKILL)
        status, err = end(process)
        assert status == (75 if attempt % 2 else -signal.SIGKILL)
        assert ("of 1000 rows are kept; run again" in err) == bool(attempt % 2)
        parts = Parts("clips", output, "x")
        known = [batch for batch in range(1000) if batch in parts]
        assert len(known) >= len(found)
        found = known
        kept_module.locks.give_back(parts.folder / "lock")
    assert found == list(range(len(found)))
    assert len(found) > 5
    for batch in found:
        (row,) = tables.read("clips", parts.folder / f"{batch:06d}.parquet")
        assert (row["clip_id"], row["pixels"]) == (str(batch), bytes([batch % 256]) * 100_000)


def test_a_second_process_is_refused_and_told_who_holds_the_shard_until_that_one_is_gone(output):
    holder = start(HOLDER, output)
    for _ in range(2):
        with pytest.raises(
            UsageError, match=rf"test-000.parquet: process {holder.pid} on .*; wait .*, or stop it"
        ) as told:
            Parts("clips", output, "x")
    assert "making it at this moment" in str(told.value)
    holder.kill()
    end(holder)
    Parts("clips", output, "x").finish(0)


def test_a_shard_that_another_process_has_just_finished_can_be_made_again(output):
    """The lock's file was removed while somebody was about to take it."""
    first = Parts("clips", output, "x")
    first.finish(0)
    holder = start(HOLDER, output)
    with pytest.raises(UsageError, match=f"process {holder.pid} on"):
        Parts("clips", output, "x")
    holder.kill()
    end(holder)


def test_on_a_full_disk_it_ends_with_the_folder_and_goes_on_when_there_is_room(tmp_path):
    rows = [{"clip_id": "a", "pixels": Random(0).randbytes(50_000)}]
    with small_disk(tmp_path / "disk", kilobytes=300) as disk:
        output = disk / "clips" / "test-000.parquet"
        parts = Parts("clips", output, "x", [1, 1])
        parts.add(0, rows)
        ballast = fill(disk)
        with pytest.raises(
            StorageError, match=r"\.parts: the disk is full \(0 MB are free\); make space and run again"
        ):
            parts.add(1, rows)
        assert sorted(path.name for path in parts.folder.iterdir()) == [
            "000000.parquet",
            "fingerprint",
            "ledger",
            "lock",
        ]
        with pytest.raises(StorageError):
            Parts("clips", disk / "other" / "test-000.parquet", "x")
        ballast.unlink()
        again = Parts("clips", output, "x", [1, 1])
        assert [batch in again for batch in range(2)] == [True, False]
        again.add(1, rows)
        again.finish(2)
        assert len(names(output)) == 2
        kept_module.locks.give_back(disk / "other" / ".test-000.parquet.parts" / "lock")


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(tmp_path):
    with read_only(tmp_path / "disk") as disk:
        with pytest.raises(StorageError, match=rf"^{disk}/clips: cannot be written \(.*\); give yourself the right"):
            Parts("clips", disk / "clips" / "test-000.parquet", "x")
        assert not list(disk.iterdir())


def test_a_worker_that_outlives_its_killed_job_does_not_hold_the_lock(output):
    job = subprocess.Popen([sys.executable, "-c", FORKING, output], stdout=subprocess.PIPE, text=True)
    worker = int(job.stdout.readline())
    try:
        with pytest.raises(UsageError, match=f"process {job.pid} on .* is making it"):
            Parts("clips", output, "x")
        job.kill()
        job.wait()  # not for its output, which the worker holds open
        os.kill(worker, 0)  # it is still there
        assert 0 not in Parts("clips", output, "x")
    finally:
        os.kill(worker, signal.SIGKILL)
