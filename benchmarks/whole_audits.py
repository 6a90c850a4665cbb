"""Processor time and memory of whole audits through Snakemake: how they grow, and what forked jobs save."""

import ctypes
import math
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import linear_regression, median
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from stepaudit.store import database

ROOT = Path(__file__).resolve().parents[1]
SUBREAPER = 36  # of Linux's prctl: orphaned descendants become this process's children, and their time is counted
TURNS = 3
CLASSES = ["cross-vertical", "disc-horizontal", "square-circular", "star-diagonal"]
MASKS = {"ratios": [0.05], "options": {"preset": "corrected", "schedule": "short", "iterations": 10}}
METHODS: dict[str, Any] = {"ep3d": MASKS, "grad_cam": None, "center": None, "random_pixel": None}
BASE = {"clips": 100, "frames": 8, "side": 24, "models": 1, "methods": 2}
GROWN = {
    "clips": (100, 300, 1000),
    "frames": (8, 16, 32),
    "side": (24, 48, 96),
    "models": (1, 2, 4),
    "methods": (1, 2, 4),
}
FORKED = "import snakemake.cli as cli; cli.main()"
PLAIN = f"import stepaudit.running.forked as forked; forked.start = lambda audit: None; {FORKED}"


def growth() -> list[str]:
    """Fitted exponents of the processor time and of the largest job's memory against each size of an audit."""
    first = ", ".join(f"{name} {size}" for name, size in BASE.items())
    lines = [
        "Whole audits from generated videos to the page, with next to no training and masks of ten iterations, so that",
        f"what is not the model's own pass shows. One size grows, the others stay: {first}.",
        "",
        "| what grows | processor seconds | exponent | largest job, MB | database and page, processor seconds |",
        "|---|---|---|---|---|",
    ]
    for name, sizes in GROWN.items():
        costs = [_cost({**BASE, name: size}) for size in sizes]
        seconds, memory, report = zip(*costs, strict=True)
        cells = [f"{name} {', '.join(map(str, sizes))}", _listed(seconds), f"{_exponent(sizes, seconds):.2f}"]
        lines.append("| " + " | ".join([*cells, _listed(memory), _listed(report)]) + " |")
    return lines


def processes() -> list[str]:
    """Processor time of one audit with jobs as forks of one process, as a share of that with jobs as processes."""
    ratios = []
    for _ in range(TURNS):
        one, other = (_cost({**BASE, "models": 2, "methods": 4}, program)[0] for program in (PLAIN, FORKED))
        ratios.append(other / one)
    return [
        f"The same audit, all processes counted, in turns: jobs that are forks of one process take "
        f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) of the processor time of jobs that start Python.",
    ]


def _cost(sizes: dict[str, int], program: str = FORKED) -> tuple[float, float, float]:
    """Processor seconds of an audit, megabytes of its largest job, and processor seconds of its report."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "audit.yaml").write_text(yaml.safe_dump(_audit(sizes)))
        workflow = [sys.executable, "-c", program, "--snakefile", str(ROOT / "Snakefile"), "--configfile", "audit.yaml"]
        with _seconds_of_children() as seconds:
            subprocess.run([*workflow, "--cores", "1", "--quiet", "all"], cwd=folder, check=True)
        results = Path(folder) / "results" / "grown"
        sql = "select max(peak_memory_mb) from runs"
        memory = database.query(results, sql)[1][0][0]
        with _seconds_of_children() as report:
            subprocess.run([sys.executable, "-m", "stepaudit.cli", "report", results], check=True, capture_output=True)
        return seconds[0], memory, report[0]


def _audit(sizes: dict[str, int]) -> dict:
    clips, side = sizes["clips"], sizes["side"]
    training = {"epochs": 1, "batch_size": 8, "optimizer": "adamw", "learning_rate": 0.002}
    model = {"use": "pooled_frames", "options": {"pooling": "mean", "width": 4}, "training": training}
    return {
        "audit": "grown",
        "clips": {"frames": sizes["frames"], "height": side, "width": side, "random_views": 1},
        "datasets": {
            "planted": {
                "root": "planted",
                "options": {
                    "classes": CLASSES,
                    "train_per_class": 2,
                    "test_per_class": math.ceil(clips / len(CLASSES)),
                    "object_size": 0.4,
                    "broken": False,
                },
            }
        },
        "models": {f"model_{number}": model for number in range(sizes["models"])},
        "methods": dict(list(METHODS.items())[: sizes["methods"]]),
        "metrics": dict.fromkeys(("mass_in_box", "box_share")),
    }


@contextmanager
def _seconds_of_children() -> Iterator[list[float]]:
    """Processor seconds of all descendants that started within, those that nobody waited for among them."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    seconds: list[float] = []
    before = _spent()
    yield seconds
    with suppress(ChildProcessError):
        while True:
            os.wait()
    seconds.append(_spent() - before)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of the line through log size and log cost, least squares."""
    return linear_regression(*([math.log(value) for value in values] for values in (sizes, costs))).slope


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.0f}" for value in values)
