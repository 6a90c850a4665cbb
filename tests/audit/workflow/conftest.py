"""Checkouts in folders with a space in their names."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checkouts import Checkout, copy_checkout


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A fresh checkout."""
    return copy_checkout(tmp_path / "a checkout")


@pytest.fixture
def audited(tmp_path_factory) -> Iterator[tuple[Checkout, str]]:
    """A checkout in which the tiny audit has run, and what Snakemake said. Tests share it, one after another."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with _alone(shared / "audited.lock"):
        found, log = Checkout(shared / "an audited checkout"), shared / "audited.log"
        if not log.exists():
            copy_checkout(found.folder)
            done = found.snakemake("--cores", "2", "--configfile", found.configure("tiny.yaml"))
            log.write_text(done.stdout)
        yield found, log.read_text()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
