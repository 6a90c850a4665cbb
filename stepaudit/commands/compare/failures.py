"""Clips that failed on one side only."""

from collections import defaultdict
from collections.abc import Sequence

from stepaudit.commands.compare import answers
from stepaudit.commands.compare.means import number
from stepaudit.commands.compare.pairing import Pair
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.commands.compare.scores import use
from stepaudit.commands.compare.sides import Side, alike

# A method that suits no such model is no failure, nor is what only repeats an earlier one.
FAILED = """
    select clip_id, 'clips' as stage, null as method, null as ratio, status, error
    from test_clips join models on models.name = $model and test_clips.size = models.size
    where dataset = $dataset and status != 'ok'
    union all
    select distinct clip_id, stage, method, ratio, status, error
    from outcomes
    where dataset = $dataset and model = $model and stage in ('predictions', 'maps', 'preservation')
        and status not in ('ok', 'upstream', 'not_applicable')
        and (method is null or list_contains($methods, method))
    order by all
"""
KNOWN = "select distinct clip_id from test_clips where dataset = $dataset"


def of_sides(pair: Pair) -> list[dict]:
    """What failed on one side only, a row for each clip and stage; `side` says on which."""
    known = _known(pair.a, pair.dataset) & _known(pair.b, pair.dataset)
    rows = {side.letter: _failed(side, pair) for side in (pair.a, pair.b)}
    found = []
    for letter, other in (("A", "B"), ("B", "A")):
        elsewhere = {row["clip_id"] for row in rows[other]}
        found += [{"side": letter, **row} for row in rows[letter] if row["clip_id"] in known - elsewhere]
    return found


def quantities(pair: Pair, rows: Sequence[dict]) -> list[Quantity]:
    """How many clips failed in B alone, with the sign test against those that failed in A alone."""
    clips = defaultdict(set)
    for row in rows:
        clips[row["side"]].add(row["clip_id"])
    only_a, only_b = len(clips["A"]), len(clips["B"])
    return [
        Quantity(
            "newly_failed",
            value=only_b,
            p=number(answers.sign_test(pair, only_a, only_b)),
            clips=len(_known(pair.a, pair.dataset) & _known(pair.b, pair.dataset)),
            note=f"{only_a} failed in A alone",
        )
    ]


def _known(side: Side, dataset: str) -> set[str]:
    return {row["clip_id"] for row in side.rows(KNOWN, dataset=dataset)}


def _failed(side: Side, pair: Pair) -> list[dict]:
    rows = side.rows(FAILED, dataset=pair.dataset, methods=alike(pair.a, pair.b, "methods"))
    return [
        {
            "clip_id": row["clip_id"],
            "stage": row["stage"],
            "of": " ".join(use(row["method"], row["ratio"])) if row["method"] else "",
            "status": row["status"],
            "error": row["error"],
        }
        for row in rows
    ]
