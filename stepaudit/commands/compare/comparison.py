"""A whole comparison: everything that is measured of A and B on the same clips."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from stepaudit.commands.compare import failures, map_similarity, metrics, needs, predictions, ratios, sides
from stepaudit.commands.compare.pair import Pair, pair
from stepaudit.commands.compare.quantities import Quantity

NOT_DIFFERENCES = (
    *(
        "clips_compared",
        "clips_left_out",
        "newly_failed",
        "map_rank_correlation",
        "map_iou",
        "needs_more",
        "need_times",
    ),
)
PREDICTED = ("clip_id", "label", "a_probability", "b_probability", "a_rank", "b_rank", "a_answer", "b_answer")
SEARCHED = ("outcome", "a_ratio", "a_censored", "b_ratio", "b_censored")


@dataclass(frozen=True)
class Comparison:
    """Two sides and their differences.

    Args:
        pair: the sides, the clips, and the clips that are left out.
        notes: warnings, a sentence each.
        quantities: everything that was measured.
        clips: a row for each clip: both predictions, `searches` by "method bound", `likeness` by "method ratio".
        failures: rows that failed on one side only.
    """

    pair: Pair
    notes: list[str]
    quantities: list[Quantity]
    clips: list[dict]
    failures: list[dict]


@contextmanager
def compared(a: str, b: str, dataset: str | None = None) -> Iterator[Comparison]:
    """Compare two sides, whose databases stay open meanwhile.

    Args:
        a: the reference, `results/audit` or `results/audit:model`.
        b: the candidate; `:model` is of the same audit.
        dataset: by default the only one that both audits have.

    Raises:
        UsageError: a side or data set does not exist, or no clip is in both.
    """
    with sides.opened(a, b) as (first, second):
        yield _compare_pair(pair(first, second, dataset))


def _compare_pair(both: Pair) -> Comparison:
    predicted, failed = predictions.of_clips(both), failures.of_sides(both)
    alike = both.explained_alike()
    searches, similarities = ratios.of_clips(alike), map_similarity.of_clips(alike)
    identical, left_out = predictions.identical(predicted), sum(map(len, both.left_out.values()))
    quantities = [
        Quantity("clips_compared", value=len(both.clips), clips=len(both.clips)),
        Quantity("clips_left_out", value=left_out, clips=len(both.clips) + left_out),
        *failures.quantities(both, failed),
        *predictions.quantities(predicted),
        *needs.quantities(alike),
        *ratios.quantities(searches, identical=identical),
        *map_similarity.quantities(alike, similarities),
        *metrics.of_evidence(alike),
        *metrics.of_metrics(alike),
    ]
    notes = sides.notes(both.a, both.b) + [f"left out: {text}" for text in both.left_out_texts()]
    if others := len(both.clips) - len(alike.clips):
        notes.append(f"needs, maps and metrics leave out {others} clips that A and B explain for different classes")
    notes += [
        f"maps of '{method}' and their metrics leave out {len(clips)} clip{'s' * (len(clips) > 1)} on which they "
        "explain different classes in A and B"
        for method, clips in alike.maps_of_others.items()
        if clips and method in sides.methods(both.a, both.b)
    ]
    if identical:
        notes.append("A and B give exactly the same probabilities on every clip: they are taken to be one model")
        quantities = list(map(_certain_if_zero, quantities))
    return Comparison(both, notes, quantities, _clip_rows(predicted, searches, similarities), failed)


def _certain_if_zero(quantity: Quantity) -> Quantity:
    """A difference of 0 between two equal models without an interval: it is 0 on other clips, too."""
    is_difference = quantity.name not in NOT_DIFFERENCES
    return replace(quantity, lower=0.0, upper=0.0) if is_difference and quantity.value == 0 else quantity


def _clip_rows(
    predicted: Sequence[dict], searches: Mapping[tuple[str, str], Sequence[dict]], similarities: Sequence[dict]
) -> list[dict]:
    """Each clip's predictions, searches by method and bound, and similarity of maps by method and ratio."""
    clips = {
        row["clip_id"]: {**{key: row[key] for key in PREDICTED}, "searches": {}, "likeness": {}} for row in predicted
    }
    for of, rows in searches.items():
        for row in rows:
            if row["clip_id"] in clips:
                clips[row["clip_id"]]["searches"][" ".join(of)] = {key: row[key] for key in SEARCHED}
    for row in similarities:
        if row["clip_id"] in clips:
            clips[row["clip_id"]]["likeness"][" ".join(row["of"])] = {"rank": row["rank"], "iou": row["iou"]}
    return list(clips.values())
