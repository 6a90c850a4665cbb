"""Rows of the table `clips` as tensors."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stepaudit.audit.config import Config
from stepaudit.audit.plan import split_of
from stepaudit.errors import UpstreamError, UsageError
from stepaudit.store import tables


def to_tensor(rows: Sequence[dict]) -> Tensor:
    """Pixels of rows with status 'ok'. Returns [N, 3, T, H, W] in [0, 1]."""
    clips = [_frames(row) for row in rows]
    return torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).float() / 255


def _frames(row: dict) -> np.ndarray:
    shape = (len(row["frames"]), row["height"], row["width"], 3)
    return np.frombuffer(row["pixels"], dtype=np.uint8).reshape(shape)


def require_ok(row: dict) -> dict:
    """The row, if it was made. Raises UpstreamError with its status and text otherwise."""
    if row["status"] != "ok":
        raise UpstreamError(f"{row['status']}: {row['error']}")
    return row


def of_split(config: Config, dataset: str, model: str, split: str) -> list[dict]:
    """All clips of a split as a model takes them, in the order of its shards."""
    return tables.read("clips", *config.clips_for(split, dataset=dataset, model=model))


def of_shard(config: Config, table: str, dataset: str, model: str, shard: str, method: str = "") -> list[dict]:
    """Rows of `clips` or `clip_boxes` as a model takes them, of a shard of its predictions or of a method's maps."""
    return tables.read(table, *config.sharing(table, shard, dataset=dataset, model=model, method=method))


def with_predictions(config: Config, dataset: str, model: str, method: str, shard: str) -> list[dict]:
    """The clips of a method's shard, each with what a model says of it: rows of `clips` and `predictions`.

    Raises:
        UsageError: the shard is not of the test split, or a clip has no prediction, because the table is older than it.
    """
    keys = {"dataset": dataset, "model": model, "method": method}
    if split_of(shard) != "test":
        raise UsageError(f"shard '{shard}': only test clips are explained; name one such as 'test-000'")
    rows = of_shard(config, "clips", shard=shard, **keys)
    of_clip = {row["clip_id"]: row for row in tables.read("predictions", *config.sharing("predictions", shard, **keys))}
    if missing := [row["clip_id"] for row in rows if row["clip_id"] not in of_clip]:
        raise UsageError(
            f"shard '{shard}': {model} has no prediction for {len(missing)} of {len(rows)} clips, such as "
            f"'{missing[0]}'; run `predict` after `extract`"
        )
    return [{"clip": row, "prediction": of_clip[row["clip_id"]]} for row in rows]


def class_names(segments: Path) -> list[str]:
    """Names of the classes, by target. Raises UsageError if a class between two others has no segment."""
    labels = {row["target"]: row["label"] for row in tables.read("segments", segments)}
    if sorted(labels) != list(range(len(labels))):
        raise UsageError(f"{segments}: the targets are {sorted(labels)}; they must count from 0 without a gap")
    return [labels[target] for target in range(len(labels))]


def batches(rows: Sequence[dict], size: int) -> Iterator[Sequence[dict]]:
    """Consecutive rows, `size` at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def boxes_by_frame(rows: Sequence[dict], label: str, frames: int) -> list[list[tuple[float, float, float, float]]]:
    """Boxes (x0, y0, x1, y1) of a clip in each of its frames: those of `clip_boxes` that hold the clip's label."""
    boxes: list[list[tuple[float, float, float, float]]] = [[] for _ in range(frames)]
    for row in rows:
        if row["label"] == label:
            boxes[row["frame"]].append((row["x0"], row["y0"], row["x1"], row["y1"]))
    return boxes
