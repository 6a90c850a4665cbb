"""The audit on Slurm, disturbed: whatever happens, it ends with the tables of one that was left alone."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cluster import Job, Run, ask, minutes, started, until
from demo import AUDIT, explained, missing
from injections import FAULTS, MAPS, Injected, at_work, crash, inject, injected, now
from same_tables import same_tables

TOO_LITTLE = "preserve:mem_mb=300 if attempt == 1 else 4000"  # PyTorch alone takes more
STEP = (MAPS.format("step"), *AUDIT)  # the maps of one method, and nothing else


@dataclass(frozen=True)
class Disturbed:
    """A run in which something else happened to the job of each method."""

    run: Run
    faults: dict[str, Injected]

    def jobs(self, method: str) -> list[Job]:
        """The job of a method, and those that took its place."""
        return [job for job in self.run.of("attribute") if job["Comment"] == self.faults[method].job["Comment"]]


@pytest.fixture(scope="module")
def disturbed(checkout, expected) -> Iterator[Disturbed]:
    """The maps and all that follows from them, made again while one thing after another goes wrong."""
    missing(checkout, expected, "maps", "scores", "preservation", "report")
    with started(checkout, *AUDIT, "--set-resources", TOO_LITTLE) as run:
        faults = inject(run, checkout)
        run.succeed()
        yield Disturbed(run, faults)


def test_a_run_in_which_everything_goes_wrong_ends_with_the_tables_of_one_left_alone(checkout, expected, disturbed):
    same_tables(checkout.folder / "results/demo", expected)


@pytest.mark.parametrize("method", FAULTS)
def test_no_row_that_was_finished_is_made_twice(disturbed, recovered, method):
    recovered(disturbed.faults[method])


@pytest.mark.parametrize(("fault", "state"), [("freeze", "TIMEOUT"), ("shorten", "FAILED"), ("cancel", "CANCELLED")])
def test_a_job_that_ended_early_is_tried_again_with_more_time_and_memory(disturbed, fault, state):
    (method,) = (method for method, done in FAULTS.items() if done.__name__ == fault)
    first, second = disturbed.jobs(method)
    assert (first["JobState"], second["JobState"]) == (state, "COMPLETED")
    assert minutes(second) > minutes(disturbed.faults[method].job)  # for the test made the limit of the first shorter
    assert memory_mb(second) > memory_mb(first)


def test_a_job_that_is_warned_of_its_time_limit_stops_when_its_batch_is_kept(checkout, disturbed):
    first, _ = disturbed.jobs("ep3d")
    (log,) = (checkout.folder / ".snakemake/slurm_logs").rglob(f"{first['JobId']}.log")
    assert "stopped before the time limit" in log.read_text()


def test_a_job_that_took_too_much_memory_is_tried_again_with_more(disturbed):
    first, second = disturbed.run.of("preserve")
    assert first["JobState"] not in ("COMPLETED", "RUNNING")
    assert (memory_mb(first), memory_mb(second), second["JobState"]) == (300, 4000, "COMPLETED")


def memory_mb(job: Job) -> int:
    return int(job["MinMemoryNode"].removesuffix("M"))


def test_a_job_of_a_node_that_crashed_goes_on_by_itself_as_the_same_job(checkout, expected, recovered):
    missing(checkout, expected, *explained("step")[:1])
    with started(checkout, *STEP) as run:
        run.watch(until=lambda: at_work(run, checkout, "step") is not None)
        fault = injected(checkout, "step", at_work(run, checkout, "step"), crash)
        run.succeed()
        (job,) = run.jobs.values()
        assert (job["Restarts"], job["JobState"]) == ("1", "COMPLETED")
    same_tables(checkout.folder / "results/demo", expected)
    recovered(fault)


def test_a_run_whose_login_node_was_lost_goes_on_once_its_jobs_are_cancelled(checkout, expected, recovered):
    missing(checkout, expected, *explained("step")[:1])

    def lose(job: Job) -> None:
        """The login node is lost, the jobs are cancelled, and the run is started again."""
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
        assert now(job)["JobState"] == "RUNNING", "a job is no child of Snakemake"
        ask("scancel", "--name", run.name)
        until(lambda: now(job)["JobState"] == "CANCELLED")

    with started(checkout, *STEP) as run:
        run.watch(until=lambda: at_work(run, checkout, "step") is not None)
        fault = injected(checkout, "step", at_work(run, checkout, "step"), lose)
    assert checkout.snakemake("--unlock").returncode == 0
    with started(checkout, *STEP) as run:
        run.succeed()
    same_tables(checkout.folder / "results/demo", expected)
    recovered(fault)
