"""What metrics measure of A's and B's maps on the same frames of the same clips, and how many masks are no evidence."""

from collections.abc import Sequence

from stepaudit.commands.compare import means
from stepaudit.commands.compare.pairing import Pair
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
    order by all
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
    select method, ratio, clip_id, a.{kind} as a_part, b.{kind} - a.{kind} as part, 1 as whole
    from (select * replace (coalesce(ratio, 0) as ratio) from a) as a
    join (select * replace (coalesce(ratio, 0) as ratio) from b) as b using (clip_id, method, ratio)
    where part is not null
    order by all
"""


def of_metrics(pair: Pair) -> list[Quantity]:
    """The mean difference of each metric for each method and ratio, but for what all maps of a clip share."""
    wanted = methods(pair.a, pair.b)
    shares = {row["metric"]: row["is_share"] for row in pair.a.rows(METRICS)}
    found = []
    for metric in alike(pair.a, pair.b, "metrics"):
        if metric in shares:
            rows = pair.joined(MEASURED, SUMS, metric=metric)
            rows = _named([row for row in rows if row["method"] in wanted], wanted, metric)
            found += means.quantities("metric_increase", rows, least=-1 if shares[metric] else None)
    return found


def of_evidence(pair: Pair) -> list[Quantity]:
    """How much more often B's masks are adversarial, or vacuous."""
    wanted = methods(pair.a, pair.b)
    found = []
    for kind in ("adversarial", "vacuous"):
        rows = pair.joined(CLASSES, SHARES.format(kind=kind))
        rows = _named([row for row in rows if row["method"] in wanted], wanted)
        found += means.quantities(f"{kind}_increase", rows, least=-1)
    return found


def _named(rows: Sequence[dict], methods: Sequence[str], *before: str) -> list[dict]:
    """The rows with what each is `of`, methods in the configuration's order."""
    ordered = sorted(rows, key=lambda row: (methods.index(row["method"]), row["ratio"] or 0, row["clip_id"]))
    return [row | {"of": (*before, *use(row["method"], row["ratio"]))} for row in ordered]


def use(method: str, ratio: float | None) -> tuple[str, ...]:
    """A method and a ratio as words."""
    return (method, f"{ratio:g}") if ratio else (method,)
