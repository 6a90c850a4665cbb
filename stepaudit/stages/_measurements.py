"""Measurements that metrics request by the names of their positional parameters, each read when first requested."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from stepaudit.audit.jobs import Job
from stepaudit.clips.geometry import Box
from stepaudit.clips.tensors import boxes_by_frame, require_ok, to_tensor
from stepaudit.clips.windows import show_different_scenes
from stepaudit.maps import render
from stepaudit.networks.asked import Asked, asked_class
from stepaudit.networks.checkpoint import output_names, trained
from stepaudit.running import device
from stepaudit.store import tables
from stepaudit.store.schema import TABLES


class Shard:
    """The inputs that the maps of a shard have in common.

    Args:
        maps: rows of the table.
        pixels: whether a metric needs the clips' pixels.
    """

    def __init__(self, job: Job, maps: list[dict], *, pixels: bool):
        self.job, self.maps, self.pixels = job, maps, pixels

    @cached_property
    def device(self) -> torch.device:
        return device.choose(self.job.config)  # only where a metric asks for it: it may wait for a GPU

    @cached_property
    def model(self) -> nn.Module:
        return trained(self.job, self.device)

    def forget_model(self) -> None:
        """Load the model again when it is next asked for."""
        for name in ("model", "asked"):
            vars(self).pop(name, None)

    @cached_property
    def peers(self) -> dict[str, nn.Module]:
        gives, models = self.job.config.models[self.job.model].gives, self.job.config.models
        alike = [peer for peer in self.job.peers if models[peer.model].gives == gives]
        return {peer.model: trained(peer, self.device) for peer in alike}

    @cached_property
    def asked(self) -> dict[str, Asked]:
        """Questions to the model and to its peers so far, by name."""
        return {}

    @cached_property
    def outputs(self) -> dict[tuple[str, str], float | None]:
        """Of regressions, each one's own answers by model and clip."""
        made: dict[tuple[str, str], float | None] = {}
        for job in (self.job, *(self.job.peers if "peers" in self.job.measures else ())):
            if job.config.models[job.model].gives == "regression":
                rows = tables.read("predictions", *job.sharing("predictions"))
                made |= {(job.model, row["clip_id"]): row["output"] for row in rows}
        return made

    def model_for(self, name: str, row: dict) -> nn.Module:
        """A model as it is asked about a row of `maps`."""
        if name not in self.asked:
            net = self.model if name == self.job.model else self.peers[name]
            self.asked[name] = Asked(net, self.job.config.models[name])
        return self.asked[name].model(row["target"], self.outputs.get((name, row["clip_id"])))

    @cached_property
    def outputs_of_peers(self) -> dict[str, list[str]]:
        """Names of the outputs of each peer, in order."""
        return {peer.model: output_names(peer) for peer in self.job.peers}

    @cached_property
    def clips(self) -> dict[str, dict]:
        columns = [name for name in TABLES["clips"].schema.names if self.pixels or name != "pixels"]
        rows = tables.read("clips", *self.job.sharing("clips"), columns=columns)
        return {clip["clip_id"]: clip for clip in rows}

    @cached_property
    def boxes(self) -> dict[str, list[dict]]:
        boxes: dict[str, list[dict]] = {clip_id: [] for clip_id in self.clips}
        for box in tables.read("clip_boxes", *self.job.sharing("clip_boxes")):
            boxes[box["clip_id"]].append(box)
        return boxes

    def own_boxes(self, clip: dict) -> list[list[Box]]:
        """Boxes of the clip's label in each frame."""
        return boxes_by_frame(self.boxes[clip["clip_id"]], clip["label"], len(clip["frames"]))

    def other_boxes(self, clip: dict) -> list[list[Box]]:
        """Boxes of all other labels in each frame."""
        rows = self.boxes[clip["clip_id"]]
        labels = sorted({row["label"] for row in rows} - {clip["label"]})
        by_label = [boxes_by_frame(rows, label, len(clip["frames"])) for label in labels]
        return [[box for boxes in by_label for box in boxes[frame]] for frame in range(len(clip["frames"]))]

    def no_annotation(self, clip_id: str) -> str:
        """Reason, if it is known, why a clip has no boxes of its label, or no action; else an empty text."""
        clip, labels = self.clips[clip_id], {row["label"] for row in self.boxes[clip_id]}
        if labels and clip["label"] is None:
            return f"its boxes are of {', '.join(sorted(labels))}, and the clip has no label"
        if labels and clip["label"] not in labels:
            return f"its boxes are of {', '.join(sorted(labels))}, none of {clip['label']}"
        return clip["annotation_error"] or ""

    def first_seed(self, row: dict) -> dict:
        """The map of the same clip and ratio that was made with the first of the method's seeds."""
        return self._first_seeds[row["clip_id"], row["ratio"]]

    @cached_property
    def _first_seeds(self) -> dict[tuple, dict]:
        return {(row["clip_id"], row["ratio"]): row for row in reversed(self.maps)}

    def reference_rows(self, row: dict) -> dict[str, dict]:
        """The maps with status `ok` to compare a row of `maps` with, by the difference."""
        place = (row["clip_id"], row["ratio"], row["seed"])
        others = {name: rows[place] for name, rows in self._other_maps.items() if place in rows}
        first = self.first_seed(row)
        if "model" in others and others["model"]["target"] != row["target"]:
            del others["model"]  # each explains the class that its own model finds the most probable
        seed = {} if first is row else {"seed": first}
        return {name: other for name, other in (seed | others).items() if other["status"] == "ok"}

    @cached_property
    def _other_maps(self) -> dict[str, dict[tuple, dict]]:
        """Maps of other models or methods by the difference, then by clip, ratio and seed."""
        by_difference = {}
        for name, other in self.job.references.items():
            rows = tables.read("maps", *self.job.sharing("maps", other))
            by_difference[name] = {(row["clip_id"], row["ratio"], row["seed"]): row for row in rows}
        return by_difference

    def next_clip(self, clip: dict) -> dict | None:
        """The annotated clip that follows an annotated one in the shard; after the last the first.

        It is neither a window of the same segment nor the same stretch of video with another label.
        """
        names, own = self._annotated, clip["clip_id"]
        if own not in names:
            return None
        place = names.index(own)
        following = (self.clips[name] for name in names[place + 1 :] + names[:place])
        return next((other for other in following if show_different_scenes(clip, other)), None)

    @cached_property
    def _annotated(self) -> list[str]:
        usable = [clip for clip in self.clips.values() if clip["status"] == "ok"]
        return [clip["clip_id"] for clip in usable if any(self.own_boxes(clip)) or clip["in_action"] is not None]

    def importance(self, row: dict) -> Tensor:
        """The full map of a row of `maps`, [T, H, W]."""
        clip, grid = self.clips[row["clip_id"]], torch.tensor(row["grid"]).view(1, *row["grid_shape"])
        return render(grid, row["upsampling"], (len(clip["frames"]), clip["height"], clip["width"]))[0]


class Measurements:
    """Inputs of metrics for a row of `maps`."""

    def __init__(self, shard: Shard, row: dict):
        self._shard, self._row = shard, row

    def get(self, name: str, annotation: str) -> Any:
        """An input by name, for the metric's `annotation`. Raises AuditError if the row holds no map."""
        require_ok(self._row)
        return getattr(self, f"{annotation}_{name}" if name in ("boxes", "in_action") else name)

    @property
    def _clip(self) -> dict:
        return self._shard.clips[self._row["clip_id"]]

    @cached_property
    def importance(self) -> Tensor:
        """[T, H, W]."""
        return self._shard.importance(self._row)

    @cached_property
    def own_boxes(self) -> list[list[Box]]:
        return self._shard.own_boxes(self._clip)

    @property
    def other_boxes(self) -> list[list[Box]]:
        return self._shard.other_boxes(self._clip)

    @property
    def shuffled_boxes(self) -> list[list[Box]]:
        other = self._shard.next_clip(self._clip)
        return self._shard.own_boxes(other) if other else [[] for _ in self._clip["frames"]]

    @property
    def own_in_action(self) -> list[bool] | None:
        return self._clip["in_action"]

    @property
    def other_in_action(self) -> None:
        return None

    @property
    def shuffled_in_action(self) -> list[bool] | None:
        other = self._shard.next_clip(self._clip)
        return other["in_action"] if other else None

    @property
    def steps(self) -> int:
        return self._row["grid_shape"][0]

    @cached_property
    def clip(self) -> Tensor:
        return to_tensor([self._clip])[0].to(self._shard.device)

    @property
    def model(self) -> nn.Module:
        return self._shard.model_for(self._shard.job.model, self._row)

    @property
    def peers(self) -> dict[str, nn.Module]:
        """Other trained models, by name, whose output at the target's index has the same class name.

        All of them if the target has no name.
        """
        class_index, name = self._row["target"], self._row["target_name"]
        outputs = self._shard.outputs_of_peers
        return {
            peer: self._shard.model_for(peer, self._row)
            for peer in self._shard.peers
            if name is None or outputs[peer][class_index : class_index + 1] == [name]
        }

    @property
    def target(self) -> int:
        """The class that the model is asked for."""
        gives = self._shard.job.config.models[self._shard.job.model].gives
        return asked_class(gives, self._row["target"])

    @property
    def ratio(self) -> float | None:
        return self._row["ratio"]

    @cached_property
    def references(self) -> dict[str, Tensor]:
        """Maps [T, H, W] to compare this one with, of the same clip, method and ratio.

        `seed` is the first seed's, if this is another's; `model` that of the model which this one is a control of;
        `target` that for the clip's label, if this explains another class.
        """
        return {name: self._shard.importance(row) for name, row in self._shard.reference_rows(self._row).items()}
