"""What can happen to a job of Slurm, done on purpose, and what the job had kept by then."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from checkouts import Checkout
from cluster import Job, Run, ask, jobs, node, processes

MAPS = "results/demo/maps/dataset=planted/model=r2plus1d/method={}/test-000.parquet"


def shorten(job: Job) -> None:
    """Slurm warns a job that its time limit is near."""
    limit(job, minutes=2)


def freeze(job: Job) -> None:
    """A job hangs until Slurm's time limit has passed."""
    limit(job, minutes=1)


def limit(job: Job, *, minutes: int) -> None:
    """Gives a job another time limit, and stops it meanwhile."""
    stop(job)  # it would end before Slurm looks at the time; with its warning Slurm lets it continue
    ask("scontrol", "update", f"JobId={job['JobId']}", f"TimeLimit={minutes}")


def cancel(job: Job) -> None:
    """A job is cancelled by hand."""
    ask("scancel", job["JobId"])


FAULTS = {"step": freeze, "ep3d": shorten, "ep3d_evenly": cancel}  # one for each method


def crash(job: Job) -> None:
    """A node crashes."""
    node("crash")
    node("mend")


@dataclass(frozen=True)
class Injected:
    """What was done to the job of a method, and when; the job just before, and the rows that it had kept."""

    what: str
    method: str
    job: Job
    kept: dict[tuple, float]
    time: float


def inject(run: Run, checkout: Checkout) -> dict[str, Injected]:
    """Does to the job of each method what is planned for it, as soon as it has kept some rows."""
    done: dict[str, Injected] = {}

    def all_done() -> bool:
        for method in FAULTS.keys() - done.keys():
            if job := at_work(run, checkout, method):
                done[method] = injected(checkout, method, job, FAULTS[method])
        frozen = [found.job for method, found in done.items() if FAULTS[method] is freeze]
        hang = [job for job in frozen if now(job)["JobState"] == "RUNNING"]
        for job in hang:
            stop(job)
        return len(done) == len(FAULTS) and not hang

    run.watch(until=all_done)
    return done


def stop(job: Job) -> None:
    """Stops the stepaudit processes of a job where they are."""
    for process, environment in processes():
        if environment["SLURM_JOB_ID"] == job["JobId"]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)


def injected(checkout: Checkout, method: str, job: Job, fault: Callable[[Job], None]) -> Injected:
    """Does something to the job of a method."""
    before = Injected(fault.__doc__.removesuffix("."), method, now(job), parts(checkout, method), time.time())
    fault(job)
    return before


def at_work(run: Run, checkout: Checkout, method: str) -> Job | None:
    """The job that explains with a method, if it has kept some rows and makes others."""
    for job in run.of("attribute"):
        if f"_{method}_test-" in job["Comment"] and job["JobState"] == "RUNNING" and parts(checkout, method):
            return job
    return None


def now(job: Job) -> Job:
    """What Slurm says of a job at this moment."""
    return {found["JobId"]: found for found in jobs(job["JobName"])}[job["JobId"]]


def maps(checkout: Checkout, method: str) -> dict[tuple, float]:
    """Rows of a finished shard."""
    return _seconds([checkout.folder / MAPS.format(method)])


def parts(checkout: Checkout, method: str) -> dict[tuple, float]:
    """Rows that are kept of a shard that is being made."""
    output = checkout.folder / MAPS.format(method)
    with suppress(FileNotFoundError):  # it was finished at this very moment
        return _seconds((output.parent / f".{output.name}.parts").glob("*.parquet"))
    return {}


def _seconds(paths: Iterable[Path]) -> dict[tuple, float]:
    """What each row took to make, by its key. No row takes as long twice: the same number means the same row."""
    rows = [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]
    return {(row["clip_id"], row["ratio"], row["seed"]): row["seconds"] for row in rows}
