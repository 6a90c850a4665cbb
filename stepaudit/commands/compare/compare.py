"""A whole comparison: everything that is measured of A and B on the same clips."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from stepaudit.commands.compare import answers, failures, likeness, pairing, ratios, scores, sides
from stepaudit.commands.compare.pairing import Pair
from stepaudit.commands.compare.quantities import Quantity

NOT_DIFFERENCES = ("clips_compared", "clips_left_out", "newly_failed", "map_rank_correlation", "map_iou", "needs_more")


@dataclass(frozen=True)
class Comparison:
    """What was compared, and how it differs.

    Args:
        pair: the sides, the clips, and which clips are left out.
        notes: what a reader must know before the numbers, a sentence each.
        quantities: everything that was measured.
        clips: a row for each clip: both answers, `searches` by "method bound", `likeness` by "method ratio".
        failures: what failed on one side only.
    """

    pair: Pair
    notes: list[str]
    quantities: list[Quantity]
    clips: list[dict]
    failures: list[dict]


@contextmanager
def compared(a: str, b: str, dataset: str | None = None) -> Iterator[Comparison]:
    """Compares two sides, whose databases are open meanwhile.

    Args:
        a: the reference, `results/audit` or `results/audit:model`.
        b: the candidate; `:model` is of the same audit.
        dataset: by default the only one that both audits have.

    Raises:
        UsageError: what is named is not there, or has no clip in common.
    """
    with sides.opened(a, b) as (first, second):
        yield _compare(pairing.pair(first, second, dataset))


def _compare(pair: Pair) -> Comparison:
    rows = answers.of_clips(pair)
    identical = answers.identical(rows)
    searches, likenesses, failed = ratios.of_clips(pair), likeness.of_clips(pair), failures.of_sides(pair)
    measured = [
        *_counts(pair),
        *failures.quantities(pair, failed),
        *answers.quantities(pair, rows),
        *ratios.quantities(pair, searches, identical=identical),
        *likeness.quantities(pair, likenesses),
        *scores.of_evidence(pair),
        *scores.of_metrics(pair),
    ]
    notes = sides.notes(pair.a, pair.b) + [f"left out: {text}" for text in pairing.told(pair.left_out)]
    if identical:
        notes.append("A and B give exactly the same probabilities on every clip: they are taken to be one model")
        measured = [_exact(each) for each in measured]
    return Comparison(pair, notes, measured, _clips(rows, searches, likenesses), failed)


def _counts(pair: Pair) -> list[Quantity]:
    left_out = sum(map(len, pair.left_out.values()))
    return [
        Quantity("clips_compared", value=len(pair.clips), clips=len(pair.clips)),
        Quantity("clips_left_out", value=left_out, clips=len(pair.clips) + left_out),
    ]


def _exact(quantity: Quantity) -> Quantity:
    """Of one and the same model: what does not differ does not differ on other clips either."""
    if quantity.name in NOT_DIFFERENCES or quantity.value != 0:
        return quantity
    return replace(quantity, lower=0.0, upper=0.0)


def _clips(rows: list[dict], searches: dict[tuple[str, str], list[dict]], likenesses: list[dict]) -> list[dict]:
    """What is known of each clip, on one row."""
    known = ("clip_id", "label", "a_probability", "b_probability", "a_rank", "b_rank", "a_answer", "b_answer")
    found = {row["clip_id"]: {name: row[name] for name in known} | {"searches": {}, "likeness": {}} for row in rows}
    for of, searched in searches.items():
        for row in searched:
            if row["clip_id"] in found:
                names = ("outcome", "a_ratio", "a_censored", "b_ratio", "b_censored")
                found[row["clip_id"]]["searches"][" ".join(of)] = {name: row[name] for name in names}
    for row in likenesses:
        if row["clip_id"] in found:
            found[row["clip_id"]]["likeness"][" ".join(row["of"])] = {"rank": row["rank"], "iou": row["iou"]}
    return list(found.values())
