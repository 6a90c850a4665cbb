"""Rows of the table `clips` as tensors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stepaudit.audit.jobs import Job
from stepaudit.audit.plan import split_of
from stepaudit.audit.requests import Request, explained
from stepaudit.clips.geometry import Box
from stepaudit.errors import NotApplicableError, UpstreamError, UsageError
from stepaudit.store import tables


def to_tensor(rows: Sequence[dict]) -> Tensor:
    """Pixels of rows with status 'ok'. Returns [N, 3, T, H, W] in [0, 1]."""
    clips = [_frames(row) for row in rows]
    return torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).float() / 255


def _frames(row: dict) -> np.ndarray:
    shape = (len(row["frames"]), row["height"], row["width"], 3)
    return np.frombuffer(row["pixels"], dtype=np.uint8).reshape(shape)


def require_ok(row: dict) -> dict:
    """The row, if its status is 'ok'. Raises UpstreamError with its status and error otherwise."""
    if row["status"] != "ok":
        raise UpstreamError(f"{row['status']}: {row['error']}")
    return row


def of_clips(job: Job) -> list[Request]:
    """A request for each clip of the job's shard, for its label, which it may not have; a regression's output is 0."""
    rows = tables.read("clips", *job.sharing("clips"))
    is_value = job.config.models[job.model].gives == "regression"
    return [Request(row, 0 if is_value else row["target"]) for row in rows]


def with_predictions(job: Job) -> list[Request]:
    """A request for each clip of the job's shard, for the class to explain, with the model's prediction.

    Raises:
        UsageError: the shard is not of the test split, or a clip has no prediction.
    """
    if split_of(job.shard) != "test":
        raise UsageError(f"shard '{job.shard}': only test clips are explained; name one such as 'test-000'")
    clips = tables.read("clips", *job.sharing("clips"))
    of_clip = {row["clip_id"]: row for row in tables.read("predictions", *job.sharing("predictions"))}
    if missing := [row["clip_id"] for row in clips if row["clip_id"] not in of_clip]:
        raise UsageError(
            f"shard '{job.shard}': {job.model} has no prediction for {len(missing)} of {len(clips)} clips, such as "
            f"'{missing[0]}'; run `predict` after `extract`"
        )
    pairs = [(clip, of_clip[clip["clip_id"]]) for clip in clips]
    requests = [Request(clip, row["target"], row, row["target_probability"]) for clip, row in pairs]
    return [explained(request, job.config.target) for request in requests]


def tensors(requests: Sequence[Request], device: torch.device) -> tuple[Tensor, Tensor]:
    """Clips [N, 3, T, H, W] in [0, 1] and targets [N].

    Raises:
        UpstreamError: a clip or its prediction failed.
        NotApplicableError: the model has no such class, or gave no answer to explain.
    """
    clips = pixels(requests, device)
    for request in requests:
        if request.prediction:
            require_ok(request.prediction)
        if request.target is None:
            raise NotApplicableError(_no_target_reason(request))
    return clips, torch.tensor([request.target for request in requests], device=device)


def _no_target_reason(request: Request) -> str:
    """The reason why there is no class to ask for."""
    if request.is_single:
        return "nothing to ask for: a label or a value stands against no other class, and the clip has no further label"
    if request.prediction.get("probabilities"):
        return "the model knows no other class than the clip's"
    return "no class to explain: the model gave no answer"


def pixels(requests: Sequence[Request], device: torch.device) -> Tensor:
    """Clips [N, 3, T, H, W] in [0, 1]. Raises UpstreamError if one failed."""
    return to_tensor([require_ok(request.clip) for request in requests]).to(device)


def class_names(segments: Path) -> list[str]:
    """Names of the classes, by target; empty without any label.

    Raises:
        UsageError: a class between two others has no segment.
    """
    rows = tables.read("segments", segments)
    labels = {row["target"]: row["label"] for row in rows if row["target"] is not None}
    if sorted(labels) != list(range(len(labels))):
        raise UsageError(f"{segments}: the targets are {sorted(labels)}; they must count from 0 without a gap")
    return [labels[target] for target in range(len(labels))]


def boxes_by_frame(rows: Sequence[dict], label: str | None, frames: int) -> list[list[Box]]:
    """Boxes of a clip in each of its frames: rows of `clip_boxes` with the clip's label."""
    boxes: list[list[Box]] = [[] for _ in range(frames)]
    for row in rows:
        if row["label"] == label:
            boxes[row["frame"]].append((row["x0"], row["y0"], row["x1"], row["y1"]))
    return boxes
