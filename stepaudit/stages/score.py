"""Stage score: every metric of every map of a shard."""

import inspect
from collections.abc import Callable
from typing import Any

import torch

from stepaudit import device, tables
from stepaudit.checkpoint import trained
from stepaudit.clips import boxes_by_frame, of_shard, require_ok, to_tensor
from stepaudit.config import Config
from stepaudit.errors import AuditError
from stepaudit.maps import render
from stepaudit.progress import progress


def run(config: Config, dataset: str, model: str, method: str, shard: str) -> None:
    """Writes a shard of the table `scores`: for each map and metric a row, or one for each frame."""
    maps = tables.read("maps", config.path("maps", dataset=dataset, model=model, method=method, shard=shard))
    measure = _Measurements(config, dataset, model, shard)
    metrics = {
        name: (config.component("metrics", name).load(), entry.options) for name, entry in config.metrics.items()
    }
    rows, frames = [], config.clips_of(model).frames
    with progress(f"score {method} of {model} on {dataset} {shard}", len(maps)) as advance:
        for row in maps:
            measurements = measure(row)
            for name, (score, options) in metrics.items():
                key = {**{key: row[key] for key in ("clip_id", "ratio", "seed")}, "metric": name}
                rows += [{**key, **value} for value in _values(score, measurements, options, frames)]
            advance()
    tables.write(rows, "scores", config.path("scores", dataset=dataset, model=model, method=method, shard=shard))


class _Measurements:
    """What metrics may ask for by the names of their positional parameters, for a row of `maps`."""

    def __init__(self, config: Config, dataset: str, model: str, shard: str):
        self.device = device.choose(config)
        self.model, _ = trained(config, dataset, model, self.device)
        clips = of_shard(config, "clips", dataset, model, shard)
        self.clips = {clip["clip_id"]: clip for clip in clips}
        self.boxes: dict[str, list[dict]] = {clip_id: [] for clip_id in self.clips}
        for box in of_shard(config, "clip_boxes", dataset, model, shard):
            self.boxes[box["clip_id"]].append(box)

    def __call__(self, row: dict) -> dict[str, Any] | AuditError:
        """The measurements, or why there are none."""
        try:
            require_ok(row)
        except AuditError as error:
            return error
        clip = self.clips[row["clip_id"]]
        grid = torch.tensor(row["grid"]).view(1, *row["grid_shape"])
        size = (len(clip["frames"]), clip["height"], clip["width"])
        return {
            "importance": render(grid, row["upsampling"], size)[0],
            "boxes": boxes_by_frame(self.boxes[row["clip_id"]], clip["label"], size[0]),
            "in_action": clip["in_action"],
            "steps": row["grid_shape"][0],
            "clip": to_tensor([clip])[0].to(self.device),
            "model": self.model,
            "target": row["target"],
            "ratio": row["ratio"],
        }


def _values(score: Callable, measurements: dict[str, Any] | AuditError, options: dict, frames: int) -> list[dict]:
    """Frame, value, status and error of each row that a metric gives for a map."""
    try:
        if isinstance(measurements, AuditError):
            raise measurements
        result = score(*(measurements[name] for name in _positional(score)), **options)
    except AuditError as error:
        result = error
    if _per_frame(score):
        values = result if isinstance(result, list) else [result] * frames
        return [{"frame": frame, **_outcome(value)} for frame, value in enumerate(values)]
    return [_outcome(result)]


def _outcome(value: float | AuditError) -> dict:
    if isinstance(value, AuditError):
        return {"status": value.status, "error": str(value)}
    return {"value": value, "status": "ok"}


def _positional(score: Callable) -> list[str]:
    parameters = inspect.signature(score).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]


def _per_frame(score: Callable) -> bool:
    return "list" in str(inspect.signature(score).return_annotation)
