"""Paired means over clips, of differences or agreements, with intervals over clips and tests by clip."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stepaudit.commands.compare.quantities import Quantity
from stepaudit.report.statistics import cells
from stepaudit.report.statistics.intervals import holm, ratio_intervals, sign_flip_test

EMPTY = {"part": 0, "whole": 0, "a_part": 0}


def paired_means(name: str, rows: Sequence[dict], *, least: int | None, tested: bool = True) -> list[Quantity]:
    """A quantity for each `of` of the rows, in their order, with Holm's correction over all of them.

    Args:
        name: of the quantities.
        rows: one for each clip and `of` (a tuple of words): `clip_id`, `part` (sum of the values), `whole` (their
            number or weight) and perhaps `a_part` (sum of A's values).
        least: smallest possible value, 0 or -1, if the greatest is 1; None if that is not known.
        tested: compute p values against 0.
    """
    names, clips = (list(dict.fromkeys(row[key] for row in rows)) for key in ("of", "clip_id"))
    row_of = {(row["clip_id"], row["of"]): row for row in rows}
    parts, wholes, of_a = (
        np.array([row_of.get((clip, of), EMPTY).get(key, np.nan) for clip in clips for of in names], float).reshape(
            len(clips), len(names)
        )
        for key in EMPTY
    )
    quantities: dict[int, Quantity] = {}
    for columns in cells.alike(wholes > 0):
        measured = wholes[:, columns[0]] > 0
        chosen = np.ix_(measured, columns)
        intervals = ratio_intervals(parts[chosen], wholes[chosen], least=least)
        p = sign_flip_test(parts[chosen]) if tested else np.full(len(columns), np.nan)
        means = of_a[chosen].sum(axis=0) / wholes[chosen].sum(axis=0)
        results = (intervals.value, intervals.low, intervals.high, means, means + intervals.value, p)
        for column, numbers in zip(columns, zip(*results, strict=True), strict=True):
            value, lower, upper, a, b, chance = map(number, numbers)
            count = int(measured.sum())
            quantities[column] = Quantity(name, names[column], value, lower, upper, a, b, p=chance, clips=count)
    ordered = [quantities[column] for column in range(len(names))]
    corrected = holm(np.array([each.p for each in ordered], float))
    return [replace(each, holm_p=number(p)) for each, p in zip(ordered, corrected, strict=True)]


def number(value: float | np.floating) -> float | None:
    """A number rounded to 12 decimals; None for NaN."""
    return None if np.isnan(value) else round(float(value), 12) + 0.0
