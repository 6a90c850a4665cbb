"""Paired means over clips, of differences or agreements, with intervals over clips and tests by clip."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stepaudit.commands.compare.quantities import Quantity
from stepaudit.report.statistics import cells
from stepaudit.report.statistics.intervals import holm, ratio_intervals, sign_flip_test

EMPTY = {"part": 0, "whole": 0, "a_part": 0}


def paired_means(name: str, rows: Sequence[dict], *, smallest_value: int | None, tested: bool = True) -> list[Quantity]:
    """A quantity for each `of` of the rows, in their order, with Holm's correction over all of them.

    Args:
        name: of the quantities.
        rows: one for each clip and `of` (a tuple of words): `clip_id`, `part` (sum of the values), `whole` (their
            number or weight) and perhaps `a_part` (sum of A's values).
        smallest_value: 0 or -1, if the greatest is 1; None if that is not known.
        tested: compute p values against 0.
    """
    names = list(dict.fromkeys(row["of"] for row in rows))
    sums = _sums(names, rows)
    quantities: dict[int, Quantity] = {}
    for columns in cells.alike(sums["whole"] > 0):
        measured = sums["whole"][:, columns[0]] > 0
        chosen = {key: values[np.ix_(measured, columns)] for key, values in sums.items()}
        for column, numbers in zip(columns, _means(chosen, smallest_value, tested), strict=True):
            quantities[column] = Quantity(name, names[column], **numbers, clips=int(measured.sum()))
    ordered = [quantities[column] for column in range(len(names))]
    corrected = holm(np.array([each.p for each in ordered], float))
    return [replace(each, holm_p=number(p)) for each, p in zip(ordered, corrected, strict=True)]


def _sums(names: Sequence[tuple[str, ...]], rows: Sequence[dict]) -> dict[str, np.ndarray]:
    """`part`, `whole` and `a_part` as [clips, names]: 0 without a row, NaN where a row does not have the value."""
    row_of = {(row["clip_id"], row["of"]): row for row in rows}
    clips = list(dict.fromkeys(row["clip_id"] for row in rows))
    return {
        key: np.array([[row_of.get((clip, of), EMPTY).get(key, np.nan) for of in names] for clip in clips], float)
        for key in EMPTY
    }


def _means(sums: dict[str, np.ndarray], smallest_value: int | None, tested: bool) -> Iterator[dict[str, Any]]:
    """Fields of the quantity of each column."""
    parts, wholes = sums["part"], sums["whole"]
    intervals = ratio_intervals(parts, wholes, smallest_value=smallest_value)
    p = sign_flip_test(parts) if tested else np.full(parts.shape[1], np.nan)
    a = sums["a_part"].sum(axis=0) / wholes.sum(axis=0)
    b = a + intervals.value
    columns = {"value": intervals.value, "lower": intervals.low, "upper": intervals.high, "a": a, "b": b, "p": p}
    for numbers in zip(*columns.values(), strict=True):
        yield dict(zip(columns, map(number, numbers), strict=True))


def number(value: float | np.floating) -> float | None:
    """A number rounded to 12 decimals; None for NaN."""
    return None if np.isnan(value) else round(float(value), 12) + 0.0
