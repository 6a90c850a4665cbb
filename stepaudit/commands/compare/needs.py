"""Needs of B beside those of A, on the same clips."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stepaudit.commands.compare.pair import Pair
from stepaudit.commands.compare.paired_means import number
from stepaudit.commands.compare.quantities import NEEDS, Quantity
from stepaudit.commands.compare.sides import alike
from stepaudit.report.statistics import classes
from stepaudit.report.statistics.intervals import holm

NEEDED = (
    "select clip_id, method, label, vacuous, log2_ratio, search from clip_needs "
    "where dataset = $dataset and model = $model"
)
BOTH = """
    select clip_id, method, a.label, a.vacuous as a_vacuous, b.vacuous as b_vacuous, a.log2_ratio as a_octaves,
        b.log2_ratio as b_octaves, a.search as a_search, b.search as b_search
    from a join b using (clip_id, method) order by method, clip_id
"""


def quantities(pair: Pair) -> list[Quantity]:
    """`need_times` and `needless_increase` of each method that was searched alike on both sides."""
    names = _methods(pair)
    if not names:
        return []
    rows = pair.joined(NEEDED, BOTH)
    of_method = {name: [row for row in rows if row["method"] == name] for name in names}
    times = [_need_factor(name, some) for name, some in of_method.items()]
    corrected = holm(np.array([each.p for each in times], float))
    return [
        *(replace(each, holm_p=number(p)) for each, p in zip(times, corrected, strict=True)),
        *(_needless_share(name, some) for name, some in of_method.items()),
    ]


def _methods(pair: Pair) -> list[str]:
    """Methods whose searches may be compared."""
    searched = [side.config["preserve"] for side in (pair.a, pair.b)]
    if not all("sufficiency" in each["bounds"] for each in searched):
        return []
    same = alike(pair.a, pair.b, "methods")
    return [name for name in searched[0]["methods"] if name in searched[1]["methods"] and name in same]


def _need_factor(method: str, rows: Sequence[dict]) -> Quantity:
    """The geometric mean of B's need over A's, on clips that need something in both."""
    needed = [row for row in rows if not (row["a_vacuous"] or row["b_vacuous"])]
    if not needed:
        return Quantity(NEEDS[0], (method,), reason="no clip needs something in both")
    if any(row["a_search"] != row["b_search"] for row in needed):
        return Quantity(NEEDS[0], (method,), reason="searched in different ways, by gradient and by forward passes")
    a, b = (np.array([row[f"{side}_octaves"] for row in needed]) for side in "ab")
    labels = np.array([str(row["label"]) for row in needed])
    mean = classes.mean(b - a, labels)
    value, low, high = (None if end is None else number(2**end) for end in (mean.value, mean.low, mean.high))
    of_a, of_b = (number(2 ** octaves.mean()) for octaves in (a, b))
    return Quantity(NEEDS[0], (method,), value, low, high, of_a, of_b, p=mean.p, clips=len(needed))


def _needless_share(method: str, rows: Sequence[dict]) -> Quantity:
    """Share of the clips that need nothing, B less A."""
    if not rows:
        return Quantity(NEEDS[1], (method,), reason="no clip was searched on both sides")
    a, b = (np.array([row[f"{side}_vacuous"] for row in rows], float) for side in "ab")
    mean = classes.mean(b - a, np.array([str(row["label"]) for row in rows]))
    value, low, high = (None if end is None else number(end) for end in (mean.value, mean.low, mean.high))
    of_a, of_b = number(a.mean()), number(b.mean())
    return Quantity(NEEDS[1], (method,), value, low, high, of_a, of_b, p=mean.p, clips=len(rows))
