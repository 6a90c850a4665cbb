"""A cut of config/ucf101_24.yaml on real UCF101 videos, through the workflow to the report."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stepaudit.store import database

ROOT = Path(__file__).parents[2]
METHODS = {"step", "ep3d", "grad_cam", "center", "random_pixel"}


@pytest.fixture(scope="module")
def results(real_data, tmp_path_factory):
    """The audit with few epochs, clips and iterations; everything else as in the file."""
    folder = tmp_path_factory.mktemp("ucf101_24")
    data = yaml.safe_load((ROOT / "config" / "ucf101_24.yaml").read_text())
    data["shards"] = 1
    data["clips"]["random_views"] = 1
    data["datasets"]["ucf101_24"]["root"] = str(real_data)
    data["datasets"]["ucf101_24"]["options"] |= {"per_class": 2, "train_per_class": 12}
    for model in data["models"].values():
        model["training"]["epochs"] = 2
    for name in ("step", "ep3d"):
        data["methods"][name]["options"]["iterations"] = 8
    bounds = ["sufficiency", "probability", "top1"]
    data["preserve"] |= {"grid": [0.1, 0.4], "bounds": bounds, "classes": ["label"]}
    (folder / "cut.yaml").write_text(yaml.safe_dump(data))
    snakemake = shutil.which("snakemake", path=str(Path(sys.executable).parent)) or "snakemake"
    command = [snakemake, "--snakefile", ROOT / "Snakefile", "--configfile", "cut.yaml", "--cores", "2"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-5000:]
    return folder / "results" / "ucf101_24"


def rows(results: Path, sql: str) -> list[tuple]:
    return database.query(results, sql)[1]


def test_the_report_is_there(results):
    assert (results / "report" / "index.html").stat().st_size > 10_000


def test_nothing_that_was_asked_is_missing_and_nothing_failed(results):
    assert rows(results, "select count(*) from coverage where missing > 0") == [(0,)]
    assert rows(results, "select count(*) from clips where status <> 'ok'") == [(0,)]


def test_both_models_classify_and_all_methods_explain_every_test_clip(results):
    assert rows(results, "select model, count(*) from predictions where status = 'ok' group by all order by all") == [
        ("r2plus1d", 4),
        ("vgg16lstm", 4),
    ]
    explained = rows(results, "select method, count(*) from maps where status = 'ok' group by all")
    assert {method for method, count in explained if count >= 8} == METHODS


def test_real_boxes_are_scored_and_lie_inside_the_clips(results):
    assert rows(results, "select count(*) from clip_boxes where x0 < 0 or y0 < 0 or x1 > 48 or y1 > 48") == [(0,)]
    scored = rows(results, "select distinct method from scores where metric = 'spatial_pointing' and value is not null")
    assert {method for (method,) in scored} == METHODS


def test_every_clip_has_a_minimum_ratio_or_is_censored(results):
    uncensored = "status = 'ok' and ratio is null and censored is distinct from 'right'"
    assert rows(results, f"select count(*) from preservation where {uncensored}") == [(0,)]
    assert rows(results, "select bound, count(*) from preservation group by all order by all") == [
        ("probability", 2 * 4),
        ("sufficiency", 2 * 4),
        ("top1", 2 * 4),
    ]
