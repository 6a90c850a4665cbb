"""Metrics of A's and B's maps on the same frames of the same clips, and shares of masks that are no evidence."""

from collections.abc import Sequence

from stepaudit.commands.compare.pair import Pair
from stepaudit.commands.compare.paired_means import paired_means
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.commands.compare.sides import alike, methods

METRICS = "select metric, is_share from metric_roles where not is_constant"
MEASURED = """
    select metric, method, ratio, clip_id, frame, value, weight
    from measured_cells where dataset = $dataset and model = $model and metric = $metric
"""
SUMS = """
    select a.method, a.ratio, a.clip_id, sum(a.weight * (b.value - a.value)) as part, sum(a.weight) as whole,
        sum(a.weight * a.value) as a_part
    from a join b
        on a.clip_id = b.clip_id and a.method = b.method and a.ratio is not distinct from b.ratio
        and a.frame is not distinct from b.frame
    group by all
"""
CLASSES = """
    select method, ratio, clip_id,
        avg((class = 'adversarial')::int) filter (class not in ('vacuous', 'insufficient')) as adversarial,
        avg((class = 'vacuous')::int) as vacuous
    from mask_classes
    where dataset = $dataset and model = $model and class is not null
    group by all
"""
SHARES = """
    select a.method, a.ratio, a.clip_id, a.{kind} as a_part, b.{kind} - a.{kind} as part, 1 as whole
    from a join b on a.clip_id = b.clip_id and a.method = b.method and a.ratio is not distinct from b.ratio
    where part is not null
"""


def of_metrics(pair: Pair) -> list[Quantity]:
    """Mean difference of each metric for each method and ratio, except those that are equal for all maps of a clip."""
    is_share = {row["metric"]: row["is_share"] for row in pair.a.rows(METRICS)}
    quantities = []
    for metric in alike(pair.a, pair.b, "metrics"):
        if metric in is_share:
            rows = _comparable_rows(pair, pair.joined(MEASURED, SUMS, metric=metric), metric)
            quantities += paired_means("metric_increase", rows, smallest_value=-1 if is_share[metric] else None)
    return quantities


def of_evidence(pair: Pair) -> list[Quantity]:
    """Difference of the shares of adversarial and of vacuous masks."""
    return [
        quantity
        for kind in ("adversarial", "vacuous")
        for quantity in paired_means(
            f"{kind}_increase",
            _comparable_rows(pair, pair.joined(CLASSES, SHARES.format(kind=kind))),
            smallest_value=-1,
        )
    ]


def _comparable_rows(pair: Pair, rows: Sequence[dict], *before: str) -> list[dict]:
    """Rows of the methods that may be compared, in the configuration's order, with the words of their quantity."""
    names = methods(pair.a, pair.b)
    compared = [
        row | {"of": (*before, *words(row["method"], row["ratio"]))}
        for row in rows
        if row["method"] in names and row["clip_id"] not in pair.maps_of_others[row["method"]]
    ]
    return sorted(compared, key=lambda row: (names.index(row["method"]), row["ratio"] or 0, row["clip_id"]))


def words(method: str, ratio: float | None) -> tuple[str, ...]:
    """A method and a ratio as words of a quantity."""
    return (method, f"{ratio:g}") if ratio else (method,)
