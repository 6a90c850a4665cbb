"""How little A and B need of the same clips: minimum preservation ratios, with searches that end before the answer.

Of a search that the smallest mask already satisfies, a* is known to lie between 0 and that mask's ratio; of one that
the largest does not satisfy, between its ratio and 1. What follows from such brackets is a bracket, too: where its two
ends are equal a quantity has a value, and else it is told between what it lies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stepaudit.commands.compare import answers
from stepaudit.commands.compare.means import number
from stepaudit.commands.compare.pairing import Pair
from stepaudit.commands.compare.quantities import FIRST_COUNTS, Quantity
from stepaudit.commands.compare.sides import searched
from stepaudit.report.statistics.intervals import RESAMPLES, Array, wilson

SEARCHES = "from preservation_times where dataset = $dataset and model = $model"
BOTH = """
    select clip_id, a.method, a.bound, a.ratio as a_ratio, a.censored as a_censored, a.lower as a_lower,
        a.upper as a_upper, b.ratio as b_ratio, b.censored as b_censored, b.lower as b_lower, b.upper as b_upper
    from a join b using (clip_id, method, bound) order by clip_id
"""
FEWEST = 6  # clips, for an interval of a median
BLOCK = 2_000_000  # numbers of a batch of resamples


@dataclass(frozen=True)
class Brackets:
    """Between what a* lies for each of N clips: [N] of A and of B, `low` and `high` equal where it is known."""

    a_low: Array
    a_high: Array
    b_low: Array
    b_high: Array


def of_clips(pair: Pair) -> dict[tuple[str, str], list[dict]]:
    """Searches of both sides by method and bound, in the configuration's order, each with its `outcome`; maybe none."""
    rows = [row | {"outcome": outcome(row)} for row in pair.joined(SEARCHES, BOTH)]
    bounds = pair.a.config["preserve"]["bounds"]
    wanted = [(method, bound) for method in searched(pair.a, pair.b) for bound in bounds]
    return {name: [row for row in rows if (row["method"], row["bound"]) == name] for name in wanted}


def outcome(row: dict) -> str:
    """Whether B needs 'more' or 'less' of a clip, the 'same' as far as the search tells, or it is 'undecided'."""
    if row["a_upper"] <= row["b_lower"]:
        return "more"
    if row["a_lower"] >= row["b_upper"]:
        return "less"
    return "same" if row["a_censored"] is None and row["b_censored"] is None else "undecided"


def quantities(pair: Pair, searches: dict[tuple[str, str], list[dict]], *, identical: bool) -> list[Quantity]:
    """Medians, paired differences and decided clips of each search.

    Args:
        searches: see `of_clips`.
        identical: whether A and B are one model, whose a* are equal although searches do not find them.
    """
    if not searches:
        reason = "no minimum preservation ratio was searched on both sides in the same way"
        return [Quantity(name, reason=reason) for name in FIRST_COUNTS]
    found = [list(_of_search(pair, of, rows, identical)) for of, rows in searches.items()]
    return [quantity for kind in zip(*found, strict=True) for quantity in kind]


def _of_search(pair: Pair, of: tuple[str, str], rows: Sequence[dict], identical: bool) -> Iterator[Quantity]:
    if not rows:
        yield from (Quantity(name, of, reason="no clip was searched on both sides") for name in FIRST_COUNTS)
        return
    brackets = _brackets(rows, identical)
    yield _medians(of, rows, brackets)
    yield _paired(of, brackets)
    yield _decided(pair, of, rows)


def _brackets(rows: Sequence[dict], identical: bool) -> Brackets:
    ends = []
    for letter in "ab":
        ratio = np.array([row[f"{letter}_ratio"] for row in rows], float)
        kinds = [None if identical else row[f"{letter}_censored"] for row in rows]
        ends.append(np.where([kind == "left" for kind in kinds], 0, ratio))
        ends.append(np.where([kind == "right" for kind in kinds], 1, ratio))
    return Brackets(*ends)


def _medians(of: tuple[str, str], rows: Sequence[dict], brackets: Brackets) -> Quantity:
    """B's median less A's, with the interval of the bootstrap's percentiles over clips."""
    ends = np.stack([brackets.a_low, brackets.a_high, brackets.b_low, brackets.b_high], axis=1)
    a_low, a_high, b_low, b_high = median(ends.T)
    lower, upper = bootstrap(ends)
    return _bracketed(
        Quantity(
            "median_ratio_increase",
            of,
            lower=lower,
            upper=upper,
            a=number(a_low) if a_low == a_high else None,
            b=number(b_low) if b_low == b_high else None,
            clips=len(rows),
            note=f"A {_between(a_low, a_high)}, B {_between(b_low, b_high)}",
        ),
        b_low - a_high,
        b_high - a_low,
    )


def _paired(of: tuple[str, str], brackets: Brackets) -> Quantity:
    """Median of the clips' differences, with the exact interval of order statistics."""
    low, high = brackets.b_low - brackets.a_high, brackets.b_high - brackets.a_low
    drop = dropped(len(low))
    ends = (np.sort(low)[drop - 1], np.sort(high)[-drop]) if drop else (np.nan, np.nan)
    return _bracketed(
        Quantity("paired_ratio_increase", of, lower=number(ends[0]), upper=number(ends[1]), clips=len(low)),
        median(low),
        median(high),
    )


def _decided(pair: Pair, of: tuple[str, str], rows: Sequence[dict]) -> Quantity:
    """On which share of the decided clips B needs more, with Wilson's interval and the exact sign test."""
    counts = {name: sum(row["outcome"] == name for row in rows) for name in ("more", "less", "same", "undecided")}
    decided = counts["more"] + counts["less"]
    note = ", ".join(f"{count} {name}" for name, count in counts.items())
    if not decided:
        return Quantity("needs_more", of, note=note, reason=f"the searches decide no clip ({note})")
    share = counts["more"] / decided
    low, high = wilson(np.array(share), np.array(decided))
    return Quantity(
        "needs_more",
        of,
        value=number(share),
        lower=number(low),
        upper=number(high),
        p=number(answers.sign_test(pair, counts["less"], counts["more"])),
        clips=decided,
        note=note,
    )


def median(values: Array) -> Array:
    """Median over the last axis, the lower of the two in the middle, as the reports take it."""
    return np.sort(values, axis=-1)[..., (values.shape[-1] - 1) // 2]


def bootstrap(ends: Array, *, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float | None, float | None]:
    """95 % interval of B's median less A's: percentiles over resampled clips; of brackets, from end to end.

    Args:
        ends: [N, 4], A's low and high end and B's for N clips.
    """
    clips = len(ends)
    if clips < FEWEST:
        return None, None
    random = np.random.default_rng(seed)
    lows, highs = [], []
    for batch in np.array_split(np.arange(resamples), max(1, resamples * clips // BLOCK)):
        drawn = ends[random.integers(0, clips, (len(batch), clips))]
        a_low, a_high, b_low, b_high = np.moveaxis(median(np.moveaxis(drawn, 1, -1)), -1, 0)
        lows.append(b_low - a_high)
        highs.append(b_high - a_low)
    rank = int(0.025 * (resamples + 1))
    return number(np.sort(np.concatenate(lows))[rank - 1]), number(np.sort(np.concatenate(highs))[-rank])


def dropped(clips: int) -> int:
    """Which smallest, and which greatest, of so many values bound their median in 95 % of samples; 0 if none does."""
    ways, total, count, limit = 1, 0, 0, 2**clips // 40  # of all 2^N ways in which N clips lie beside their median
    while total + ways <= limit:
        total += ways
        ways = ways * (clips - count) // (count + 1)
        count += 1
    return count


def _bracketed(quantity: Quantity, low: float, high: float) -> Quantity:
    low, high = number(low), number(high)
    ends = {"at_least": low, "at_most": high}
    reason = None if low == high else f"the searches end before the median: it lies between {low:.3g} and {high:.3g}"
    return replace(quantity, value=low if low == high else None, reason=reason, **ends)


def _between(low: float, high: float) -> str:
    if low == high:
        return f"{low:.3g}"
    return f"{high:.3g} or less" if low == 0 else f"more than {low:.3g}" if high == 1 else f"{low:.3g} to {high:.3g}"
