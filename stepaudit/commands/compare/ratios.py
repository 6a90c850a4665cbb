"""Minimum preservation ratios of A and B on the same clips, with searches that end before the answer.

If the smallest mask already satisfies a search, a* lies between 0 and that mask's ratio; if the largest does not, it
lies between that ratio and 1. Such brackets make a quantity a bracket too; it has a value where both ends are equal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from stepaudit.commands.compare.pair import Pair
from stepaudit.commands.compare.paired_means import number
from stepaudit.commands.compare.quantities import RATIOS, Quantity
from stepaudit.commands.compare.sides import searched
from stepaudit.report.statistics.intervals import Array, sign_test, wilson
from stepaudit.report.statistics.medians import lower_median, median_difference_interval, median_interval

SEARCHES = "from preservation_times where dataset = $dataset and model = $model"
BOTH = """
    select clip_id, a.method, a.bound, a.ratio as a_ratio, a.censored as a_censored, b.ratio as b_ratio,
        b.censored as b_censored,
        case
            when a.upper <= b.lower then 'more'
            when a.lower >= b.upper then 'less'
            when a.censored is null and b.censored is null then 'same'
            else 'undecided'
        end as outcome
    from a join b using (clip_id, method, bound) order by clip_id
"""


def of_clips(pair: Pair) -> dict[tuple[str, str], list[dict]]:
    """Searches of both sides by method and bound, in the configuration's order, each with its `outcome` for B."""
    rows = pair.joined(SEARCHES, BOTH)
    bounds = [bound for bound in pair.a.config["preserve"]["bounds"] if bound != "sufficiency"]
    keys = [(method, bound) for method in searched(pair.a, pair.b) for bound in bounds]
    return {key: [row for row in rows if (row["method"], row["bound"]) == key] for key in keys}


def quantities(searches: dict[tuple[str, str], list[dict]], *, identical: bool) -> list[Quantity]:
    """Medians, paired differences and decided clips of each search.

    Args:
        searches: see `of_clips`.
        identical: A and B are one model, so that their a* are equal even where a search does not find it.
    """
    if not searches:
        reason = "no minimum preservation ratio was searched on both sides in the same way"
        return [Quantity(name, reason=reason) for name in RATIOS]
    of_search = [list(_quantities(of, rows, identical)) for of, rows in searches.items()]
    return [quantity for kind in zip(*of_search, strict=True) for quantity in kind]


def _quantities(of: tuple[str, str], rows: Sequence[dict], identical: bool) -> Iterator[Quantity]:
    """The quantities of one search, in the order of `RATIOS`."""
    if not rows:
        yield from (Quantity(name, of, reason="no clip was searched on both sides") for name in RATIOS)
        return
    ends = _bracket_ends(rows, identical)
    a_low, a_high, b_low, b_high = lower_median(ends.T)
    a, b = (number(low) if low == high else None for low, high in ((a_low, a_high), (b_low, b_high)))
    note = f"A {_range_text(a_low, a_high)}, B {_range_text(b_low, b_high)}"
    medians = _bracket(RATIOS[0], of, (b_low - a_high, b_high - a_low), median_difference_interval(ends), len(rows))
    yield replace(medians, a=a, b=b, note=note)
    low, high = ends[:, 2] - ends[:, 1], ends[:, 3] - ends[:, 0]
    yield _bracket(RATIOS[1], of, (lower_median(low), lower_median(high)), median_interval(low, high), len(rows))
    yield _share_needing_more(of, rows)


def _bracket_ends(rows: Sequence[dict], identical: bool) -> Array:
    """Lower and upper end of a* on each clip, A's and then B's, [N, 4]; equal where a search is not censored.

    Args:
        identical: of audits whose searches are equal row by row, where the searched ratio stands for both ends.
    """
    ends = []
    for side in "ab":
        ratios = np.array([row[f"{side}_ratio"] for row in rows], float)
        censored = np.array([None if identical else row[f"{side}_censored"] for row in rows])
        ends += [np.where(censored == "left", 0, ratios), np.where(censored == "right", 1, ratios)]
    return np.stack(ends, axis=1)


def _share_needing_more(of: tuple[str, str], rows: Sequence[dict]) -> Quantity:
    """Share of the decided clips on which B needs more, with Wilson's interval and the exact sign test."""
    counts = {name: sum(row["outcome"] == name for row in rows) for name in ("more", "less", "same", "undecided")}
    decided, note = counts["more"] + counts["less"], ", ".join(f"{count} {name}" for name, count in counts.items())
    if not decided:
        return Quantity(RATIOS[2], of, note=note, reason=f"the searches decide no clip ({note})")
    share, p = counts["more"] / decided, sign_test(counts["less"], counts["more"])
    lower, upper = (float(end) for end in wilson(np.array(share), np.array(decided)))
    return Quantity(RATIOS[2], of, number(share), number(lower), number(upper), p=number(p), clips=decided, note=note)


def _bracket(
    name: str, of: tuple[str, str], ends: tuple[Array, Array], interval: tuple[float, float], clips: int
) -> Quantity:
    """A quantity between two ends; its value is known if they are equal."""
    low, high = (round(float(end), 12) + 0.0 for end in ends)
    reason = None if low == high else f"the searches end before the median: it lies between {low:.3g} and {high:.3g}"
    value, (lower, upper) = low if low == high else None, map(number, interval)
    return Quantity(name, of, value, lower, upper, at_least=low, at_most=high, clips=clips, reason=reason)


def _range_text(low: float, high: float) -> str:
    if low == high:
        return f"{low:.3g}"
    return f"{high:.3g} or less" if low == 0 else f"more than {low:.3g}" if high == 1 else f"{low:.3g} to {high:.3g}"
