"""What A and B answer on the same clips: accuracy, what became wrong, the probability of the target."""

from collections.abc import Sequence
from dataclasses import replace

from stepaudit.commands.compare import means
from stepaudit.commands.compare.pairing import Pair
from stepaudit.commands.compare.quantities import Quantity

PREDICTIONS = """
    select clip_id, label, target_probability, rank, probabilities
    from predictions where dataset = $dataset and model = $model and status = 'ok'
"""
CLASSES = "select distinct target, label from segments where dataset = $dataset"
ANSWERED = """
    select clip_id, a.label, a.target_probability as a_probability, b.target_probability as b_probability,
        a.rank as a_rank, b.rank as b_rank, a.probabilities as a_probabilities, b.probabilities as b_probabilities
    from a join b using (clip_id) order by clip_id
"""


def of_clips(pair: Pair) -> list[dict]:
    """What both answer on each clip that both could be asked: probabilities, ranks, and each side's first answer."""
    rows = pair.joined(PREDICTIONS, ANSWERED)
    for letter, side in (("a", pair.a), ("b", pair.b)):
        classes = {row["target"]: row["label"] for row in side.rows(CLASSES, dataset=pair.dataset)}
        for row in rows:
            answers = row[f"{letter}_probabilities"]
            first = max(range(len(answers)), key=answers.__getitem__) if answers else None
            row[f"{letter}_answer"] = classes.get(first, first if first is None else f"class {first}")
    return rows


def identical(rows: Sequence[dict]) -> bool:
    """Whether both give each class of each clip exactly the same probability, as only one and the same model does."""
    pairs = [(row["a_probabilities"], row["b_probabilities"]) for row in rows]
    return bool(pairs) and all(one and one == other for one, other in pairs)


def quantities(pair: Pair, rows: Sequence[dict]) -> list[Quantity]:
    """Accuracy, newly wrong clips and the target's probability."""
    if not rows:
        reason = "no clip has a prediction of both"
        names = ("accuracy_increase", "newly_wrong", "target_probability_increase")
        return [Quantity(name, reason=reason) for name in names]
    return [_accuracy(pair, rows), _newly_wrong(rows), _probability(rows)]


def sign_test(pair: Pair, less: int, more: int) -> float:
    """Exact two-sided sign test, by the macro that the reports use."""
    return pair.a.rows("select sign_test($less, $more) as p", less=less, more=more)[0]["p"]


def right(row: dict, letter: str) -> bool:
    """Whether a side's first answer is the target."""
    return row[f"{letter}_rank"] == 1


def _accuracy(pair: Pair, rows: Sequence[dict]) -> Quantity:
    lost = sum(right(row, "a") and not right(row, "b") for row in rows)
    won = sum(right(row, "b") and not right(row, "a") for row in rows)
    cells = [(right(row, "a"), right(row, "b")) for row in rows]
    (found,) = means.quantities("accuracy_increase", _parts(rows, cells), least=-1, tested=False)
    return replace(found, p=means.number(sign_test(pair, lost, won)), note=f"{won} newly right, {lost} newly wrong")


def _newly_wrong(rows: Sequence[dict]) -> Quantity:
    asked = [row for row in rows if right(row, "a")]
    if not asked:
        return Quantity("newly_wrong", reason="A has no clip right")
    lost = [{"clip_id": row["clip_id"], "of": (), "part": not right(row, "b"), "whole": 1} for row in asked]
    return means.quantities("newly_wrong", lost, least=0, tested=False)[0]


def _probability(rows: Sequence[dict]) -> Quantity:
    cells = [(row["a_probability"], row["b_probability"]) for row in rows]
    return means.quantities("target_probability_increase", _parts(rows, cells), least=-1)[0]


def _parts(rows: Sequence[dict], values: Sequence[tuple[float, float]]) -> list[dict]:
    """Rows for `means` of a pair of values each."""
    return [
        {"clip_id": row["clip_id"], "of": (), "part": float(b) - float(a), "whole": 1, "a_part": float(a)}
        for row, (a, b) in zip(rows, values, strict=True)
    ]
