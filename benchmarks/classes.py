"""Intervals over clips whose classes go together: what they cover, how wide they are, what differences they find."""

import numpy as np

from stepaudit.report.statistics import classes
from stepaudit.report.statistics.intervals import Array, students_t

SAMPLES = 1000
COUNTS, BETWEEN, CLIPS = (2, 4, 10, 24), (0.0, 0.5, 1.0), (5, 21)
TRUE_SD, START_SD = 0.6, 0.35  # octaves: of a clip's difference between two models, of one start of its search
ENOUGH = 0.8  # power


def coverage() -> list[str]:
    """Share of samples whose interval holds the mean, beside Student's over clips and over the classes' means."""
    lines = [
        f"{SAMPLES} samples; {CLIPS[0]} to {CLIPS[1] - 1} clips a class, spread within classes 1. Percent of the 95 % "
        "intervals that hold the mean of all classes, in brackets the median half width. What is left to 100 is how "
        "often two models that need the same are called different.",
        "",
        "| classes | spread between | ours | Student's t over clips | Student's t over classes |",
        "|---|---|---|---|---|",
    ]
    for count in COUNTS:
        for between in BETWEEN:
            found = np.array([_sample(count, between, seed) for seed in range(SAMPLES)])
            cells = [f"{100 * held.mean():.0f} ({np.median(half):.2f})" for held, half in np.moveaxis(found, 0, -1)]
            lines.append(f"| {count} | {between:g} | {' | '.join(cells)} |")
    return [*lines, "", *_power()]


def _sample(count: int, between: float, seed: int) -> Array:
    """Coverage of 0 and half width of each of three intervals, [3, 2]."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(count), random.integers(*CLIPS, count))
    values = random.normal(size=len(labels)) + between * random.normal(size=count)[labels]
    means = np.bincount(labels, values) / np.bincount(labels)
    ours = classes.mean(values, labels)
    halves = [(ours.high or 0) - (ours.value or 0), *(_students(each) for each in (values, means))]
    centres = [values.mean(), values.mean(), means.mean()]
    return np.array([[abs(centre) <= half, half] for centre, half in zip(centres, halves, strict=True)])


def _students(values: Array) -> float:
    return students_t(len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))


def _power() -> list[str]:
    """Least true difference of two models that is found in 80 % of samples."""
    spread = np.hypot(TRUE_SD, np.sqrt(2) * START_SD)
    lines = [
        f"Two models on the same clips of ten classes; a clip's true difference spreads by {TRUE_SD} octaves, each "
        f"start adds {START_SD} ({spread:.2f} in all). The difference that {100 * ENOUGH:.0f} % of {SAMPLES} samples "
        "find, as times as much (octaves):",
        "",
        "| clips | classes alike | spread between classes 0.5 of that within |",
        "|---|---|---|",
    ]
    for clips in (20, 50, 200):
        octaves = [_found(clips, spread, between) for between in (0.0, 0.5)]
        lines.append(f"| {clips} | " + " | ".join(f"{2**each:.2f} ({each:.2f})" for each in octaves) + " |")
    return lines


def _found(clips: int, spread: float, between: float) -> float:
    """A sample finds a difference δ if its mean and δ exceed its margin, which δ does not change."""
    needed = []
    for seed in range(SAMPLES):
        random = np.random.default_rng(seed)
        labels = np.arange(clips) % 10
        values = spread * (random.normal(size=clips) + between * random.normal(size=10)[labels])
        found = classes.mean(values, labels)
        needed.append((found.high or 0) - 2 * values.mean())
    return float(np.quantile(needed, ENOUGH))
