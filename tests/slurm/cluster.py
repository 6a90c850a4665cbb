"""Runs of Snakemake on the cluster of one node, and what its queue says of their jobs."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from checkouts import ROOT, Checkout
from processes import heed_ctrl_c

# Seconds between two looks at the queue: the profile's are for clusters, where jobs take minutes.
ON_SLURM = ("--cores", "all", "--profile", "slurm", "--slurm-init-seconds-before-status-checks", "2")
SNAKEMAKE = (sys.executable, str(Path(__file__).with_name("snakemake_that_looks_often.py")))
PATIENCE = 900  # seconds for what takes three minutes on two idle cores

Job = dict[str, str]  # what Slurm says of a job, by the names that `scontrol show job` gives


def ask(*command: str) -> str:
    """What a command of Slurm, or this cluster's script, says."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def node(action: str) -> None:
    """Crashes or mends the only node."""
    ask(str(ROOT / "tests/slurm/one_node.sh"), action, os.environ["ONE_NODE"])


def jobs(name: str) -> list[Job]:
    """The jobs of a run, the first one first; finished ones stay for five minutes."""
    lines = ask("scontrol", "--details", "--oneliner", "show", "job").splitlines()
    found = [dict(re.findall(r"([\w:/]+)=(\S*)", line)) for line in lines]
    return sorted((job for job in found if job.get("JobName") == name), key=lambda job: int(job["JobId"]))


def rule(job: Job) -> str:
    return re.match(r"rule_([a-z]+)", job["Comment"])[1]


def minutes(job: Job) -> int:
    """The time limit of a job."""
    days, hours, rest, _ = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", job["TimeLimit"]).groups()
    return int(days or 0) * 1440 + int(hours) * 60 + int(rest)


def processes() -> Iterator[tuple[int, dict[str, str]]]:
    """Number and environment of each stepaudit process that Slurm started."""
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"/stepaudit\0" not in (place / "cmdline").read_bytes():
                continue
            pairs = (place / "environ").read_bytes().decode(errors="replace").split("\0")
            environment = dict(pair.partition("=")[::2] for pair in pairs)
            if "SLURM_JOB_ID" in environment:
                yield int(place.name), environment


def until(so: Callable[[], bool]) -> None:
    """Waits until something is so."""
    limit = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < limit
        time.sleep(0.2)


@dataclass
class Run:
    """Snakemake at work on the login node, and what was seen of its jobs."""

    process: subprocess.Popen
    log: Path
    jobs: dict[str, Job] = field(default_factory=dict)  # the last thing that Slurm said of each
    gpus: dict[str, str | None] = field(default_factory=dict)  # CUDA_VISIBLE_DEVICES of each

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def name(self) -> str:
        """What all its jobs are called in the queue; empty before Snakemake knows."""
        found = re.search(r"SLURM run ID: (\S+)", self.said)
        return found[1] if found else ""

    def of(self, name: str) -> list[Job]:
        """Its jobs of a rule."""
        return [job for job in self.jobs.values() if rule(job) == name]

    def look(self) -> None:
        """Notes what can be seen just now."""
        if self.name:
            self.jobs |= {job["JobId"]: job for job in jobs(self.name)}
        for _, environment in processes():
            if environment["SLURM_JOB_ID"] in self.jobs:
                self.gpus[environment["SLURM_JOB_ID"]] = environment.get("CUDA_VISIBLE_DEVICES")

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Looks again and again until something is so, or Snakemake has ended."""
        limit = time.monotonic() + PATIENCE
        while not until() and self.process.poll() is None:
            assert time.monotonic() < limit, self.said
            self.look()
            time.sleep(0.2)
        self.look()

    def succeed(self) -> None:
        """Waits until Snakemake has ended well."""
        self.watch()
        assert self.process.returncode == 0, self.said


@contextmanager
def started(checkout: Checkout, *arguments: str) -> Iterator[Run]:
    """Starts Snakemake with the profile, as a user on a login node would; ends it and its jobs at the end."""
    log = checkout.folder.parent / f"{time.monotonic_ns()}.log"
    command = {**checkout.command(), "args": [*SNAKEMAKE, *arguments]}
    with log.open("w") as file:
        process = subprocess.Popen(**command, stdout=file, stderr=file, start_new_session=True, preexec_fn=heed_ctrl_c)
    run = Run(process, log)
    try:
        yield run
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            checkout.snakemake("--unlock")
        if run.name:
            ask("scancel", "--name", run.name)
