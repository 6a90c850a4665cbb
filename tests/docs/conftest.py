"""A folder in which the shown commands make sense: a finished audit `results/demo`, and a user's own files."""

import fcntl
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import yaml
from shown_commands import ROOT, Command, blocks, run

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
        "r2plus1d": {"use": "r2plus1d_18", "options": {"width": 2}, **NARROW},
        "vgg16lstm": {
            "use": "vgg16_lstm",
            "options": {"width": 2, "features": 8, "hidden": 4, "pooled": 1, "batch_norm": True},
            **NARROW,
        },
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


@pytest.fixture
def _our_modules(monkeypatch):
    """Examples are modules of the folder: the next folder's must not be taken for them."""
    yield
    for name in ("my_models", "my_methods"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, made once for all processes that test; copy it."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared
    folder = shared / "documentation"
    with (shared / "documentation.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            folder.mkdir()
            with _inside(folder):
                _audit(folder)
                _own_files(folder)
            (folder / "whole").touch()
    return folder


@pytest.fixture
def working_folder(demo, tmp_path, monkeypatch, _our_modules) -> Path:
    """A copy of that folder, as the present one."""
    folder = tmp_path / "here"
    shutil.copytree(demo, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


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
    with pytest.MonkeyPatch.context() as patch:
        call = _caller(patch)
        for group in jobs.in_groups(settings):
            for stage, keys in group:
                call(f"stepaudit {stage} demo.yaml " + " ".join(f"--{name} {value}" for name, value in keys.items()))
        config.save(settings, settings.folder / "config.yaml")
        call("stepaudit report results/demo")
        shutil.copytree("results/demo", "results/last_week")
        one_model = config.parse({**AUDIT, "audit": "last_week", "models": {"r2plus1d": AUDIT["models"]["r2plus1d"]}})
        config.save(one_model, one_model.folder / "config.yaml")
        call("stepaudit report results/last_week")
        shutil.copytree("results/last_week", "results/this_week")


def _caller(patch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def call(text: str) -> None:
        status, told = run(Command("conftest.py", 0, text), patch)
        assert status == 0, f"{text}: {told}"

    return call


def _own_files(folder: Path) -> None:
    """What a user of the how-tos has: configurations of the checkout, videos in a folder for each class, a network."""
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
    """`my_models.py` and `my_methods.py` as docs/how_to.md shows them, and weights of the model."""
    model, method = (block.text for block in blocks("docs/how_to.md") if block.language == "python")
    (folder / "my_models.py").write_text(model)
    (folder / "my_methods.py").write_text(method)
    namespace: dict = {"__name__": "my_models"}
    exec(model, namespace)
    torch.manual_seed(7)  # not the seed of what is to be filled, or it would seem not to be
    torch.save(namespace["build"](2).state_dict(), folder / "my_weights.pt")


@pytest.fixture(scope="session")
def every_name() -> set[str]:
    """Words of the sources that a page may name: columns, reports, metrics, methods, statuses, options."""
    sources = [*(ROOT / "reports").glob("*.sql"), *(ROOT / "reports").glob("*.md"), ROOT / "config" / "README.md"]
    return {word for path in sources for word in re.findall(r"\w+", path.read_text())} | {
        path.stem for path in (ROOT / "docs").glob("*.md")
    }
