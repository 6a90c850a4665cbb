"""The findings of an audit, in at most six sentences made from its numbers, each with its interval and its count.

A sentence claims no more than its interval, and says so where it is undecided. Unmeasured questions are left out, or
said to be not measured.
"""

from collections import Counter

from duckdb import DuckDBPyConnection

from stepaudit.audit.config import Config
from stepaudit.report.page.answer_texts import (
    blurred_finding,
    frame_orders_finding,
    guesses_finding,
    labels_finding,
    values_finding,
)
from stepaudit.report.page.conclusion_texts import (
    Conclusion,
    changes_finding,
    failures_finding,
    gains_finding,
    masks_finding,
)
from stepaudit.report.page.kind_texts import cues_finding, kinds_finding
from stepaudit.report.page.need_texts import need_pairs_finding, needs_finding
from stepaudit.store.database import records

MAX_SENTENCES = 6
TRAINED = "model not in (select model from controls)"
READ = (  # reports and views
    *("dataset_summary", "model_doubts", "model_overview", "accuracy_means", "validation_means"),
    *("controls", "needs", "need_comparisons", "label_precision", "value_errors", "time_use"),
    *(
        "kinds_of_clips",
        "class_cues",
        "method_gains",
        "mask_classes",
        "evidence",
        "sanity_randomisation",
        "failed_tests",
    ),
)
MODELS = """
    select model_overview.*, same_when_blurred_clips as blurred_clips,
        percent("right") as validation_percent, percent(right_low) as validation_percent_low
    from model_overview
    left join accuracy_means
        on model_overview.dataset = accuracy_means.dataset and model_overview.model = accuracy_means.model
    left join training_log
        on model_overview.dataset = training_log.dataset and model_overview.model = training_log.model and best
    left join validation_means as validated
        on training_log.dataset = validated.dataset and training_log.model = validated.model
        and training_log.epoch = validated.epoch
    order by model_overview.dataset, top1_percent nulls last, model_overview.model
"""
NEEDS = """
    select need_estimates.*, verdict, target, labelled
    from need_estimates
    join needs using (dataset, model, method, answers)
    join asked_answers using (dataset, answers)
    where method = $method
    order by dataset, model
"""
PAIRS = """
    select need_comparisons.* from need_comparisons
    join asked_answers using (dataset, answers)
    where method = $method
    order by holm_p nulls last, dataset, model, other_model
"""
GAINS = f"""
    select method_gains.*, use
    from method_gains
    join metric_roles using (metric)
    where use in ('mass_in_box', 'spatial_pointing', 'temporal_pointing') and {TRAINED}
    order by gain desc nulls last, dataset, model, method, ratio
"""
MASKS = f"""
    select class, count(*) as masks
    from mask_classes
    where metric = (select min(metric) from evidence)
        and method in (select name from methods where optimises_masks) and {TRAINED}
    group by all
"""
PLACE = f"""
    select count(inside) filter (class not in ('vacuous', 'insufficient')) as annotated,
        count(*) filter (class = 'focused' and more_inside) as more,
        avg(inside) filter (class = 'focused') as inside,
        avg(annotated) filter (class = 'focused') as marked
    from mask_classes
    where metric = (select min(metric) from evidence)
        and method in (select name from methods where optimises_masks) and {TRAINED}
"""
SHARES = f"""
    from evidence where metric = (select min(metric) from evidence) and {TRAINED}
    order by adversarial_percent desc nulls last, dataset, model, method, ratio
"""
CHANGES = """
    from sanity_randomisation where answer is not null and rank is not null
    order by rank desc nulls last, dataset, model, method, ratio
"""
FAILED = """
    select cause_status as status, cause_stage in ('clips', 'predictions') as before,
        count(distinct (dataset, clip_id)) as clips
    from failed_tests
    group by all
    order by before desc, clips desc, status
"""
LOST = """
    select count(distinct (dataset, clip_id)) filter (not in_part) as lost,
        count(distinct (dataset, clip_id)) filter (in_part) as partly
    from failed_tests
"""
ASKED = "select coalesce(sum(test_clips), 0)::bigint as asked from dataset_summary"
POINTING = {
    "mass_in_box": "put more of the map on the object",
    "spatial_pointing": "point at the object more often",
    "temporal_pointing": "find the moment of the action more often",
}


def conclusions(connection: DuckDBPyConnection, config: Config) -> list[Conclusion]:
    """The findings of an audit, at most `MAX_SENTENCES`, the most important first."""
    models = records(connection, MODELS)
    findings = [
        guesses_finding(models),
        labels_finding(records(connection, f"from label_precision where label is null and {TRAINED}")),
        values_finding(records(connection, f"from value_errors where {TRAINED}")),
        blurred_finding(models),
        _needs(connection, config),
        frame_orders_finding(records(connection, "from time_use")),
        kinds_finding(records(connection, "from kinds_of_clips")),
        cues_finding(records(connection, "from class_cues")),
        _pointing(connection, "mass_in_box") or _pointing(connection, "spatial_pointing"),
        _masks(connection),
        _sanity(connection),
        _pointing(connection, "temporal_pointing"),
    ]
    return [*[each for each in findings if each][: MAX_SENTENCES - 1], _failures(connection)]


def _needs(connection: DuckDBPyConnection, config: Config) -> Conclusion | None:
    asked = [name for name in config.methods if name in config.preserve.methods]
    if not asked:
        return None
    needs, pairs = (records(connection, sql, {"method": asked[0]}) for sql in (NEEDS, PAIRS))
    return need_pairs_finding(pairs, needs) if pairs else needs_finding(needs) if needs else None


def _pointing(connection: DuckDBPyConnection, use: str) -> Conclusion | None:
    rows = [row for row in records(connection, GAINS) if row["use"] == use and row["value"] is not None]
    return gains_finding(rows, POINTING[use]) if rows else None


def _masks(connection: DuckDBPyConnection) -> Conclusion | None:
    classes = Counter({row["class"]: row["masks"] for row in records(connection, MASKS)})
    place, shares = records(connection, PLACE)[0], records(connection, SHARES)
    return masks_finding(classes, place, shares) if classes.total() else None


def _sanity(connection: DuckDBPyConnection) -> Conclusion | None:
    rows = records(connection, CHANGES)
    return changes_finding(rows) if rows else None


def _failures(connection: DuckDBPyConnection) -> Conclusion:
    asked = records(connection, ASKED)[0]["asked"]
    return failures_finding(asked, **records(connection, LOST)[0], causes=records(connection, FAILED))
