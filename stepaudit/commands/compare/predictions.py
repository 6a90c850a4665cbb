"""Predictions of A and B on the same clips: accuracy, newly wrong clips, the probability of the target."""

from collections.abc import Sequence
from dataclasses import replace

from stepaudit.audit.requests import is_answered
from stepaudit.commands.compare.pair import Pair
from stepaudit.commands.compare.paired_means import number, paired_means
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.report.statistics.intervals import sign_test

PREDICTIONS = """
    with classes as (
        select target, max(label) as label from segments where dataset = $dataset and target is not null group by target
    ),
    first as (
        select *, nullif(list_position(probabilities, list_max(probabilities)), 0) - 1 as class
        from predictions where dataset = $dataset and model = $model and status = 'ok'
    )
    select clip_id, first.label, target_probability as probability, rank, probabilities,
        coalesce(predicted, classes.label, 'class ' || class) as answer
    from first left join classes on classes.target = class
"""
BOTH = """
    select clip_id, a.label, {columns}
    from a join b using (clip_id) order by clip_id
""".format(
    columns=", ".join(
        f"{side}.{name} as {side}_{name}"
        for name in ("probability", "rank", "answer", "probabilities")
        for side in "ab"
    )
)


def of_clips(pair: Pair) -> list[dict]:
    """The predictions of both sides for each clip that both have predicted: probabilities, ranks, predicted classes."""
    return pair.joined(PREDICTIONS, BOTH)


def identical(rows: Sequence[dict]) -> bool:
    """True if both give exactly the same probabilities on every clip, as only the same model does."""
    pairs = [(row["a_probabilities"], row["b_probabilities"]) for row in rows]
    return bool(pairs) and all(one and one == other for one, other in pairs)


def quantities(rows: Sequence[dict]) -> list[Quantity]:
    """Accuracy, newly wrong clips and the target's probability, B less A.

    Args:
        rows: of `of_clips`, a clip each; columns of the two sides begin with `a_` and `b_`.
    """
    labelled = [row for row in rows if row["label"] is not None]
    if not labelled:
        reason = "no clip has a label" if rows else "no clip has a prediction of both"
        names = ("accuracy_increase", "newly_wrong", "target_probability_increase")
        return [Quantity(name, reason=reason) for name in names]
    rows = labelled
    if any(row[f"{side}_rank"] is None for row in rows for side in "ab"):
        reason = "labels or values have no first place to be right on"
        undefined = [Quantity(name, reason=reason) for name in ("accuracy_increase", "newly_wrong")]
        return [*undefined, _probabilities(rows)]
    right = [(is_right(row, "a"), is_right(row, "b")) for row in rows]
    won, lost = right.count((False, True)), right.count((True, False))
    accuracy = _mean_difference("accuracy_increase", rows, right, tested=False)
    p = number(sign_test(lost, won))  # exact, where one clip is right or wrong
    was_right = [row for row in rows if is_right(row, "a")]
    wrong = [{"clip_id": row["clip_id"], "of": (), "part": not is_right(row, "b"), "whole": 1} for row in was_right]
    return [
        replace(accuracy, p=p, note=f"{won} newly right, {lost} newly wrong"),
        *(
            paired_means("newly_wrong", wrong, smallest_value=0, tested=False)
            or [Quantity("newly_wrong", reason="A has no clip right")]
        ),
        _probabilities(rows),
    ]


def _probabilities(rows: Sequence[dict]) -> Quantity:
    pairs = [(row["a_probability"], row["b_probability"]) for row in rows]
    return _mean_difference("target_probability_increase", rows, pairs)


def is_right(row: dict, side: str) -> bool:
    """True if no class is more probable than the target; of a label, if its probability is at least 0.5."""
    return is_answered(row[f"{side}_rank"], row[f"{side}_probability"])


def _mean_difference(
    name: str, rows: Sequence[dict], values: Sequence[tuple[float, float]], *, tested: bool = True
) -> Quantity:
    """The mean of B's value less A's over clips.

    Args:
        name: of the quantity.
        rows: of `of_clips`.
        values: of A and of B, for each row.
        tested: compute a p value against 0.
    """
    parts = [
        {"clip_id": row["clip_id"], "of": (), "part": float(b) - float(a), "whole": 1, "a_part": float(a)}
        for row, (a, b) in zip(rows, values, strict=True)
    ]
    return paired_means(name, parts, smallest_value=-1, tested=tested)[0]
