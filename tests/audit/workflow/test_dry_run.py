"""What Snakemake wants to do, before it does anything."""

import re
import subprocess

import pytest
import yaml
from checkouts import ROOT, SNAKEMAKE

RULES = {"index", "extract", "train", "predict", "attribute", "preserve", "score", "report"}


def test_a_dry_run_in_the_checkout_lists_jobs_of_every_rule_and_writes_nothing(checkout):
    before = {path.name for path in checkout.folder.iterdir()}
    done = checkout.snakemake("-n")
    assert done.returncode == 0, done.stdout
    assert {name for name in RULES if re.search(rf"^{name} +[1-9]", done.stdout, re.M)} == RULES
    assert {path.name for path in checkout.folder.iterdir()} - before <= {".snakemake"}


def test_a_configuration_given_by_name_replaces_the_default_and_is_not_merged_with_it(checkout):
    changes = {"audit": "own", "shards": 2, "methods": {"center": {}}, "preserve": {}}
    planned = checkout.planned(checkout.configure("own.yaml", **changes))
    assert planned == {"index": 1, "extract": 6, "train": 1, "predict": 2, "attribute": 2, "score": 2, "report": 1}


def test_the_papers_experiments_are_planned_without_a_look_at_any_video(checkout):
    """Three data sets whose videos would be empty files, two models, 19 methods, 3 shards of each split."""
    planned = checkout.planned("config/paper.yaml", "--config", "shards=3")
    jobs = 3 * 2 * 3
    assert planned == {
        "index": 3, "extract": 3 * 2 * 3 * 3, "train": 6, "predict": 6 * 3, "attribute": 19 * jobs,
        "score": 19 * jobs, "preserve": jobs, "report": 1,
    }  # fmt: skip


def test_without_its_data_an_audit_is_not_planned_and_says_what_is_missing(checkout):
    done = checkout.snakemake("-n", "--configfile", "config/paper.yaml")
    assert done.returncode != 0
    assert "data/ucf101" in done.stdout


def test_ten_thousand_clips_are_planned_into_few_jobs_that_divide_their_clips(checkout):
    """Each with a video that is an empty file: nothing is opened before a job runs."""
    for split, count in (("train", 200), ("test", 10_000)):
        for label in ("a", "b"):
            folder = checkout.folder / "videos" / split / label
            folder.mkdir(parents=True)
            for video in range(count // 2):
                (folder / f"{label}{video:05d}.mp4").touch()
    datasets = {"mine": {"use": "folder", "root": "videos"}}
    name = checkout.configure("many.yaml", shards="auto", datasets=datasets, device="cpu")
    planned = checkout.planned(name)
    assert 10_000 / 256 <= planned["extract"] <= 1500
    assert sum(planned.values()) <= 10_000
    assert planned["attribute"] > planned["preserve"], "the centre's maps have jobs of their own"


def test_overrides_on_the_command_line_reach_nested_keys_with_their_types(checkout):
    changes = ["methods={center: false, step: {options: {iterations: 7}}}", "models={narrow: {weights: null}}"]
    name = checkout.configure(
        "own.yaml", methods={"center": {}, "step": {"ratios": [0.1]}, "grad_cam": {}}, preserve={}
    )
    done = checkout.snakemake("-n", "--configfile", name, "--config", *changes)
    assert done.returncode == 0, done.stdout
    assert "method=center" not in done.stdout
    assert "method=step" in done.stdout


def test_the_lint_has_nothing_but_its_hint_at_environments(checkout):
    done = checkout.snakemake("--lint", "--configfile", checkout.configure("tiny.yaml"))
    hints = re.findall(r"^ +\* (.*)$", done.stdout, re.M)
    assert set(hints) == {"Specify a conda environment or container for each rule.:"}


def test_all_problems_of_a_configuration_are_told_before_any_job(checkout):
    name = checkout.configure("wrong.yaml", methods={"stepp": {}, "step": {"ratios": [3]}}, shard=2)
    done = checkout.snakemake("--cores", "1", "--configfile", name)
    assert done.returncode != 0
    for text in ("no method 'stepp'; did you mean 'step'?", "methods.step.ratios.0", "shard: unknown key"):
        assert text in done.stdout
    assert not (checkout.folder / "results").exists()


def test_what_stops_a_job_is_told_at_once_and_in_its_log(checkout):
    datasets = {"mine": {"use": "folder", "root": "no/such"}}
    done = checkout.snakemake("--cores", "1", "--configfile", checkout.configure("mine.yaml", datasets=datasets))
    assert done.returncode != 0
    assert "/no/such: no such folder" in done.stdout
    assert "/no/such: no such folder" in (checkout.folder / "results/tiny/logs/index/mine.log").read_text()
    assert "Report:" not in done.stdout


def test_the_slurm_profile_is_found_by_its_name_in_the_checkout(checkout):
    done = checkout.snakemake("-n", "--profile", "slurm")
    if done.returncode:  # the executor is an extra that a laptop does without
        assert "invalid choice: 'slurm'" in done.stdout


@pytest.mark.parametrize("option", yaml.safe_load((ROOT / "workflow/profiles/slurm/profile.yaml").read_text()))
def test_every_line_of_the_slurm_profile_is_an_option_of_snakemake_or_its_slurm_executor(option, snakemake_help):
    assert f"--{option}" in snakemake_help or option.startswith("slurm-")


@pytest.fixture(scope="module")
def snakemake_help():
    return subprocess.run([SNAKEMAKE, "--help"], capture_output=True, text=True, check=True).stdout
