"""The search for what a clip needs with fewer passes: white boxes, and trained models beside the product's search."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean, stdev
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool3d, interpolate

from benchmarks.audits import Case, cases
from benchmarks.needs import octaves, spread
from benchmarks.white_boxes import _log2_needed, boxes, found, white_box
from stepaudit.extremal import descent, sufficiency, sweep
from stepaudit.extremal.answers import Answer
from stepaudit.extremal.settings import Settings
from stepaudit.extremal.sweep import Run, Steering, Sweep
from stepaudit.extremal.temporal import temporal_gaussian
from stepaudit.methods import ep3d

SIDE, FRAMES, STARTS, CLIPS = 48, 16, (0, 1, 2, 3), 8
FROM_GRADIENTS = 6  # passes that a start from gradients takes

Moved = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Variant:
    """One way to spend passes.

    Args:
        budget, iterations, verified: passes of a clip, iterations of the sweep, and masks verified at first.
        gain, rate: the steering's gain and the learning rate, in multiples of the product's.
        coarse: share of the run in which the seeds' gradient is pooled over 2×2×2 seeds.
        from_gradients: seeds begin where integrated gradients are great, and the ratio at 0.35.
    """

    budget: float = sufficiency.BUDGET
    iterations: int = sufficiency.ITERATIONS
    verified: int = sufficiency.FIRST_VERIFIED
    gain: float = 1.0
    rate: float = 1.0
    coarse: float = 0.0
    from_gradients: bool = False


SHORT = partial(Variant, budget=120, iterations=85, verified=8)
VARIANTS = {
    "the product's": Variant(),
    "120": SHORT(),
    "120, quick": SHORT(gain=1.8, rate=1.5),
    "120, coarse to fine": SHORT(gain=1.8, rate=2.0, coarse=0.25),
    "120, from gradients": SHORT(iterations=80, gain=1.5, rate=1.3, from_gradients=True),
    "200, coarse to fine": Variant(coarse=0.1),
    "90, quick": Variant(90, 60, 6, gain=2.4, rate=2.5),
}


def fewer_passes() -> list[str]:
    """Each variant on white boxes and, where audits have run, on trained models."""
    lines = [
        f"EP-3D on clips of {FRAMES} frames of {SIDE} px, {len(STARTS)} starts of each white box. In multiples of the",
        "truth: least and greatest, and the root mean square of the logarithm, octaves. On trained models the means of",
        f"log₂ G less the product's on the same clips and starts (95 %), {CLIPS} clips, two starts, and the standard",
        "deviation between starts. Below 0 is better there, as a search finds at most too large a piece.",
        "",
        "| passes | a*(0.9) ÷ truth | rms | G ÷ truth | rms |",
        "|---|---|---|---|---|",
        *(f"| {name} | {_on_white_boxes(variant)} |" for name, variant in VARIANTS.items()),
    ]
    trained = [line for case in cases(CLIPS) for line in _on_trained(case)]
    head = ["", "| model | passes | clips | log₂ G less the product's | between starts |", "|---|---|---|---|---|"]
    return lines + (head + trained if trained else [])


def _on_white_boxes(variant: Variant) -> str:
    upper, area = [], []
    with spent_as(variant):
        for name in boxes(FRAMES, SIDE):
            model = white_box(name, FRAMES, SIDE)
            for start in STARTS:
                answer = found(model, start=start)
                upper.append((answer.upper(0.9) or 1) / model.needed(0.9, answer))
                area.append(2 ** ((answer.log2_area or 0) - _log2_needed(model, answer)))
    return " | ".join(text for values in (upper, area) for text in (_range(values), f"{_rms(values):.2f}"))


def _on_trained(case: Case) -> Iterator[str]:
    product = [_asked(case, VARIANTS["the product's"], start) for start in (0, 1)]
    for name, variant in VARIANTS.items():
        answers = [_asked(case, variant, start) for start in (0, 1)]
        pairs = [
            (one, other)
            for some, others in zip(answers, product, strict=True)
            for one, other in zip(octaves(some), octaves(others), strict=True)
        ]
        apart = [one - other for one, other in pairs if one is not None and other is not None]
        margin = 1.96 * stdev(apart) / math.sqrt(len(apart))
        cells = [case.name, name, len(apart) // 2, f"{mean(apart):+.2f} ± {margin:.2f}", f"{spread(*answers):.2f}"]
        yield "| " + " | ".join(map(str, cells)) + " |"


def _asked(case: Case, variant: Variant, start: int) -> list[Answer]:
    with spent_as(variant):
        backgrounds = case.clips.roll(1, 0)
        return ep3d.sufficiency(case.model, case.clips, case.targets, backgrounds=backgrounds, seed=start)[0]


@contextmanager
def spent_as(variant: Variant) -> Iterator[None]:
    """The product's search spends passes as a variant says."""

    class Steered(Steering):
        def update(self, step: int, share: float) -> None:
            before = self.ratio
            super().update(step, share)
            if variant.gain != 1:
                faster = before * (self.ratio / before) ** variant.gain
                self.ratio = min(sweep.LARGEST, max(sweep.SMALLEST, faster))

    class Started(Sweep):
        def begin(self, fills: Mapping[int, list[int]]) -> list[Run]:
            runs = super().begin(fills)
            for run in runs:
                run.steering = Steered(self.settings.iterations, 0.35 if variant.from_gradients else sweep.FIRST_RATIO)
            if variant.from_gradients:
                _start_from_gradients(self, runs)
            return runs

    def settings(chosen: Settings, iterations: int) -> Settings:
        known = sweep_settings(chosen, iterations)
        return replace(known, learning_rate=known.learning_rate * variant.rate)

    def optimizer_step(
        seeds: Tensor, gradient: Tensor, moments: Tensor, step: int, chosen: Settings
    ) -> tuple[Tensor, Tensor]:
        if step < variant.coarse * chosen.iterations:
            gradient = _coarse(gradient)
        return descent.optimizer_step(seeds, gradient, moments, step, chosen)

    sweep_settings = sufficiency.sweep_settings
    replaced = {
        "BUDGET": variant.budget,
        "ITERATIONS": variant.iterations,
        "FIRST_VERIFIED": variant.verified,
        "Sweep": Started,
        "sweep_settings": settings,
    }
    with ExitStack() as stack:
        for name, value in replaced.items():
            stack.enter_context(patch.object(sufficiency, name, value))
        stack.enter_context(patch.object(sweep, "optimizer_step", optimizer_step))
        yield


def _coarse(gradient: Tensor) -> Tensor:
    frames, height, width = (max(1, length // 2) for length in gradient.shape[1:])
    pooled = adaptive_avg_pool3d(gradient[:, None], (frames, height, width))
    return interpolate(pooled, size=gradient.shape[1:], mode="trilinear")[:, 0]


def _start_from_gradients(search: Sweep, runs: Sequence[Run]) -> None:
    """Seeds from 0.55 to 1 in the order of integrated gradients from the fills to the clip."""
    rows, total = [run.row for run in runs], torch.zeros(())
    for turn in range(FROM_GRADIENTS):
        shown = torch.full((len(runs), *search.clips.shape[2:]), (turn + 0.5) / FROM_GRADIENTS)
        _, slope = search._slope(rows, [run.fills[turn % len(run.fills)] for run in runs], shown)
        total = total - slope / slope.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    _, frames, height, width = search.start.shape
    smooth = temporal_gaussian(adaptive_avg_pool3d(total[:, None], (frames, height, width))[:, 0], 1)
    ranks = smooth.flatten(1).argsort(1).argsort(1).view_as(smooth) / (frames * height * width)
    for run, rank in zip(runs, ranks, strict=True):
        run.seeds = 0.55 + 0.45 * rank


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2f}–{max(values):.2f}"


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(mean(math.log2(value) ** 2 for value in values))
