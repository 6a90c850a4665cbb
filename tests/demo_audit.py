"""A folder in which the shown commands make sense: a finished audit `results/demo`, and a user's own files."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import command_line
import torch
import yaml
from shown_commands import ROOT, blocks

from stepaudit.audit import config, jobs

NARROW = {"training": {"epochs": 1, "batch_size": 4}}
AUDIT = {
    "audit": "demo",
    "shards": 1,
    "clips": {"height": 32, "width": 32, "random_views": 1},
    "datasets": {
        "planted": {
            "root": "data/planted",
            "options": {"classes": ["disc-horizontal", "cross-vertical"], "train_per_class": 3, "test_per_class": 3},
        }
    },
    "models": {
        f"{pooling}_over_time": {"use": "pooled_frames", "options": {"width": 2, "pooling": pooling}, **NARROW}
        for pooling in ("max", "mean")
    },
    "methods": {
        "step": {"ratios": [0.05, 0.1], "options": {"preset": "corrected", "schedule": "short", "iterations": 3}},
        "ep3d": {"ratios": [0.05], "options": {"schedule": "short", "iterations": 3}},
        "grad_cam": None,
        "center": None,
        "random_pixel": None,
    },
    "metrics": dict.fromkeys(("spatial_pointing", "mass_in_box", "box_share")),
    "preserve": {"methods": ["step"], "grid": [0.1, 0.4], "tolerance": 0.3, "share": 0.9},
}


def make(folder: Path) -> None:
    """Runs the audit in an empty folder, and puts a user's own files beside it."""
    with _inside(folder):
        _audit(folder)
        _own_files(folder)


@contextmanager
def _inside(folder: Path):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _audit(folder: Path) -> None:
    """Runs every job by its command, so that each leaves its record, as under Snakemake."""
    (folder / "demo.yaml").write_text(yaml.safe_dump(AUDIT))
    settings = config.load(Path("demo.yaml"))
    for group in jobs.in_groups(settings):
        for job in group:
            _run(job.stage, "demo.yaml", *(word for name, value in job.keys.items() for word in (f"--{name}", value)))
    config.save(settings, settings.folder / "config.yaml")
    _run("report", "results/demo")
    shutil.copytree("results/demo", "results/last_week")
    one_model = config.parse(
        {**AUDIT, "audit": "last_week", "models": {"max_over_time": AUDIT["models"]["max_over_time"]}}
    )
    config.save(one_model, one_model.folder / "config.yaml")
    _run("report", "results/last_week")
    shutil.copytree("results/last_week", "results/this_week")


def _run(*words: str) -> None:
    ended = command_line.run(*words)
    assert ended.status == 0, f"{words}: {ended.err}"


def _own_files(folder: Path) -> None:
    """Folder of a reader of the how-tos: configurations of the checkout, a folder of videos per class, a network."""
    shutil.copytree(ROOT / "config", folder / "config")
    (planted,) = (folder / "data" / "planted").iterdir()
    for label in AUDIT["datasets"]["planted"]["options"]["classes"]:
        shutil.copytree(planted / label, folder / "videos" / label)
    shutil.copy(planted / label / f"{label}-test-000.mp4", folder / "my_video.mp4")
    _own_network(folder)
    for name in ("logs", "benchmarks"):  # of Snakemake
        (folder / "results" / "demo" / name).mkdir()
    (folder / "my_question.sql").write_text("from accuracy")
    base = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    own = {key: value for key, value in base.items() if key not in ("preserve", "metrics")}
    for name, methods in {
        "my.yaml": {"center": None},
        "my_methods.yaml": {"motion": {"use": "my_methods:attribute"}, "center": None},
    }.items():
        (folder / name).write_text(yaml.safe_dump({**own, "methods": methods}))


def _own_network(folder: Path) -> None:
    """`my_models.py` and `my_methods.py` as the documentation shows them, and weights of the model."""
    (model,) = (block.text for block in blocks("docs/how_to.md") if block.language == "python")
    method = next(block.text for block in blocks("CONTRIBUTING.md") if "def attribute" in block.text)
    (folder / "my_models.py").write_text(model)
    (folder / "my_methods.py").write_text(method)
    namespace: dict = {"__name__": "my_models"}
    exec(model, namespace)
    torch.manual_seed(7)  # not the seed of what is to be filled, or it would seem not to be
    torch.save(namespace["build"](2).state_dict(), folder / "my_weights.pt")
