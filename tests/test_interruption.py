"""Signals sent to real processes, at whatever they are."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import PATIENCE, end, start

from stepaudit.running import interruption

JOB = """
import ctypes, hashlib, os, subprocess, sys, time
from stepaudit.running import interruption
with interruption.heeded():
    interruption.keeps(12, 40)
    print("ready", flush=True)
    DOING
print("went on")
"""
DOINGS = {
    "asleep": "time.sleep(60)",
    "in a loop": "while True: pass",
    "catching everything": "while True:\n        try: time.sleep(60)\n        except BaseException: pass",
    "in a call into C": "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2 * 10**9)",
    "in a library's wait": "ctypes.CDLL(None).select(0, None, None, None, None); time.sleep(60)",
    "waiting for a child": "subprocess.run(['sleep', '60'])",
}
ENDS = {signal.SIGTERM: 75, signal.SIGINT: 130}


def job(doing):
    return start(JOB.replace("DOING", doing))


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("doing", DOINGS.values(), ids=DOINGS)
def test_a_job_ends_at_once_and_says_what_is_kept(doing, number):
    process = job(doing)
    time.sleep(0.02)
    sent = time.monotonic()
    process.send_signal(number)
    status, err = end(process)
    assert time.monotonic() - sent < 5
    assert status == ENDS[number]
    assert err == "stepaudit: stopped; 12 of 40 rows are kept; run again\n"


def test_no_child_outlives_it_nor_a_childs_child():
    children = "subprocess.Popen(['sh', '-c', 'sleep 61 & echo $! && wait']); time.sleep(60)"
    process = job(children)
    grandchild = int(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 75
    limit = time.monotonic() + PATIENCE
    while Path(f"/proc/{grandchild}/stat").exists() and " Z " not in Path(f"/proc/{grandchild}/stat").read_text():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_warning_ends_it_when_its_batch_is_kept():
    doing = "time.sleep(0.3); interruption.keeps(13, 40); interruption.pause(); print('and on')"
    process = job(doing)
    process.send_signal(signal.SIGURG)
    status, err = end(process)
    assert (status, err) == (75, "stepaudit: stopped before the time limit; 13 of 40 rows are kept; run again\n")


def test_a_warning_in_the_last_batch_does_not_keep_it_from_finishing():
    process = job("time.sleep(0.3); interruption.keeps(40, 40); interruption.pause()")
    process.send_signal(signal.SIGURG)
    assert end(process) == (0, "")


def test_a_second_signal_does_not_matter_nor_do_many():
    process = job("time.sleep(60)")
    for _ in range(20):
        process.send_signal(signal.SIGURG)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 75


def test_what_the_shell_ignores_is_ignored():
    """As by `nohup`, or for what a script starts in the background."""
    script = JOB.replace("DOING", "time.sleep(0.5)").replace("import ctypes", "import signal, ctypes")
    script = script.replace("with inter", "signal.signal(signal.SIGINT, signal.SIG_IGN)\nwith inter", 1)
    process = start(script)
    process.send_signal(signal.SIGINT)
    assert end(process) == (0, "")


def test_nobody_reading_its_log_any_more_does_not_keep_it_from_ending():
    process = job("time.sleep(60)")
    process.stderr.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 75
    process.stdout.close()


def test_the_command_line_ends_so_from_its_first_moment_on():
    """Most of its start is imports; which of them is under way does not matter."""
    endings = []
    for wait in (0, 0.003, 0.01):
        command = [
            sys.executable,
            "-c",
            "from stepaudit import cli; print('ready', flush=True); cli.main()",
            "sql",
            "x",
        ]
        with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(wait)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=PATIENCE)
        endings.append((process.returncode, err))
    for status, err in endings:
        assert "Traceback" not in err
        assert status in (75, -signal.SIGTERM, 2)  # before it heeds signals, and after its end


def test_everything_is_as_it_was_afterwards():
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGURG)
    before = [signal.getsignal(number) for number in numbers]
    open_files = len(list(Path("/dev/fd").iterdir()))
    with interruption.heeded():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert len(list(Path("/dev/fd").iterdir())) == open_files
