"""The demo audit on Slurm, cut down to two classes and few clips, with another model and three methods."""

import shutil
from pathlib import Path

from checkouts import Checkout
from cluster import ON_SLURM
from injections import FAULTS

LEFT_OUT = ("grad_cam", "motion_energy")
OPTIONS = "{preset: corrected, schedule: short, iterations: 40}"
SHORT = f"{{ratios: [0.05], batch_size: 2, options: {OPTIONS}}}"  # several batches of some seconds each
CLASSES = "[disc-horizontal, cross-vertical]"
MODEL = "{use: r2plus1d_18, options: {width: 6}, training: {epochs: 2, batch_size: 16, optimizer: adamw}}"
CUT = (
    f"datasets={{planted: {{options: {{classes: {CLASSES}, train_per_class: 10, test_per_class: 3}}}}}}",
    f"models={{max_over_time: false, mean_over_time: false, fixed_colours: false, r2plus1d: {MODEL}}}",
    f"methods={{{', '.join([f'{m}: {SHORT}' for m in FAULTS] + [f'{m}: false' for m in LEFT_OUT])}}}",
    "preserve={methods: [ep3d], bounds: [probability], grid: [0.1, 0.3]}",
)
AUDIT = (*ON_SLURM, "--config", *CUT)


def missing(checkout: Checkout, expected: Path, *patterns: str) -> None:
    """Puts the finished audit back into the checkout, without the folders of these names."""
    results = checkout.folder / "results/demo"
    shutil.rmtree(checkout.folder / ".snakemake/incomplete", ignore_errors=True)  # left by a test before
    shutil.rmtree(results)
    shutil.copytree(expected, results)
    for folder in [folder for pattern in patterns for folder in results.glob(pattern)]:
        shutil.rmtree(folder)


def explained(method: str) -> tuple[str, ...]:
    """Where everything lies that follows from a method."""
    return f"maps/*/*/method={method}", f"scores/*/*/method={method}", "report"
