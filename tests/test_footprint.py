"""How much memory a process takes, and may take."""

import resource
import subprocess
import sys

import pytest

from stepaudit.running import footprint

INF = float("inf")


def test_memory_that_is_taken_is_seen():
    """In a process of its own: a large one, such as a test's, may give memory back at the same moment."""
    script = """if True:
        from stepaudit.running import footprint
        before = footprint.resident_mb()
        held = b"1" * (64 << 20)
        print(before, footprint.resident_mb() - before)
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, taken = map(float, done.stdout.split())
    if before == 0:
        pytest.skip("the system does not tell")
    assert taken == pytest.approx(64, abs=4)


def test_the_peak_of_a_program_is_its_own_and_not_that_of_who_started_it():
    """Linux hands the peak of a large parent on to its children, which `getrusage` then tells as theirs."""
    ballast = bytearray(b"1" * (300 << 20))
    script = "from stepaudit.running import footprint; held = b'1' * (100 << 20); print(footprint.peak_mb())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert len(ballast) > 0
    assert 100 < float(done.stdout) < 250


@pytest.mark.parametrize(
    ("environment", "limit"),
    [
        ({}, INF),
        ({"SLURM_MEM_PER_NODE": "4000"}, 4000),
        ({"SLURM_MEM_PER_CPU": "1500", "SLURM_CPUS_ON_NODE": "2"}, 3000),
        ({"SLURM_MEM_PER_NODE": "0"}, INF),  # all of the node
        ({"SLURM_MEM_PER_NODE": "a lot"}, INF),
    ],
)
def test_a_slurm_jobs_limit_is_its_own(tmp_path, environment, limit):
    assert footprint.limit_mb(tmp_path, environment) == limit


def test_the_lowest_limit_of_the_control_groups_counts(tmp_path):
    """Version 2, where a group may have no limit but one around it has."""
    (tmp_path / "memory.max").write_text(f"{2 << 30}\n")
    group = tmp_path / "own"
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    assert min(footprint._cgroup_limits(tmp_path), default=INF) in (2048, INF)  # INF where there is no /proc


def test_the_shells_limit_counts():
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        pytest.skip("there is one already")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, before[1]))
    try:
        assert footprint.limit_mb(environment={}) <= 1 << 20
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@pytest.mark.parametrize(
    ("first", "now", "limit", "growth", "why"),
    [
        (1000, 1900, 2000, None, "memory has grown from 1000 to 1900 MB, and 2000 MB is the limit"),
        (1000, 1700, 2000, None, None),
        (1850, 1900, 2000, None, None),  # large from the start: it would be so again
        (1000, 1300, INF, 200, "memory has grown from 1000 to 1300 MB, by more than `memory_growth_mb: 200`"),
        (1000, 1100, INF, 200, None),
        (1000, 9000, INF, None, None),
    ],
)
def test_a_job_that_grows_towards_a_limit_stops(first, now, limit, growth, why):
    assert footprint.too_much(first, now, limit, growth) == why
