"""Price of one iteration: beside the bare model, beside the plain implementation, and as clips grow."""

import os
import resource
import subprocess
import sys
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import audits, faithful
from benchmarks.timing import exponent, ratio, seconds
from stepaudit.audit.registry import find
from stepaudit.extremal.engine import optimise
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.prepared import prepared
from stepaudit.extremal.settings import Settings, settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.layers import frozen, target_log_probability

NARROW = {
    "r2plus1d_18": {"width": 6},
    "vgg16_lstm": {"width": 6, "features": 64, "hidden": 32, "pooled": 2, "batch_norm": True},
}
OVERHEADS = (  # name, family, options, rows, frames, size, iterations, repeats
    ("R(2+1)D-18, 16×112×112", "r2plus1d_18", {}, 1, 16, 112, 2, 3),
    ("VGG16LSTM, 16×224×224", "vgg16_lstm", {}, 1, 16, 224, 2, 2),
)
NARROW_ITERATIONS = 50


def model_of(family: str, options: dict) -> nn.Module:
    """A model with random weights."""
    torch.manual_seed(0)
    return find("models", family).load()(2, **options).eval()


def batch_of(rows: int, frames: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clips, targets and ratios."""
    return torch.rand(rows, 3, frames, size, size), torch.zeros(rows, dtype=torch.long), torch.full((rows,), 0.1)


def engine(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor], chosen: Settings, **options: int | Tensor) -> Tensor:
    """The engine's seed masks."""
    geometry = SmoothMax.of(*batch[0].shape[-2:])
    return optimise(model, *batch, chosen, Perturbation(chosen.perturbation), geometry, **options).seed_masks


def bare(model: nn.Module, clips: Tensor, targets: Tensor, iterations: int) -> None:
    """The passes through the model that an optimisation takes, and nothing else."""
    with frozen(model):
        with torch.no_grad():
            model(clips)
        with prepared(model, clips[:1]):
            for _ in range(iterations):
                leaf = clips.detach().requires_grad_()
                torch.autograd.grad(target_log_probability(model, leaf, targets).sum(), leaf)
        with torch.no_grad():
            model(clips)


def overheads() -> list[str]:
    """Engine over bare model, the same number of passes. Narrow models are those that an audit has trained, on its
    clips: how much of a mask is empty, and costs nothing, depends on them.
    """
    lines = ["| model and clip | engine (STEP) ÷ bare model |", "|---|---|"]
    for name, family, options, rows, frames, size, iterations, repeats in OVERHEADS:
        model, batch = model_of(family, options), batch_of(rows, frames, size)
        work = partial(engine, model, batch, settings("step", "corrected", "short", iterations))
        times = ratio(work, partial(bare, model, *batch[:2], iterations), repeats=repeats)
        lines.append(f"| {name}, `corrected` | {_text(*times)} |")
    for case in audits.cases(8):
        batch = case.clips, case.targets, torch.full((len(case.clips),), 0.1)
        passes = partial(bare, case.model, *batch[:2], NARROW_ITERATIONS)
        for preset in ("corrected", "matched"):
            work = partial(engine, case.model, batch, settings("step", preset, "short", NARROW_ITERATIONS))
            size = "×".join(map(str, case.clips.shape[2:]))
            lines.append(f"| {case.name}, narrow, {size}, `{preset}` | {_text(*ratio(work, passes, repeats=3))} |")
    return lines


def against_the_plain_form() -> list[str]:
    """Speed of the engine over that of `faithful`; both must give the same seed masks.

    Both start where no voxels tie: from all ones, rounding alone would choose among them. The released schedule is
    compressed, so that a short run has its phases: the mask is full, falls, and stays small.
    """
    lines = ["| trained narrow model, 4 clips, STEP as released (`paper`), 100 iterations | plain form ÷ engine |"]
    lines.append("|---|---|")
    for case in audits.cases(4):
        chosen = replace(settings("step", "paper", "paper", 100), learning_rate=0.5)
        difference = _difference(case, replace(chosen, iterations=3))
        if difference > 0.01:
            raise ArithmeticError(f"{case.name}: seed masks differ by {difference:.4f} from the plain form's")
        times = ratio(partial(_plain, case, chosen), partial(_engine, case, chosen), repeats=2)
        lines.append(f"| {case.name} | {_text(*times)} (after 3 iterations seed masks within {difference:.4f}) |")
    return lines


def _start(case: audits.Case) -> Tensor:
    """Seed masks to begin with, [N, T, h, w]."""
    shape = len(case.clips), case.clips.shape[2], *SmoothMax.of(*case.clips.shape[-2:]).grid
    return 1 - 0.1 * torch.rand(shape, generator=torch.Generator().manual_seed(0))


def _difference(case: audits.Case, chosen: Settings) -> float:
    return (_plain(case, chosen) - _engine(case, chosen)).abs().max().item()


def _plain(case: audits.Case, chosen: Settings) -> Tensor:
    geometry = SmoothMax.of(*case.clips.shape[-2:])
    rows = Perturbation(chosen.perturbation).levels(case.clips).unbind(1)
    targets = case.targets.tolist()
    with frozen(case.model) as model:
        masks = [
            faithful.optimise(model, row, target, 0.1, chosen, geometry, start)
            for row, target, start in zip(rows, targets, _start(case), strict=True)
        ]
    return torch.stack(masks)


def _engine(case: audits.Case, chosen: Settings) -> Tensor:
    batch = case.clips, case.targets, torch.full((len(case.clips),), 0.1)
    return engine(case.model, batch, chosen, start=_start(case))


def threads() -> list[str]:
    """Two processes of two threads over two processes of one, on as many cores as the machine has."""
    both = [partial(_side_by_side, count) for count in (2, 1)]
    times = ratio(*both, repeats=3)
    return [
        f"Two processes of two threads each take {_text(*times)} times as long as two of one thread each "
        f"({os.cpu_count()} cores)."
    ]


def _side_by_side(threads: int) -> None:
    """Two processes that optimise the demo's narrow model."""
    code = f"from benchmarks.iteration import optimise_narrow; optimise_narrow(4, 30, {threads})"
    for process in [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]:
        process.wait()


def optimise_narrow(rows: int, iterations: int, threads: int = 1) -> None:
    """For a process of its own."""
    torch.set_num_threads(threads)
    model = model_of("r2plus1d_18", NARROW["r2plus1d_18"])
    engine(model, batch_of(rows, 16, 48), settings("step", "corrected", "short", iterations), at_once=rows)


def growth() -> list[str]:
    """Exponents of time over rows, frames and pixels; memory per row."""
    model = model_of("r2plus1d_18", NARROW["r2plus1d_18"])
    chosen = settings("step", "corrected", "short", 4)
    series = {
        "rows 4, 8, 16": [(rows, batch_of(rows, 16, 48)) for rows in (4, 8, 16)],
        "frames 8, 16, 32": [(frames, batch_of(4, frames, 48)) for frames in (8, 16, 32)],
        "pixels 48², 80², 112²": [(size**2, batch_of(2, 16, size)) for size in (48, 80, 112)],
        "pixels 112², 160², 224², where neighbours grow from 49 to 121": [
            (size**2, batch_of(1, 16, size)) for size in (112, 160, 224)
        ],
    }
    lines = ["| what grows | exponent of the time (1 is linear) |", "|---|---|"]
    for name, cases in series.items():
        works = [partial(engine, model, batch, chosen) for _, batch in cases]
        times = [min(turns) for turns in seconds(*works, repeats=3)]
        lines.append(f"| {name} | {exponent([size for size, _ in cases], times):.2f} |")
    peaks = [_peak(rows, iterations) for rows, iterations in ((8, 4), (40, 4), (40, 24))]
    lines += [
        "",
        f"Memory at 16×48×48, all rows at once: {(peaks[1] - peaks[0]) / 32:.0f} MB a row; 24 iterations in place of 4 "
        f"add {peaks[2] - peaks[1]:.0f} MB to {peaks[1]:.0f}.",
    ]
    return lines


def _peak(rows: int, iterations: int) -> float:
    """Largest resident memory of a process that optimises so many rows, MB."""
    code = f"from benchmarks.iteration import print_peak; print_peak({rows}, {iterations})"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def print_peak(rows: int, iterations: int) -> None:
    """For a process of its own."""
    optimise_narrow(rows, iterations)
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}\n")


def _text(middle: float, least: float, greatest: float) -> str:
    return f"{middle:.2f} ({least:.2f}–{greatest:.2f})"
