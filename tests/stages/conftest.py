"""A tiny audit of real videos, made once: two classes, two narrow models, ten test clips of which three are broken."""

import functools
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from every_shard import predict_all

from stepaudit.audit import config, plan
from stepaudit.audit.jobs import Job
from stepaudit.stages import attribute, extract, index, preserve, score, train
from stepaudit.store import tables

PLAN = {
    "audit": "tiny",
    "shards": 2,
    "clips": {"height": 32, "width": 32, "random_views": 1},
    "datasets": {
        "planted": {
            "root": "",
            "options": {"classes": ["disc-horizontal", "cross-vertical"], "train_per_class": 3, "test_per_class": 3},
        }
    },
    "models": {
        "r3d": {"use": "r2plus1d_18", "options": {"width": 2}, "training": {"epochs": 2, "batch_size": 4}},
        "rnn": {
            "use": "vgg16_lstm",
            "options": {"width": 2, "features": 8, "hidden": 4, "pooled": 1, "batch_norm": True},
            "training": {"epochs": 1, "batch_size": 4},
        },
    },
    "methods": {
        "step": {"ratios": [0.1, 0.3], "options": {"iterations": 3}, "batch_size": 3},
        "ep3d": {"ratios": [0.2], "options": {"iterations": 3, "preset": "corrected", "schedule": "short"}},
        "grad_cam": None,
        "center": None,
        "noise": {"use": "random_pixel", "seeds": [0, 7]},
    },
    "metrics": dict.fromkeys(("spatial_pointing", "temporal_pointing", "mass_in_box", "box_share", "kept_probability")),
    "preserve": {"methods": ["ep3d"], "tolerance": 1.0, "grid": [0.1, 0.4], "bounds": ["probability", "top1"]},
}  # fmt: skip


def run_stages(made: config.Config, models: Iterable[str], methods: Iterable[str], *, first: bool = True) -> None:
    """Runs the stages of a planted audit; `first` also those that do not depend on a model."""
    shards = plan.shard_names(made.shards, "test")
    if first:
        index.run(Job(made, "index", "planted"))
        for split in ("train", "validation", "test"):
            for shard in plan.shard_names(made.shards, split):
                extract.run(Job(made, "extract", "planted", shard=shard, size=made.clips.size))
    for model in models:
        train.run(Job(made, "train", "planted", model))
        predict_all(made, model)
        for method in methods:
            for shard in shards:
                attribute.run(Job(made, "attribute", "planted", model, method, shard))
                if method in made.preserve.methods:
                    preserve.run(Job(made, "preserve", "planted", model, method, shard))
                score.run(Job(made, "score", "planted", model, method, shard))


def _plan(root: Path, results: Path, **changes: dict) -> config.Config:
    data = {
        **PLAN,
        "results": str(results),
        "datasets": {"planted": {**PLAN["datasets"]["planted"], "root": str(root)}},
    }
    for section, change in changes.items():
        data[section] = {**data[section], **change} if isinstance(change, dict) else change
    return config.parse(data)


@pytest.fixture(scope="session")
def tiny(made_once) -> Path:
    """Folder with the planted videos, `videos`, and the audit's tables, `results`."""

    def run_whole(folder: Path) -> None:
        made = _plan(folder / "videos", folder / "results")
        run_stages(made, made.models, made.methods)

    return made_once("tiny audit of real videos", run_whole)


@pytest.fixture(scope="session")
def videos(tiny) -> Path:
    """Where the planted videos lie."""
    return tiny / "videos"


@pytest.fixture(scope="session")
def whole(tiny) -> config.Config:
    """The audit with all its tables written; tests only read it."""
    return _plan(tiny / "videos", tiny / "results")


@pytest.fixture
def changed(whole, videos, tmp_path) -> Callable[..., config.Config]:
    """A copy of the audit with other settings, whose files a test may change: `changed(methods={…})`."""

    def change(**changes: dict) -> config.Config:
        made = _plan(videos, tmp_path / "results", **changes)
        shutil.copytree(whole.folder, made.folder, dirs_exist_ok=True)
        return made

    return change


@pytest.fixture(scope="session")
def rows(whole) -> Callable[..., list[dict]]:
    """All rows of a table of an audit that carry the given values."""
    kept = functools.cache(lambda table: tables.read(table, whole.folder / table))

    def read(made: config.Config, table: str, **values: object) -> list[dict]:
        found = kept(table) if made is whole else tables.read(table, made.folder / table)
        return [row for row in found if all(row[key] == value for key, value in values.items())]

    return read


BROKEN = {"broken-no_video": "bad_video", "broken-too_short": "too_short", "broken-damaged": "bad_video"}


@pytest.fixture
def tested(whole, rows) -> list[dict]:
    """The clips to test, broken ones too; the premise of all tests about them."""
    found = rows(whole, "clips", split="test")
    assert {row["clip_id"]: row["status"] for row in found if row["status"] != "ok"} == BROKEN
    assert len(found) == 2 * 3 + 4
    return found
