"""Every number of the extremal family, by preset and schedule."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from stepaudit.errors import UsageError, did_you_mean

RELEASED_ITERATIONS, FOLLOW_UP_ITERATIONS = 2000, 1200
GROWTH_PER_ITERATION = 1.0008668


@dataclass(frozen=True)
class Settings:
    """Numbers of one optimisation.

    Args:
        data_weight: of −log Φ_c.
        area_weight: of the area term, at the start.
        area_growth: the area weight at the end, in multiples of the start; it grows by one factor an iteration.
        area_per: the ratio holds over the whole `clip`, or in each `frame` (eq. 11).
        area_on: the area term sees the `padded` mask, or what the model sees (`cropped`).
        core: L_K as `released`, `corrected`, or `none`.
        core_weight: of L_K.
        core_frames: length of its ellipsoid, T_K, for clips of 16 frames; for others in proportion.
        core_size: the most pixels of its diameter; by default in proportion to the frame, see `Core`.
        tie: voxels within this distance of the smallest kept one share its place. The start, all ones, is flat but for
            the upsampling's own texture (2 %, greatest in the corners of the frame). Without sharing, that texture
            can choose the voxels to keep before the model does: with the area on the crop and a data weight of 1, only
            corners are then found.
        tie_end: share of the iterations over which `tie` falls to 0, linearly. With ties to the end, a mask that has
            fallen to 0 nearly everywhere may stay there: no voxel is asked to come back more than any other.
        reach: frames on each side over which seeds are smoothed in time (eq. 12); 0 does not.
        core_start: share of the iterations before L_K sets in.
        iterations: steps of the optimiser.
        held_from: share of the iterations after which the data term's gradient is held; 1 never holds it.
        iterations_per_call: from then on, iterations for one pass through the model: in between, the data term is taken
            to be linear. By then the mask has found its place, and what is left is its form.
        optimizer: `sgd` or `adam`.
        learning_rate, momentum, dampening: of `sgd`; `adam` takes the learning rate alone.
        decay_start: share of the iterations after which the learning rate falls along a cosine; 1 keeps it.
        decay_to: the learning rate at the end, as a share of the first.
        perturbation: what stands in the place of removed pixels, unless the caller says otherwise.
    """

    data_weight: float = 1.0
    area_weight: float = 300.0
    area_growth: float = GROWTH_PER_ITERATION**RELEASED_ITERATIONS
    area_per: Literal["clip", "frame"] = "clip"
    area_on: Literal["padded", "cropped"] = "padded"
    core: Literal["released", "corrected", "none"] = "none"
    core_weight: float = 300.0
    core_frames: int = 7
    core_size: int | None = None
    core_start: float = 0.05
    tie: float = 0.0
    tie_end: float = 0.2
    reach: int = 0
    iterations: int = RELEASED_ITERATIONS
    held_from: float = 1.0
    iterations_per_call: int = 1
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9
    dampening: float = 0.9
    decay_start: float = 1.0
    decay_to: float = 0.0
    perturbation: str = "blur"

    def area_weight_at(self, step: int) -> float:
        """The area term's weight in an iteration, counted from 0."""
        return self.area_weight * self.area_growth ** (step / self.iterations)

    def tie_at(self, step: int) -> float:
        """The distance of ties in an iteration, counted from 0."""
        return self.tie * max(0.0, 1 - step / (self.tie_end * self.iterations))

    def core_weight_at(self, step: int) -> float:
        """L_K's weight in an iteration, counted from 0."""
        return self.core_weight if self.core != "none" and step >= self.core_start * self.iterations else 0.0

    @cached_property
    def steps_with_a_pass(self) -> frozenset[int]:
        """Iterations that pass through the model; in the others the data term's gradient is held."""
        held = min(self.iterations, math.ceil(self.held_from * self.iterations))
        return frozenset([*range(held), *range(held, self.iterations, self.iterations_per_call)])

    @property
    def calls(self) -> int:
        """Passes through the model of a row, with those before and after the iterations."""
        return len(self.steps_with_a_pass) + 3

    def learning_rate_at(self, step: int) -> float:
        """The learning rate in an iteration, counted from 0."""
        decay = min(1.0, max(0.0, step / self.iterations - self.decay_start) / max(1 - self.decay_start, 1e-9))
        left = self.decay_to + (1 - self.decay_to) * 0.5 * (1 + math.cos(math.pi * decay))
        return self.learning_rate * left


# `paper`: the release behind the paper, whose EP-3D and STEP differ in more than L_K. `follow-up`: the release of the
# journal paper of 2021, which treats both alike. `matched`: L_K is the only difference; the data weight lies between
# the release's 1 and 100, because with 1 a model of few classes, whose −log Φ_c is small, is lost beside the area
# term and masks hold no evidence. `corrected`: besides, L_K treats all frames alike, and the area is imposed on what
# the model sees.
RELEASED = Settings(perturbation="blur-pyramid")
CONSTANT = replace(RELEASED, data_weight=100.0, area_growth=1.0)
FOLLOW_UP = replace(
    RELEASED,
    iterations=FOLLOW_UP_ITERATIONS,
    area_growth=GROWTH_PER_ITERATION**FOLLOW_UP_ITERATIONS,
    core_start=100 / FOLLOW_UP_ITERATIONS,
)
MATCHED = Settings(data_weight=10.0)
CORRECTED = replace(MATCHED, area_on="cropped", tie=0.05)
PRESETS = {
    "ep3d": {"paper": CONSTANT, "follow-up": FOLLOW_UP, "matched": MATCHED, "corrected": CORRECTED},
    "ep3d_evenly": {
        name: replace(chosen, area_per="frame")
        for name, chosen in (("paper", CONSTANT), ("matched", MATCHED), ("corrected", CORRECTED))
    },
    "step": {
        "paper": replace(RELEASED, core="released", core_size=11),
        "follow-up": replace(FOLLOW_UP, core="released", core_size=11, core_frames=8),
        "matched": replace(MATCHED, core="released"),
        "corrected": replace(CORRECTED, core="corrected"),
    },
}

# `paper` is the preset's own schedule. `fast` reaches its objective with a tenth of the passes through the model, half
# of the iterations. `short` takes a twentieth of both, for clips so small that the mask costs as much as the model.
SCHEDULES: dict[str, dict[str, Any]] = {
    "paper": {},
    "fast": {"iterations": 1000, "learning_rate": 0.1, "held_from": 0.15, "iterations_per_call": 20},
    "short": {"iterations": 100, "optimizer": "adam", "learning_rate": 0.1, "decay_start": 0.0},
}


def settings(method: str, preset: str, schedule: str, iterations: int | None) -> Settings:
    """The numbers of a preset under a schedule. Raises UsageError for a name that is not known."""
    for name, known in ((preset, PRESETS[method]), (schedule, SCHEDULES)):
        if name not in known:
            raise UsageError(f"no preset or schedule '{name}'{did_you_mean(name, list(known))}")
    chosen = replace(PRESETS[method][preset], **SCHEDULES[schedule])
    return chosen if iterations is None else replace(chosen, iterations=iterations)
