"""A tiny audit with a checkpoint, and videos, for what explains single clips and reads results."""

from pathlib import Path

import numpy as np
import torch
from tiny_audit import write_audit

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.audit.sections import Model
from stepaudit.networks import checkpoint
from stepaudit.report import build_database
from stepaudit.report.pictures import movie
from stepaudit.store import schema

CLASSES = ["cross-vertical", "disc-horizontal"]
CLIP = "disc-horizontal-test-000"
FRAMES, SIDE = 16, 48
ENTRY = {"use": "r2plus1d_18", "options": {"width": 2}}


def write(folder: Path) -> Path:
    """Writes results/demo, my_video.mp4, short.mp4 and no_video.mp4 into a folder. Returns the checkpoint's path."""
    movie.save(moving_square(40), folder / "my_video.mp4", rate=24)
    movie.save(moving_square(9), folder / "short.mp4", rate=24)
    (folder / "no_video.mp4").write_text("this is no video")
    grid = np.zeros((FRAMES, 1, 1), np.float16)
    grid[3] = 1
    frames = np.full((FRAMES, SIDE, SIDE, 3), 128, np.uint8)
    results = write_audit(
        folder / "results",
        {
            "clips": [
                {"clip_id": CLIP, "size": "16x48x48", "pixels": frames.tobytes(), "frames": list(range(FRAMES)),
                 "height": SIDE, "width": SIDE, "label": CLASSES[1], "target": 1}
            ],
            "predictions": [{"clip_id": CLIP, "model": "max_over_time", "target": 1, "label": CLASSES[1], "rank": 1}],
            "maps": [
                {"clip_id": CLIP, "model": "max_over_time", "method": method, "ratio": ratio, "grid": grid.ravel(),
                 "grid_shape": [FRAMES, 1, 1], "upsampling": "nearest", "kept_probability": ratio and 0.5}
                for method, ratio in (("ep3d", 0.05), ("step", 0.1), ("step", 0.2), ("center", None))
            ],
        },
        audit="demo",
        clips={"height": SIDE, "width": SIDE},
        models={"max_over_time": ENTRY},
        methods={"ep3d": {"ratios": [0.05]}, "step": {"ratios": [0.1, 0.2]}, "center": {}},
    )  # fmt: skip
    made = config.load(results / "config.yaml")
    build_database.create(results, made)
    path = Job(made, "train", "planted", "max_over_time").checkpoint
    torch.manual_seed(1)
    entry = Model(**ENTRY)
    checkpoint.save(checkpoint.build(entry, 2), path, entry, CLASSES, {})
    return path


def moving_square(count: int) -> np.ndarray:
    """Frames of a bright square that moves to the right over a dark ground, uint8 [count, 64, 96, 3]."""
    frames = np.full((count, 64, 96, 3), 30, np.uint8)
    for index in range(count):
        left = 4 + 60 * index // count
        frames[index, 20:44, left : left + 24] = 230
    return frames


def columns(table: str) -> list[str]:
    """All columns of a table, those in paths too."""
    return [column.name for column in schema.TABLES[table].columns]
