"""Which jobs run again when files have changed that the workflow does not make."""

import shutil

import pytest
from checkouts import Checkout, copy_checkout
from counted_video import write_numbered

NET = """
from torch import nn
from scales import SCALE

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.last = nn.Linear(3, classes)

    def forward(self, clips):
        return SCALE * self.last(clips.mean(dim=(2, 3, 4)))

build = Net
"""
AUDIT = {
    "shards": 2,
    "clips": {"frames": 4, "height": 16, "width": 16, "random_views": 1},
    "datasets": {"own": {"use": "folder", "root": "videos", "options": {"videos": "split.csv"}}},
    "models": {"mine": {"use": "nets:build", "training": {"epochs": 1}}},
    "methods": {"center": {}},
    "metrics": {},
    "preserve": {},
}
TEST_SHARD = {"index": 1, "extract": 1, "predict": 1, "attribute": 1}
ALL_BUT_INDEX = {"extract": 4, "train": 1, "predict": 2, "attribute": 2}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Checkout:
    """A checkout in which an audit of own videos has run as far as its maps."""
    checkout = copy_checkout(tmp_path_factory.mktemp("changed") / "original")
    (checkout.folder / "nets.py").write_text(NET)
    (checkout.folder / "scales.py").write_text("SCALE = 1.0\n")
    lines = ["video,split"]
    for label in ("dive", "goal"):
        for number, split in enumerate(["train", "train", "test", "test"]):
            write_numbered(checkout.folder / f"videos/{label}/{number}.mp4", 8, height=16, width=16)
            lines.append(f"{label}/{number}.mp4,{split}")
    (checkout.folder / "videos/split.csv").write_text("\n".join([*lines, ""]))
    command = ("--cores", "2", "--configfile", checkout.configure("own.yaml", **AUDIT), "--until", "attribute")
    done = checkout.snakemake(*command)
    assert done.returncode == 0, done.stdout
    return checkout


@pytest.fixture
def checkout(original, tmp_path) -> Checkout:
    shutil.copytree(original.folder, tmp_path / "checkout", symlinks=True)
    return Checkout(tmp_path / "checkout")


def planned(checkout: Checkout, *options: str) -> dict[str, int]:
    return checkout.planned("own.yaml", "--until", "attribute", *options)


def test_touched_files_run_nothing_again(checkout):
    for path in [*(checkout.folder / "videos").rglob("*.*"), *checkout.folder.glob("*.py")]:
        path.touch()
    assert planned(checkout) == {}


def test_an_added_test_video_runs_its_shard_again_and_a_changed_option_its_jobs_also_then(checkout):
    videos = checkout.folder / "videos"
    write_numbered(videos / "goal/4.mp4", 8, height=16, width=16)
    with (videos / "split.csv").open("a") as file:
        file.write("goal/4.mp4,test\n")
    assert planned(checkout) == TEST_SHARD
    checkout.configure("own.yaml", **{**AUDIT, "methods": {"center": {"seeds": [0, 1]}}})
    assert planned(checkout) == {**TEST_SHARD, "attribute": 2}
    assert planned(checkout, "--forcerun", "index") == {"index": 1, **ALL_BUT_INDEX, "extract": 6}


def test_a_removed_training_video_runs_the_training_again(checkout):
    videos = checkout.folder / "videos"
    (videos / "dive/0.mp4").unlink()
    text = (videos / "split.csv").read_text()
    (videos / "split.csv").write_text(text.replace("dive/0.mp4,train\n", ""))
    assert planned(checkout) == {"index": 1, **ALL_BUT_INDEX}


def test_a_module_that_the_model_imports_runs_its_jobs_again(checkout):
    (checkout.folder / "scales.py").write_text("SCALE = 2.0\n")
    assert planned(checkout) == {"train": 1, "predict": 2, "attribute": 2}
