"""Stage attribute: a method explains what a model says of every test clip of a shard."""

import functools
import time
from collections import defaultdict

import torch
from torch import Tensor

from stepaudit.audit.config import Config
from stepaudit.clips.box_prior import mean_boxes
from stepaudit.clips.tensors import batches, boxes_by_frame, require_ok, to_tensor, with_predictions
from stepaudit.errors import AuditError, NonFiniteError, NotApplicableError
from stepaudit.maps import Maps, map_values
from stepaudit.networks.checkpoint import trained
from stepaudit.running import device
from stepaudit.running.guard import Guard, Loaded
from stepaudit.running.parts import Parts
from stepaudit.running.progress import progress
from stepaudit.running.run_records import inputs_fingerprint
from stepaudit.running.smaller_batches import each
from stepaudit.store import tables


def run(config: Config, dataset: str, model: str, method: str, shard: str) -> None:
    """Writes a shard of the table `maps`, a row for each test clip, seed and ratio; resumes where it stopped."""
    asked = _asked(config, dataset, model, method, shard)
    entry, output = (
        config.methods[method],
        config.path("maps", dataset=dataset, model=model, method=method, shard=shard),
    )
    todo = [
        batch
        for seed in entry.seeds
        for batch in batches([row for row in asked if row["seed"] == seed], entry.batch_size)
    ]
    decisive = inputs_fingerprint(config, dataset, model, method, shard)
    parts = Parts("maps", output, decisive, [len(batch) for batch in todo])
    load, name = functools.partial(_explainer, config, dataset, model, method), f"method '{method}' of model '{model}'"
    with (
        progress(f"{method} of {model} on {dataset} {shard}", len(asked), _clips(asked)) as advance,
        Guard(config, parts.folder, name, load) as guard,
    ):
        for index, batch in enumerate(todo):
            if index in parts:
                advance(len(batch), kept=True)
                continue
            rows = each(batch, guard.over(index, batch), _failed)
            parts.add(index, rows)
            advance(len(batch), rows=rows)
    parts.finish(len(todo))


def _asked(config: Config, dataset: str, model: str, method: str, shard: str) -> list[dict]:
    """What is asked: a dict for each clip, seed and ratio, with the clip's row, its prediction and the class."""
    entry = config.methods[method]
    explained = {"label": _label, "runner_up": _runner_up}[entry.target]
    clips = [{**clip, **explained(**clip)} for clip in with_predictions(config, dataset, model, method, shard)]
    return [
        {**clip, "ratio": ratio, "seed": seed}
        for seed in entry.seeds
        for clip in clips
        for ratio in entry.ratios or [None]
    ]


def _clips(asked: list[dict]) -> int:
    return len({row["clip"]["clip_id"] for row in asked})


def _label(clip: dict, prediction: dict) -> dict:
    """The class that is annotated, and its probability."""
    return {"target": clip["target"], "target_probability": prediction["target_probability"]}


def _runner_up(clip: dict, prediction: dict) -> dict:
    """The most probable class but for the annotated one, and its probability; None where there is none."""
    others = {
        target: value for target, value in enumerate(prediction["probabilities"] or []) if target != clip["target"]
    }
    target = max(others, key=others.__getitem__, default=None)
    return {"target": target, "target_probability": others.get(target)}


def _explainer(config: Config, dataset: str, model: str, method: str) -> Loaded:
    """The model, and the method as a function from asked rows to rows of `maps`."""
    place = device.choose(config)
    net, _ = trained(config, dataset, model, place)
    entry, attribute = config.methods[method], config.component("methods", method).load()
    asked_for = config.component("methods", method).requires
    extra = {"box_prior": _box_prior(config, dataset, model).to(place)} if "box_prior" in asked_for else {}

    def explain(asked: list[dict]) -> list[dict]:
        clips = to_tensor([require_ok(row["clip"]) for row in asked]).to(place)
        for row in asked:
            require_ok(row["prediction"])
            if row["target"] is None:
                raise NotApplicableError("the model knows no other class than the clip's")
        targets = torch.tensor([row["target"] for row in asked], device=place)
        ratios = None if entry.ratios is None else torch.tensor([row["ratio"] for row in asked], device=place)
        start = time.monotonic()
        maps = attribute(net, clips, targets, ratios=ratios, seed=asked[0]["seed"], **extra, **entry.options)
        full = maps.full()
        if not (full.isfinite().all() and maps.grid.isfinite().all()):
            raise NonFiniteError("the map holds NaN or infinite values")
        seconds = (time.monotonic() - start) / len(asked)
        same = {"options": tables.as_json(entry.options), "seconds": seconds}
        return [{**_row(row, maps, full, index), **same} for index, row in enumerate(asked)]

    return net, explain


def _box_prior(config: Config, dataset: str, model: str) -> Tensor:
    """Share of the annotated training clips whose boxes cover each voxel, [T, H, W]."""
    size, paths = config.clips_of(model), config.clips_for("train", dataset=dataset, model=model)
    clips = tables.read("clips", *paths, columns=["clip_id", "view", "label"])
    boxes = defaultdict(list)
    for row in tables.read("clip_boxes", *config.clips_for("train", dataset=dataset, model=model, table="clip_boxes")):
        boxes[row["clip_id"], row["view"]].append(row)
    framed = [boxes_by_frame(boxes[clip["clip_id"], clip["view"]], clip["label"], size.frames) for clip in clips]
    return mean_boxes([frames for frames in framed if any(frames)], size.frames, size.height, size.width)


def _row(asked: dict, maps: Maps, full: Tensor, index: int) -> dict:
    measured = {**map_values(maps, full, index), "target_probability": asked["target_probability"]}
    return {**_key(asked), **measured, "status": "ok"}


def _failed(asked: dict, error: AuditError) -> dict:
    return {**_key(asked), "status": error.status, "error": str(error)}


def _key(asked: dict) -> dict:
    return {"clip_id": asked["clip"]["clip_id"], **{key: asked[key] for key in ("target", "ratio", "seed")}}
