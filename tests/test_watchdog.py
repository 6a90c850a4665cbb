"""Calls that hang: in Python, in the system, in C, and in C without letting Python's threads run."""

import logging
import signal
import threading
import time

import pytest
from processes import end, start

from stepaudit.errors import TimedOutError
from stepaudit.running.watchdog import Watchdog

STUBBORN = """
import faulthandler, hashlib, itertools, sys
from pathlib import Path
from stepaudit.running.watchdog import Watchdog
print("ready", flush=True)
with Watchdog(0.2, Path(sys.argv[1]), grace=0.2) as dog:
    with dog.limited("before"):
        pass
    with dog.limited("third of batch 7"):
        DOING
"""
IN_C = "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2 * 10**9)"
HOLDING_PYTHON = "all(itertools.repeat(True))"


def loop():
    while True:
        pass


def sleep():
    time.sleep(60)


def wait():
    threading.Event().wait(60)


def swallowing_once():
    try:
        time.sleep(60)
    except Exception:  # noqa: BLE001 (as plugins do)
        time.sleep(60)


@pytest.mark.parametrize("hang", [loop, sleep, wait, swallowing_once])
def test_what_hangs_ends_in_an_error_and_the_next_call_is_as_if_it_had_not(tmp_path, hang):
    with Watchdog(0.1, tmp_path) as dog:
        start = time.monotonic()
        with pytest.raises(TimedOutError, match=r"not done within 0.1 s; .* raise `batch_seconds`"), dog.limited("a"):
            hang()
        assert 0.1 <= time.monotonic() - start < 5
        with dog.limited("b"):
            time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_time_between_calls_does_not_count(tmp_path):
    with Watchdog(0.15, tmp_path) as dog:
        for _ in range(4):
            with dog.limited("a"):
                time.sleep(0.02)
            time.sleep(0.1)
        time.sleep(0.2)


def test_no_limit_limits_nothing(tmp_path):
    with Watchdog(None, tmp_path) as dog, dog.limited("a"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("doing", "status"), [(IN_C, 75), (HOLDING_PYTHON, 1)], ids=["in C", "holding Python"])
def test_what_cannot_be_stopped_ends_the_process_and_is_left_out_in_the_next(tmp_path, doing, status):
    stopped, err = end(start(STUBBORN.replace("DOING", doing), tmp_path))
    assert stopped == status
    assert status == 1 or err == (
        "stepaudit: a call did not end within 0.2 s, nor 0.2 s after it was interrupted; the next try leaves it out; "
        "run again\n"
    )
    for _ in range(2):  # also if the next is stopped for another reason
        with pytest.raises(SystemExit):
            refused_and_stopped(tmp_path)
    with Watchdog(30, tmp_path) as dog, dog.limited("third of batch 7"):
        pass  # with more time it is tried again
    assert list(tmp_path.iterdir()) == []


def refused_and_stopped(folder):
    with Watchdog(0.2, folder) as dog:
        again = dog.limited("third of batch 7")
        with pytest.raises(TimedOutError, match=r"not done within 0.2 s in an earlier try, which had to be"), again:
            raise AssertionError("tried again")
        with dog.limited("fourth of batch 7"):
            raise SystemExit(75)


def test_the_next_try_says_where_it_hung(tmp_path, caplog):
    end(start(STUBBORN.replace("DOING", IN_C), tmp_path))
    with caplog.at_level(logging.WARNING):
        Watchdog(0.2, tmp_path)
    assert "the last try was ended in a call that did not end" in caplog.text
    assert 'File "<string>", line 10' in caplog.text


def test_a_process_that_is_killed_in_a_call_did_not_hang_in_it(tmp_path):
    process = start(STUBBORN.replace("DOING", "import time; print(1, flush=True); time.sleep(0.1)"), tmp_path)
    process.stdout.readline()
    process.kill()
    end(process)
    with Watchdog(0.2, tmp_path) as dog, dog.limited("third of batch 7"):
        pass


def test_signals_and_threads_are_as_they_were_afterwards(tmp_path):
    before = signal.getsignal(signal.SIGALRM), threading.active_count()
    with Watchdog(1, tmp_path), Watchdog(2, tmp_path):
        pass
    assert (signal.getsignal(signal.SIGALRM), threading.active_count()) == before
