"""Price of the report of a large audit, over made-up tables of up to ten million scores (synthetic.py)."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import synthetic
from stepaudit.audit import config
from stepaudit.report import build_database, sql_files
from stepaudit.running import footprint
from stepaudit.stages import report
from stepaudit.store import database

CLIPS = (2_500, 25_000)  # test clips of each of two data sets: a tenth of a million maps, and a million
CLIPS_A_SHARD = 256
SLOWEST = 6
MASKS = {"ratios": [0.1], "options": {"preset": "corrected", "schedule": "fast"}}
AUDIT = {
    "audit": "large",
    "datasets": {"ucf101_24": {"root": "none"}, "epic_object": {"root": "none"}},
    "models": {"r2plus1d": {"use": "r2plus1d_18"}, "vgg16lstm": {"use": "vgg16_lstm"}},
    "methods": {
        **dict.fromkeys(("step", "ep3d", "ep3d_evenly"), MASKS),
        "smooth": {**MASKS, "use": "ep3d_gaussian"},
        **dict.fromkeys(
            ("grad_cam", "saliency_tubes", "excitation_backprop", "center", "random_pixel", "motion_energy")
        ),
    },
    "preserve": {"methods": ["ep3d"], "grid": [0.02, 0.05, 0.1, 0.2, 0.4], "bounds": ["sufficiency", "probability"]},
    "metrics": {
        "spatial_pointing": {"methods": ["step", "ep3d", "center"]},
        **dict.fromkeys(("temporal_pointing", "mass_in_box", "box_share", "kept_probability", "mass_in_segment")),
    },
}


def scale() -> list[str]:
    """Time, memory and size of each step, for an audit and one of ten times its size."""
    lines = [
        f"Two data sets, two models, ten methods, six metrics; {os.cpu_count()} cores that others use too, so that "
        "processor seconds say more than seconds. Memory is the most that the process held, libraries among it.",
        "",
        "| maps | scores | step | seconds | processor seconds | memory, MB | written |",
        "|---|---|---|---|---|---|---|",
    ]
    slowest: list[str] = []
    for clips in CLIPS:
        with TemporaryDirectory() as folder:
            audit = config.parse({**AUDIT, "results": folder, "shards": max(1, clips // CLIPS_A_SHARD)})
            synthetic.write(audit, clips)
            steps = {name: measured(audit.folder, name) for name in STEPS}
            size = " | ".join(f"{count:,}" for count in counts(audit.folder))
            lines += [f"| {size} | {name} | {_row(cost)} |" for name, cost in steps.items()]
            times = sorted(steps["queries"]["details"].items(), key=lambda item: -item[1])[:SLOWEST]
            slowest.append(", ".join(f"`{name}` {seconds:.1f}" for name, seconds in times))
    return [*lines, "", "The slowest queries, processor seconds:", "", *(f"- {text}" for text in slowest)]


def measured(folder: Path, step: str) -> dict:
    """Seconds, processor seconds, memory and details of a step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", str(folder), step], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def counts(folder: Path) -> list[int]:
    """Maps and scores of an audit's database."""
    return [database.query(folder, f"select count(*) from {table}")[1][0][0] for table in ("maps", "scores")]


def create(folder: Path) -> dict[str, float]:
    """Make the database. Returns its size, MB."""
    path = build_database.create(folder, config.load(folder / "config.yaml"))
    return {"audit.duckdb": path.stat().st_size / 1e6}


def queries(folder: Path) -> dict[str, float]:
    """Answer every question once. Returns the processor seconds of each."""
    times = {}
    with database.connect(folder, spills=True, small=True) as connection:
        for each in sql_files.all_reports():
            start = time.process_time()
            for _ in database.batches(connection, each.sql):
                pass
            times[each.name] = time.process_time() - start
    return times


def page(folder: Path) -> dict[str, float]:
    """Make the whole report. Returns the size of the page and of all CSV files, MB."""
    path = report.run(folder)
    tables = sum(file.stat().st_size for file in path.parent.glob("*.csv"))
    return {"index.html": path.stat().st_size / 1e6, "CSV": tables / 1e6}


STEPS: dict[str, Callable[[Path], dict[str, float]]] = {"database": create, "queries": queries, "report": page}


def _row(cost: dict) -> str:
    sizes = cost["details"].items() if len(cost["details"]) < SLOWEST else []
    written = ", ".join(f"{name} {size:.1f} MB" for name, size in sizes)
    return f"{cost['seconds']:.0f} | {cost['cpu']:.0f} | {cost['memory']:.0f} | {written}"


def main(folder: Path, step: str) -> None:
    """Print the price of a step as JSON."""
    start = time.monotonic()
    details = STEPS[step](folder)
    cost = {"seconds": time.monotonic() - start, "cpu": time.process_time(), "details": details}
    cost["memory"] = footprint.peak_mb()
    json.dump(cost, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
