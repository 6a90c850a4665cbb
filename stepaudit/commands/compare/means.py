"""Paired means over clips: differences, or agreements, with intervals that respect clips and tests by clip."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stepaudit.commands.compare.quantities import Quantity
from stepaudit.report.statistics import cells
from stepaudit.report.statistics.intervals import Array, holm, ratio_intervals, sign_flip_test

Key = tuple[str, ...]


def quantities(name: str, rows: Sequence[dict], *, least: int | None, tested: bool = True) -> list[Quantity]:
    """A quantity for each `of` of the rows, in the order in which they come; Holm's correction is over all of them.

    Args:
        name: of the quantities.
        rows: of each clip and each `of` (a tuple of words): `clip_id`, `part` (sum of the values), `whole` (how many,
            or their weights), and if there is one `a_part` (sum of A's values).
        least: the least a value can be, 0 or -1, if its greatest is 1; None if that is not known.
        tested: whether 0 is what chance alone would give.
    """
    names = list(dict.fromkeys(row["of"] for row in rows))
    parts, wholes, of_a = _matrices(rows, names)
    found: list[Quantity | None] = [None] * len(names)
    for columns in cells.alike(wholes > 0):
        clips = wholes[:, columns[0]] > 0
        chosen = np.ix_(clips, columns)
        intervals = ratio_intervals(parts[chosen], wholes[chosen], least=least)
        p = sign_flip_test(parts[chosen]) if tested else np.full(len(columns), np.nan)
        means = of_a[chosen].sum(axis=0) / wholes[chosen].sum(axis=0)
        each = zip(intervals.value, intervals.low, intervals.high, means, p, strict=True)
        for column, (value, low, high, mean, chance) in zip(columns, each, strict=True):
            found[column] = Quantity(
                name,
                names[column],
                value=number(value),
                lower=number(low),
                upper=number(high),
                a=number(mean),
                b=number(mean + value),
                p=number(chance),
                clips=int(clips.sum()),
            )
    return _corrected(found)


def number(value: float) -> float | None:
    """A number without the last digits, which are rounding; None for NaN."""
    return None if np.isnan(value) else round(float(value), 12) + 0.0


def _matrices(rows: Sequence[dict], names: Sequence[Key]) -> tuple[Array, Array, Array]:
    """Parts, wholes and A's parts [N, k] of N clips; 0 where a clip was not measured."""
    column = {name: index for index, name in enumerate(names)}
    line = {clip: index for index, clip in enumerate(dict.fromkeys(row["clip_id"] for row in rows))}
    parts, wholes, of_a = np.zeros((3, len(line), len(names)))
    of_a[:] = np.nan if not any("a_part" in row for row in rows) else 0
    for row in rows:
        place = line[row["clip_id"]], column[row["of"]]
        parts[place], wholes[place] = row["part"], row["whole"]
        if "a_part" in row:
            of_a[place] = row["a_part"]
    return parts, wholes, of_a


def _corrected(found: Sequence[Quantity]) -> list[Quantity]:
    p = holm(np.array([np.nan if each.p is None else each.p for each in found]))
    return [replace(each, holm_p=number(value)) for each, value in zip(found, p, strict=True)]
