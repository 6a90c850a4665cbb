"""The audit on Slurm, left alone: every job is one of Slurm's, and asks for what its rule says."""

import os
import re
import signal
from collections import Counter

import pytest
from cluster import jobs, minutes, rule, started
from demo import AUDIT, explained, missing

GPU_RULES = {"train", "predict", "attribute", "preserve", "score"}
CPU_RULES = {"index", "extract", "report"}
HELD = "slurm_extra='--hold'"  # such jobs are submitted, and never start


def test_a_fresh_checkout_comes_to_its_report(checkout, undisturbed):
    assert "Report: results/demo/report/index.html" in undisturbed.said
    assert (checkout.folder / "results/demo/report/index.html").stat().st_size > 10_000


def test_every_job_ran_once_and_as_a_job_of_slurm(undisturbed):
    stats = undisturbed.said.split("Job stats:")[1].split("\n\n")[0].splitlines()
    planned = {line.split()[0]: int(line.split()[1]) for line in stats if re.match(r"[a-z]+ +\d+$", line)}
    del planned["total"], planned["all"]  # `all` is a name for the report, and nothing to run
    assert planned.keys() == GPU_RULES | CPU_RULES
    assert Counter(map(rule, undisturbed.jobs.values())) == planned
    assert {job["JobState"] for job in undisturbed.jobs.values()} == {"COMPLETED"}


@pytest.mark.parametrize("name", sorted(GPU_RULES))
def test_a_job_with_a_model_has_one_gpu_to_itself(undisturbed, name):
    for job in undisturbed.of(name):
        assert job["TresPerJob"] == "gres:gpu:1"
        assert undisturbed.gpus[job["JobId"]] in ("0", "1")


@pytest.mark.parametrize("name", sorted(CPU_RULES))
def test_a_job_without_a_model_asks_for_no_gpu_and_sees_none(undisturbed, name):
    for job in undisturbed.of(name):
        assert "TresPerJob" not in job
        assert not undisturbed.gpus[job["JobId"]]


@pytest.mark.parametrize("name", sorted(GPU_RULES | CPU_RULES))
def test_memory_and_run_time_of_the_rule_arrive(undisturbed, name):
    asked = re.findall(rf"^rule {name}:\n(?:    .*\n)*?    resources: (.*)$", undisturbed.said, re.M)
    wanted = Counter((re.search(r"mem_mb=(\d+)", a)[1], re.search(r"runtime=(\d+)", a)[1]) for a in asked)
    found = Counter((job["MinMemoryNode"].removesuffix("M"), str(minutes(job))) for job in undisturbed.of(name))
    assert found == wanted
    assert found


def test_account_partition_and_constraint_of_the_user_arrive_and_ctrl_c_cancels_the_jobs(checkout, expected):
    missing(checkout, expected, *explained("step"), "preservation")
    with started(
        *(checkout, *AUDIT, "--default-resources", "slurm_account=lab", "slurm_partition=cpu", HELD),
        *("--set-resources", "attribute:slurm_partition=gpu", "attribute:constraint=local", "preserve:gpu=0"),
    ) as run:
        run.watch(until=lambda: run.said.count("has been submitted") == 2)
        (attribute,), (preserve,) = run.of("attribute"), run.of("preserve")
        said = ("Account", "Partition", "Features", "TresPerJob")
        assert [attribute.get(key) for key in said] == ["lab", "gpu", "local", "gres:gpu:1"]
        assert [preserve.get(key) for key in said] == ["lab", "cpu", "(null)", None]
        os.kill(run.process.pid, signal.SIGINT)
        run.watch()
        assert run.process.returncode != 0
        assert {job["JobState"] for job in jobs(run.name)} == {"CANCELLED"}


PARTITIONS = """
partitions:
  cpu: {max_runtime: 1d}
  gpu: {max_runtime: 1d, max_gpu: 2}
"""


@pytest.mark.parametrize(("name", "folders"), [("attribute", explained("step")), ("report", ("report",))])
def test_a_file_of_partitions_sends_jobs_with_a_gpu_elsewhere(checkout, expected, name, folders):
    missing(checkout, expected, *folders)
    (checkout.folder / "partitions.yaml").write_text(PARTITIONS)
    options = ("--slurm-partition-config", "partitions.yaml", "--default-resources", HELD)
    with started(checkout, *AUDIT, *options) as run:
        run.watch(until=lambda: bool(run.jobs))
        (job,) = run.of(name)
        assert job["Partition"] == ("gpu" if name in GPU_RULES else "cpu")
