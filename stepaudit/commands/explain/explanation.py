"""Explanations of clips outside of an audit, for the command `explain` and the Python API."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stepaudit.adapters import check_logits, in_python
from stepaudit.audit.registry import Component, find
from stepaudit.commands.explain.model_calls import Observer, observed
from stepaudit.errors import NonFiniteError, UsageError
from stepaudit.extremal.perturbation import Perturbation, blend, hard_mask
from stepaudit.layers import frozen, without_gradient
from stepaudit.maps import Maps, checked_maps, map_values
from stepaudit.networks import probe
from stepaudit.networks.probe import Answers
from stepaudit.store import schema, tables

AT_ONCE = 16  # clips in a call that asks for no gradient
SHOWN = 8  # clips that a notebook shows


@dataclass(frozen=True)
class Explanation:
    """Explanation of a model on N clips by a method.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N], the classes explained.
        method: its name.
        options: the method's options that were given.
        ratios: N shares of voxels: the requested volumes of masks, or of the part that other maps keep.
        seed: of the method's randomness.
        compact: the maps at the method's own resolution.
        maps: the full maps, [N, T, H, W] in [0, 1], float32.
        logits: [N, K], of the clips.
        kept_clips: [N, 3, T, H, W], the clips of which the maps' part is kept and the rest perturbed.
        kept_logits: [N, K], of those.
        empty_logits: [N, K], of the clips that are perturbed everywhere: what the model says with no evidence at all.
        takes_ratio: whether the method was asked for the ratios.
        seconds: wall time of the method, of all rows.
    """

    clips: Tensor = field(repr=False)
    targets: Tensor
    method: str
    options: dict[str, Any]
    ratios: list[float]
    seed: int
    compact: Maps = field(repr=False)
    maps: Tensor = field(repr=False)
    logits: Tensor = field(repr=False)
    kept_clips: Tensor = field(repr=False)
    kept_logits: Tensor = field(repr=False)
    empty_logits: Tensor = field(repr=False)
    takes_ratio: bool
    seconds: float

    @property
    def is_mask(self) -> bool:
        """True for optimised masks; other maps only rank the voxels."""
        return "kept_probability" in self.compact.details

    @property
    def probability(self) -> Tensor:
        """Softmax probability of each target on its clip, [N]."""
        return _target_probabilities(self.logits, self.targets)

    @property
    def kept_probability(self) -> Tensor:
        """Softmax probability of each target on the kept part of its clip, [N].

        That is the clip perturbed by its mask. Of a map that is no mask the greatest voxels are kept, `ratios` of them,
        and the rest is blurred.
        """
        return _target_probabilities(self.kept_logits, self.targets)

    @property
    def empty_probability(self) -> Tensor:
        """Softmax probability of each target on its clip perturbed everywhere, [N]: if high, maps are no evidence."""
        return _target_probabilities(self.empty_logits, self.targets)

    @property
    def volume(self) -> Tensor:
        """Mean of each map, [N]: of a mask, the ratio that it reached."""
        return self.maps.mean(dim=(1, 2, 3))

    def render(self, index: int = 0) -> np.ndarray:
        """A clip in grey with its map over it as heat, uint8 [T, H, W, 3], for `stepaudit.save`."""
        from stepaudit.report.pictures import overlay, pictures

        frames = overlay.pictures_of(self.clips[index])
        return pictures.overlay(frames, self.maps[index].cpu().numpy(), mask=self.is_mask)

    def _repr_html_(self) -> str:
        """The clips with their maps, moving, as a notebook shows them."""
        from stepaudit.report.pictures import movie

        values = zip(self.targets, self.probability, self.kept_probability, self.empty_probability, strict=True)
        captions = [
            f"{self.method}: class {target} has {whole:.2f}, on the kept part {kept:.2f}, on nothing {empty:.2f}"
            for target, whole, kept, empty in list(values)[:SHOWN]
        ]
        return "".join(movie.as_html(self.render(index), caption) for index, caption in enumerate(captions))

    def table(self, clip_ids: Sequence[str] | None = None, model: str | None = None) -> list[dict]:
        """Rows with the columns of an audit's table `maps`; `dataset` is NULL.

        Args:
            clip_ids: N names; by default the clips' places, from 0.
            model: its name.
        """
        names = [str(index) for index in range(len(self.maps))] if clip_ids is None else clip_ids
        same = {
            "dataset": None,
            "model": model,
            "method": self.method,
            "seed": self.seed,
            "options": tables.as_json(self.options),
            "seconds": self.seconds / len(self.maps),
            "status": "ok",
            "error": None,
        }
        rows = [
            {
                **same,
                **map_values(self.compact, self.maps, index),
                "clip_id": name,
                "ratio": self.ratios[index] if self.takes_ratio else None,
                "target": self.targets[index].item(),
                "target_probability": self.probability[index].item(),
            }
            for index, name in enumerate(names)
        ]
        return [{column.name: row.get(column.name) for column in schema.TABLES["maps"].columns} for row in rows]


def explained(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor | None,
    ratios: Sequence[float],
    *,
    method: str,
    options: dict[str, Any],
    seed: int = 0,
    observer: Observer | None = None,
    answers: Answers | None = None,
) -> Explanation:
    """The explanation of clips.

    Args:
        model: clips to logits [N, K]; in any mode, which it keeps.
        clips: [N, 3, T, H, W] in [0, 1], on the model's device.
        targets: [N] class indices; None for the most probable classes.
        ratios: N preservation ratios, in (0, 1).
        method: name of a registered method, or `module:object`.
        options: of the method.
        answers: of the model, if it was asked already.
        observer: is called with the model's passes, see `model_calls.observed`.

    Raises:
        UsageError: no such method or option, or the model answers something else than logits.
        AuditError: the method cannot explain the model or the clips, or gives no numbers.
    """
    component, model = checked(method, options, ratios), in_python(model)
    answers = answers or probe.require(model, clips)
    with frozen(model), torch.no_grad():
        logits = logits_of(model, clips)
    if targets is None:
        targets = logits.argmax(dim=1)
    check_targets(targets, clips, logits.shape[1])
    takes_ratio = "ratios" in component.requires
    per_row = torch.tensor(list(ratios), device=clips.device) if takes_ratio else None
    one = int(targets[0]) if len(targets.unique()) == 1 else None
    start = time.monotonic()
    looks = nullcontext() if answers.has_gradient else without_gradient(model)
    with observed(model, one, observer) if observer else nullcontext(), looks:
        given = component.load()(model, clips.clone(), targets.clone(), ratios=per_row, seed=seed, **options)
    compact = checked_maps(given, method, [str(place) for place in range(len(clips))], tuple(clips.shape[2:]))
    full = compact.full()
    seconds = time.monotonic() - start
    kept_clips, empty_clips = _kept_clips(clips, compact, full, ratios)
    with frozen(model), torch.no_grad():
        kept_logits, empty_logits = logits_of(model, kept_clips), logits_of(model, empty_clips)
    request = (clips, targets, method, options, list(ratios), seed)
    return Explanation(*request, compact, full, logits, kept_clips, kept_logits, empty_logits, takes_ratio, seconds)


def checked(method: str, options: dict[str, Any], ratios: Sequence[float] = ()) -> Component:
    """The method, if it is known and takes these options. Raises UsageError otherwise."""
    component = find("methods", method)
    if problems := component.problems(options):
        raise UsageError("; ".join(problems))
    if missing := component.requires - {"ratios"}:
        raise UsageError(
            f"method '{method}' needs {' and '.join(sorted(missing))}, made of annotated training clips; run it in an "
            "audit (`methods` of the configuration), or choose another"
        )
    if wrong := [ratio for ratio in ratios if not 0 < ratio < 1]:
        raise UsageError(f"ratio {wrong[0]:g}: give a share of the clip between 0 and 1, such as 0.05")
    return component


def check_targets(targets: Tensor, clips: Tensor, classes: int) -> None:
    """Raises UsageError unless there is a class for each clip."""
    if targets.shape != clips.shape[:1]:
        raise UsageError(f"{list(targets.shape)} targets for {len(clips)} clips; give one class index for each clip")
    wrong = targets[(targets < 0) | (targets >= classes)].tolist()
    if wrong:
        raise UsageError(f"target {wrong[0]}: the model has classes 0 to {classes - 1}")


def _target_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    """Softmax probability of each target, [N]."""
    return logits.softmax(dim=1).gather(1, targets[:, None])[:, 0]


def logits_of(model: nn.Module, clips: Tensor) -> Tensor:
    """Logits [N, K]. Raises UsageError for any other output, NonFiniteError for NaN."""
    outputs = []
    for part in clips.split(AT_ONCE):
        output = model(part)
        classes = output.shape[-1] if isinstance(output, Tensor) and output.ndim else 0
        check_logits(output, len(part), classes, type(model).__name__)
        outputs.append(output)
    logits = torch.cat(outputs)
    if not logits.isfinite().all():
        raise NonFiniteError("the model's logits hold NaN or infinite values")
    return logits


def _kept_clips(clips: Tensor, compact: Maps, full: Tensor, ratios: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The clips perturbed by their masks, or by hard masks of the maps' greatest voxels; and perturbed everywhere."""
    masks, perturbation = full, Perturbation()
    if "kept_probability" in compact.details:
        perturbation = _parse_perturbation(str(compact.details["perturbation"]))
    else:
        masks = torch.stack([hard_mask(one, ratio) for one, ratio in zip(full, ratios, strict=True)])
    levels = perturbation.levels(clips)
    return blend(levels, masks), blend(levels, torch.zeros_like(masks))


def _parse_perturbation(text: str) -> Perturbation:
    """Perturbation of a text in the table, such as `blur:sigma=10`."""
    name, _, parameter = text.partition(":")
    return Perturbation(name, float(parameter.removeprefix("sigma=")) if parameter else None)
