"""Runs the benchmarks and writes RESULTS.md: `python -m benchmarks`; `python -m benchmarks growth` runs a part.

`python -m benchmarks gpu` is a run of its own, on a GPU (`benchmarks/gpu`).
"""

import platform
import sys
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

import benchmarks.gpu.__main__ as gpu
from benchmarks import (
    audits,
    classes,
    estimates,
    fewer_passes,
    iteration,
    known_order,
    precision,
    readings,
    real_network,
    real_schedules,
    scale,
    schedules,
    searches,
    white_boxes,
    whole_audits,
)

RESULTS = Path(__file__).with_name("RESULTS.md")
PARTS: dict[str, tuple[str, Callable[[], list[str]]]] = {
    "overheads": ("One iteration beside the bare model", iteration.overheads),
    "plain": ("The engine beside the plain form of the same objective", iteration.against_the_plain_form),
    "threads": ("Threads", iteration.threads),
    "growth": ("Growth", iteration.growth),
    "schedules": ("Schedules: passes through the model, and what the masks are worth", schedules.schedules),
    "real_schedules": ("Schedules on a pretrained network", real_schedules.real_schedules),
    "precision": ("bfloat16", precision.precision),
    "searches": ("The search for the minimum preservation ratio", searches.searches),
    "white_boxes": ("What a clip needs: white boxes", white_boxes.white_boxes),
    "passes": ("What a clip needs: fewer passes", fewer_passes.fewer_passes),
    "readings": ("What a clip needs: frames, tubes and pieces of white boxes", readings.readings),
    "real_network": ("What a clip needs: a pretrained network", real_network.real_network),
    "known_order": ("What a clip needs: models whose order is known", known_order.known_order),
    "processes": ("Jobs as forks of one process", whole_audits.processes),
    "audits": ("Growth of whole audits", whole_audits.growth),
    "classes": ("Intervals of what models need, with classes a level of their own", classes.coverage),
    "estimates": ("Planning: estimated and measured passes", estimates.estimates),
    "scale": ("Past one machine: the report of a million maps", scale.scale),
}


def main(names: list[str]) -> None:
    """Prints each part, and puts it in its place in RESULTS.md, as soon as it is done."""
    if names[:1] == ["gpu"]:
        gpu.main(names[1:])
        return
    torch.set_num_threads(1)
    if unknown := set(names) - set(PARTS):
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    for name in names or PARTS:
        title, work = PARTS[name]
        lines = work()
        if not lines:
            sys.stdout.write(f"{title}: not measured, its section stays. {audits.HOW}\n")
            continue
        section = "\n".join([f"## {title}", "", f"{made()}", "", *lines, ""])
        sys.stdout.write(f"{section}\n")
        sys.stdout.flush()
        write(title, section)


def write(title: str, section: str) -> None:
    """Update one section of RESULTS.md; its opening is written by hand."""
    opening, *parts = RESULTS.read_text().split("\n## ")
    sections = {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts} | {title: section}
    ordered = [sections[title] for title, _ in PARTS.values() if title in sections]
    RESULTS.write_text("\n".join([f"{opening.rstrip()}\n", *ordered]))


def made() -> str:
    """Date, machine and versions of a measurement."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision"))
    return f"{date.today().isoformat()}, {platform.machine()} CPU, one thread, {libraries}."


if __name__ == "__main__":
    main(sys.argv[1:])
