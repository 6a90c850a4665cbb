"""Clips that failed on one side only."""

from collections.abc import Sequence

from stepaudit.commands.compare.metrics import words
from stepaudit.commands.compare.pair import Pair
from stepaudit.commands.compare.paired_means import number
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.commands.compare.sides import alike
from stepaudit.report.statistics.intervals import sign_test

# A method that does not suit the model is no failure, and neither is a row that only repeats an earlier one.
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
KEYS = ("clip_id", "stage", "of", "status", "error")


def of_sides(pair: Pair) -> list[dict]:
    """Failures of clips that failed on one side only, a row for each clip and stage, with `side`."""
    methods = alike(pair.a, pair.b, "methods")
    rows = {side: side.rows(FAILED, dataset=pair.dataset, methods=methods) for side in (pair.a, pair.b)}
    clips = {side: {row["clip_id"] for row in rows[side]} for side in rows}
    failures = []
    for side, other in ((pair.a, pair.b), (pair.b, pair.a)):
        for row in rows[side]:
            if row["clip_id"] in (pair.common & clips[side]) - clips[other]:
                row["of"] = " ".join(words(row["method"], row["ratio"])) if row["method"] else ""
                failures.append({"side": side.letter, **{key: row[key] for key in KEYS}})
    return failures


def quantities(pair: Pair, rows: Sequence[dict]) -> list[Quantity]:
    """Number of clips that failed in B alone, with the sign test against those that failed in A alone."""
    only_a, only_b = (len({row["clip_id"] for row in rows if row["side"] == side}) for side in "AB")
    p, clips = number(sign_test(only_a, only_b)), len(pair.common)
    return [Quantity("newly_failed", value=only_b, p=p, clips=clips, note=f"{only_a} failed in A alone")]
