"""Runs the benchmarks and writes RESULTS.md: `python -m benchmarks`; `python -m benchmarks growth` runs a part."""

import platform
import sys
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks import calls, iteration

RESULTS = Path(__file__).with_name("RESULTS.md")
PARTS: dict[str, tuple[str, Callable[[], list[str]]]] = {
    "overheads": ("One iteration beside the bare model", iteration.overheads),
    "plain": ("The engine beside the plain form of the same objective", iteration.against_the_plain_form),
    "growth": ("Growth", iteration.growth),
    "schedules": ("Schedules, on the demo's trained models", calls.schedules),
    "searches": ("The search for the minimum preservation ratio, in the demo", calls.searches),
}


def main(names: list[str]) -> None:
    """Prints each part as it is done, and writes them all if none is named."""
    torch.set_num_threads(1)
    if unknown := set(names) - set(PARTS):
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    pages = []
    for name in names or PARTS:
        title, work = PARTS[name]
        known = work.__module__ != calls.__name__ or calls.demo_is_there()
        lines = work() if known else ["Not measured: run `make demo` first."]
        pages.append("\n".join([f"## {title}", "", *lines, ""]))
        sys.stdout.write(f"{pages[-1]}\n")
        sys.stdout.flush()
    if not names:
        RESULTS.write_text("\n".join([head(), *pages]))


def head() -> str:
    """What was measured where."""
    made = f"{date.today().isoformat()}, {platform.machine()}, one thread, Python {platform.python_version()}"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision"))
    return (
        f"# Benchmarks\n\n{made}, {libraries}; written by `make bench`.\n\n"
        "Every figure is a ratio of things that were timed in turns in one run: the median, and the least and the "
        "greatest turn in brackets. Seconds are left out on purpose.\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
