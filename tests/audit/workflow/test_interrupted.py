"""A run that is killed and started again gives the same tables as one that was left alone."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from checkouts import Checkout
from processes import heed_ctrl_c
from same_tables import files, same_tables

COMMAND = ("--cores", "2", "--configfile", "tiny.yaml")
AFTER_A_KILL = (*COMMAND, "--rerun-incomplete")
PATIENCE = 300  # seconds until a run must have come to the moment at which it is stopped


def interrupt(checkout: Checkout, moment: Callable[[int], bool], with_signal: signal.Signals, *command: str) -> int:
    """Starts the audit in a process group of its own, sends all of it a signal at a moment, returns its exit status.

    Args:
        moment: whether it has come, told how many new files there are.
    """
    before = set(files(checkout.folder / "results"))
    with (checkout.folder / "interrupted.log").open("w") as log:
        options = {"start_new_session": True, "preexec_fn": heed_ctrl_c, "stdout": log, "stderr": log}
        run = subprocess.Popen(**checkout.command(*command), **options)
        try:
            limit = time.monotonic() + PATIENCE
            while not moment(len(set(files(checkout.folder / "results")) - before)):
                assert run.poll() is None, f"ended too early:\n{Path(log.name).read_text()}"
                assert time.monotonic() < limit
                time.sleep(0.005)
        except BaseException:
            os.killpg(run.pid, signal.SIGKILL)
            raise
        os.killpg(run.pid, with_signal)
        return run.wait()


def test_an_audit_that_is_stopped_again_and_again_gives_the_tables_of_one_that_was_left_alone(checkout, request):
    results, random = checkout.folder / "results/tiny", Random(0)
    checkout.configure("tiny.yaml")

    def written(least: int, most: int) -> Callable[[int], bool]:
        """So many of the about 50 files of the audit are new."""
        enough = random.randint(least, most)
        return lambda new: new >= enough

    def explaining(_new: int) -> bool:
        return any(results.glob("maps/**/method=step/.*.parts/000000.parquet"))

    assert interrupt(checkout, written(3, 10), signal.SIGKILL, *COMMAND) == -signal.SIGKILL
    locked = checkout.snakemake(*AFTER_A_KILL)
    assert locked.returncode != 0
    assert "--unlock" in locked.stdout

    assert checkout.snakemake("--unlock").returncode == 0
    assert interrupt(checkout, explaining, signal.SIGKILL, *AFTER_A_KILL) == -signal.SIGKILL
    (parts, *_) = results.glob("maps/**/method=step/.*.parts")
    assert not parts.with_name(parts.name[1:].removesuffix(".parts")).exists(), "was to stop a shard halfway"

    assert checkout.snakemake("--unlock").returncode == 0
    assert interrupt(checkout, written(1, 3), signal.SIGINT, *AFTER_A_KILL) == 1
    done = checkout.snakemake(*AFTER_A_KILL)
    assert done.returncode == 0, done.stdout
    assert not [path for path in files(results) if path.name.startswith(".")]
    assert "Nothing to be done" in checkout.snakemake(*COMMAND).stdout
    same_tables(results, request.getfixturevalue("audited")[0].folder / "results/tiny")
