"""docs/tutorial.md from its first command to its last, with few videos and small sizes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stepaudit.datasets import planted

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)
NAMES = {
    label: [f"v_{name}_g{group:02}_c01.avi" for group in range(1, 9)]
    for label, name in {"dunk": "BasketballDunk", "surf": "Surfing"}.items()
}
SMALL = {
    "clips": {"height": 32, "width": 32, "random_views": 1},
    "models": {"r2plus1d_18": {"options": {"width": 2}, "training": {"epochs": 1}}},
    "methods": {"step": {"options": {"iterations": 2}}},
}


@pytest.fixture
def folder(tmp_path, request) -> Path:
    """Where the reader sits, with a folder for each class in `videos`: real clips if there are any, else generated."""
    here = tmp_path / "my"
    if os.environ.get("STEPAUDIT_TEST_DATA"):
        real = request.getfixturevalue("real_data") / "UCF-101"
        sources = {label: [real / name.split("_")[1] / name for name in names] for label, names in NAMES.items()}
    else:
        classes = ("disc-horizontal", "cross-vertical")
        planted.read(tmp_path / "made", classes=list(classes), train_per_class=6, test_per_class=3, broken=False)
        made = {label: sorted(tmp_path.glob(f"made/*/{label}/*.mp4")) for label in classes}
        sources = dict(zip(NAMES, made.values(), strict=True))
    for label, names in NAMES.items():
        (here / "videos" / label).mkdir(parents=True)
        for name, source in zip(names, sources[label], strict=False):
            shutil.copy(source, here / "videos" / label / name)
    (tmp_path / "stepaudit").symlink_to(ROOT)
    return here


def test_the_tutorial_runs_as_it_is_written(folder):
    """Its commands run, its code and configuration are used, and its tables have the columns that are shown."""
    printed = ""
    for language, text in BLOCKS:
        if language == "bash":
            printed = run(text, folder)
            if "stepaudit init videos --yes" in text:
                change(folder / "videos.yaml", SMALL)
        elif language == "python":
            (folder / "my_models.py").write_text(text)
        elif language == "yaml":
            change(folder / "videos.yaml", yaml.safe_load(text))
        elif language == "text":
            for head in heads(text):
                assert head in heads(printed), f"no table with the columns {head} in:\n{printed}"


def run(text: str, folder: Path) -> str:
    """What the commands of a block print. They find the checkout in ~/stepaudit, as the tutorial's reader has it."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(folder.parent), "PATH": path, "OMP_NUM_THREADS": "1"}
    command = ["bash", "-euo", "pipefail", "-c", text]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def change(path: Path, changes: dict) -> None:
    """Adds to the sections of a configuration, as the reader does by hand."""
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), changes), sort_keys=False))


def merged(data: dict | None, changes: dict) -> dict:
    result = dict(data or {})
    for key, value in changes.items():
        result[key] = merged(result.get(key), value) if isinstance(value, dict) else value
    return result


def heads(text: str) -> list[list[str]]:
    """The columns of each table: they stand above a line of dashes."""
    lines = text.splitlines()
    return [lines[index].split() for index in range(len(lines) - 1) if re.match(r"(─|-{3})", lines[index + 1])]
