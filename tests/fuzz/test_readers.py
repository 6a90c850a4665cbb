"""Thousands of damaged files for each reader: every one ends in a status or a clear error, and leaves nothing behind.

A failure names its input by a number, and how to read that alone. Longer campaigns run by hand, see `campaign.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("campaign.py")
INPUTS = {
    "videos": 300,
    "pictures": 280,
    "ucf101_24": 280,
    "epic": 200,
    "folder": 230,
    "checkpoints": 260,
    "configurations": 230,
    "tables": 270,
}
SECONDS = 600


def run(arguments: list[str], keep: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    command = [sys.executable, *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return pytest.fail(f"no end within {SECONDS} s at input {(keep / 'now').read_text()}")


@pytest.mark.parametrize("reader", INPUTS)
def test_every_damaged_file_ends_in_a_status_or_a_clear_error(reader, tmp_path):
    done = run([str(CAMPAIGN), reader, "--count", str(INPUTS[reader]), "--keep", str(tmp_path)], tmp_path)
    again = f"python tests/fuzz/campaign.py {reader} --count 1 --first"
    assert done.returncode == 0, f"died; {again} {(tmp_path / 'now').read_text()}\n{done.stderr}"
    *failures, last = map(json.loads, done.stdout.splitlines())
    assert not failures, "\n".join(f"{again} {found['number']}: {found['story']}" for found in failures[:5])
    ends = last["ends"]
    assert sum(ends.values()) == INPUTS[reader]
    assert ends["read"] > 0  # some damage does no harm: the readers are reached
    assert ends.get("refused", 0) + ends.get("status bad_video", 0) > INPUTS[reader] / 10


def test_at_least_2000_inputs_are_read():
    assert sum(INPUTS.values()) >= 2000


BAD = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
import campaign, readers
campaign.SECONDS = 5

def bad(kind, content, work):
    if kind == "hang":
        try:
            time.sleep(60)
        except Exception:
            pass
    if kind == "write":
        open({outside!r}, "w").close()
    if kind == "litter":
        Path("litter").touch()
    if kind == "program":
        os.spawnv(os.P_WAIT, "/bin/true", ["true"])
    if kind == "memory":
        bytearray(1500 * 2**20)
    if kind == "bug":
        raise KeyError(kind)

kinds = ["hang", "write", "litter", "program", "memory", "bug", "fine"]
number = iter(range(99))
readers.READERS["bad"] = readers.Reader(lambda work: {{"fine": [b""]}}, bad)
campaign.damaged = lambda *_: (kinds[next(number)], b"")
print(campaign.campaign("bad", 0, len(kinds), Path({keep!r})))
"""


def test_a_campaign_notices_what_no_reader_may_do(tmp_path):
    names = {"folder": str(CAMPAIGN.parent), "outside": str(tmp_path / "outside"), "keep": str(tmp_path)}
    done = run(["-c", BAD.format(**names)], tmp_path)
    assert done.returncode == 0, done.stderr
    *failures, ends = done.stdout.splitlines()
    assert ends == "{'failed': 6, 'read': 1}", done.stdout
    stories = {found["number"]: found["story"] for found in map(json.loads, failures)}
    assert "HangError" in stories[0]
    assert "outside" in stories[1]
    assert "litter" in stories[2]
    assert "os.posix_spawn" in stories[3] or "os.fork" in stories[3] or "os.spawn" in stories[3]
    assert "it asked for 1" in stories[4]
    assert "KeyError" in stories[5]
