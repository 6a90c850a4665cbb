"""Search for the least part of a clip that a model needs, for the command `explain --need` and the Python API."""

import inspect
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from stepaudit.adapters import in_python
from stepaudit.audit.registry import Component
from stepaudit.commands.explain import explanation
from stepaudit.commands.explain.explanation import logits_of
from stepaudit.commands.explain.model_calls import Observer, observed
from stepaudit.commands.explain.need_sentences import sentences
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.extremal.answers import Answer
from stepaudit.extremal.perturbation import blend
from stepaudit.extremal.readings import READ
from stepaudit.layers import frozen, without_gradient
from stepaudit.maps import crisp_masks
from stepaudit.networks import probe
from stepaudit.networks.probe import Answers
from stepaudit.store import schema
from stepaudit.store.answer_values import LEVEL, answer_values

HIDDEN = 0.5  # the grey of hidden parts, in pictures


@dataclass(frozen=True)
class Need:
    """The least parts of N clips that a model needs for its answers.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N], the classes asked for.
        others: [N], the most probable class of each clip but that.
        method: whose search it is.
        options: of it, that were given.
        seed: of the search.
        logits: [N, K], of the clips.
        answers: of each target.
        other_answers: of the other classes.
        upsampling: of the masks.
        seconds: wall time of the search, of all clips.
    """

    clips: Tensor = field(repr=False)
    targets: Tensor
    others: Tensor
    method: str
    options: dict[str, Any]
    seed: int
    logits: Tensor = field(repr=False)
    answers: list[Answer] = field(repr=False)
    other_answers: list[Answer] = field(repr=False)
    upsampling: str
    seconds: float

    @property
    def masks(self) -> Tensor:
        """The smallest mask of each clip that keeps half of the confidence, [N, T, H, W].

        It is 0 everywhere if nothing is needed, 1 if no smaller mask than the whole clip was found.
        """
        return torch.stack([self._smallest_mask(answer) for answer in self.answers])

    @property
    def shown_clips(self) -> Tensor:
        """The clips with all but these masks hidden in grey, [N, 3, T, H, W]."""
        return blend(torch.stack([torch.full_like(self.clips, HIDDEN), self.clips]), self.masks)

    def sentences(self, index: int = 0, classes: Sequence[str] | None = None) -> list[str]:
        """The findings on a clip in words.

        Args:
            index: of the clip.
            classes: names of the K classes; by default their places, from 0.
        """
        names = [f"class {place}" for place in range(self.logits.shape[1])] if classes is None else classes
        frames = int((self.masks[index].amax(dim=(1, 2)) >= HIDDEN).sum())
        label, other = (names[int(targets[index])] for targets in (self.targets, self.others))
        of_frames = f"{frames} of {self.clips.shape[2]} frames"
        return sentences(self.answers[index], label, self.other_answers[index], other, of_frames)

    def table(self, clip_ids: Sequence[str] | None = None, model: str | None = None) -> list[dict]:
        """Rows with the columns of an audit's table `preservation`, two for each clip; `dataset` is NULL.

        Args:
            clip_ids: N names; by default the clips' places, from 0.
            model: its name.
        """
        names = [str(index) for index in range(len(self.clips))] if clip_ids is None else clip_ids
        same = {"model": model, "method": self.method, "bound": "sufficiency", "seed": self.seed, "status": "ok"}
        asked = (("label", self.targets, self.answers), ("runner_up", self.others, self.other_answers))
        rows = [
            {**same, "clip_id": name, "asked_class": which, "target": targets[index].item()}
            | answer_values(answers[index], self.upsampling)
            for index, name in enumerate(names)
            for which, targets, answers in asked
        ]
        return [{column.name: row.get(column.name) for column in schema.TABLES["preservation"].columns} for row in rows]

    def _smallest_mask(self, answer: Answer) -> Tensor:
        """Mask [T, H, W] for `LEVEL`: zeros if nothing is needed, ones if no mask keeps it."""
        size = tuple(self.clips.shape[2:])
        smallest = None if answer.vacuous else answer.smallest(LEVEL)
        if smallest is None:
            return torch.full(size, 0.0 if answer.vacuous else 1.0, device=self.clips.device)
        snapshot = smallest.snapshot
        return crisp_masks(snapshot.seed_masks[None], self.upsampling, size, [snapshot.ratio])[0].to(self.clips)


def needed(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor | None,
    *,
    method: str,
    options: dict[str, Any],
    backgrounds: Tensor | None = None,
    readings: Sequence[str] = (),
    seed: int = 0,
    observer: Observer | None = None,
    answers: Answers | None = None,
) -> Need:
    """The least part of each clip that the model needs.

    Args:
        model: clips to logits [N, K]; in any mode, which it keeps.
        clips: [N, 3, T, H, W] in [0, 1], on the model's device.
        targets: [N] class indices; None for the most probable classes.
        method: one with such a search.
        options: of its search.
        backgrounds: [N, 3, T, H, W], for each clip another one, to stand blurred behind its masks; None: none does.
        readings: further ones of the targets, of `stepaudit.extremal.readings.READ`.
        observer, answers: as for `explanation.explained`.

    Raises:
        UsageError: no such method, option or reading, the model answers something else than logits, or it has a single
            class.
        AuditError: the model or the clips cannot be searched.
    """
    search, model = search_of(checked(method, options)), in_python(model)
    check_readings(readings)
    answers = answers or probe.require(model, clips)
    with frozen(model), torch.no_grad():
        logits = logits_of(model, clips)
    targets = logits.argmax(dim=1) if targets is None else targets
    explanation.check_targets(targets, clips, logits.shape[1])
    if backgrounds is not None and backgrounds.shape != clips.shape:
        raise UsageError(
            f"backgrounds {list(backgrounds.shape)} for clips {list(clips.shape)}; give another clip for each"
        )
    others = _runner_up(logits, targets)
    start = time.monotonic()
    looks = nullcontext() if answers.has_gradient else without_gradient(model)
    given: dict[str, Any] = {"own": targets, "backgrounds": backgrounds, "seed": seed, **options}
    with observed(model, None, observer) if observer else nullcontext(), looks:
        own, upsampling = search(model, clips.clone(), targets, controls=True, readings=readings, **given)
        of_others, _ = search(model, clips.clone(), others, **given)
    seconds = time.monotonic() - start
    return Need(clips, targets, others, method, options, seed, logits, own, of_others, upsampling, seconds)


def checked(method: str, options: dict[str, Any]) -> Component:
    """The method, if it searches what a clip needs and the search takes these options. Raises UsageError otherwise."""
    component = explanation.checked(method, options)
    search = search_of(component)
    if unused := [name for name in options if name not in inspect.signature(search).parameters]:
        raise UsageError(
            f"option '{unused[0]}': the search for what a clip needs has a schedule and fills of its own; leave it out"
        )
    return component


def check_readings(readings: Sequence[str]) -> None:
    """Raises UsageError for a reading that does not exist."""
    if unknown := [name for name in readings if name not in READ]:
        raise UsageError(f"no reading '{unknown[0]}'{did_you_mean(unknown[0], list(READ))}")


def search_of(component: Component) -> Callable[..., Any]:
    """The method's search for what a clip needs. Raises UsageError if it has none."""
    search = component.companion("sufficiency")
    if search is None:
        raise UsageError(
            f"method '{component.name}' has no search for what a clip needs; use step, ep3d or a variant of these"
        )
    return search


def _runner_up(logits: Tensor, targets: Tensor) -> Tensor:
    """The most probable class of each clip but its target, [N]. Raises UsageError if there is one class."""
    if logits.shape[1] < 2:
        raise UsageError("the model has one class; what a clip needs is asked of models with two or more")
    return logits.scatter(1, targets[:, None], -torch.inf).argmax(dim=1)
