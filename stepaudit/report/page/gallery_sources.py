"""Rows of the gallery from an audit's database: clips by rule, their maps, boxes and predictions, and failures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from duckdb import DuckDBPyConnection

from stepaudit.store.database import records

RATIO = 0.1  # as in the figures of Li et al. 2021
MAX_CLIPS = 12  # clips of a rule
MAX_FAILURES = 60
# Rules that findings name, too.
SMALLEST, MEDIAN, WRONG = "smallest ratio", "median need", "gets wrong"
BACKGROUND, ADVERSARIAL, CLASS = "follows the background", "adversarial", "class"


@dataclass(frozen=True)
class Rule:
    """A rule that chooses clips: its name in `gallery_choices`, its texts on the page, and the clips of each place."""

    name: str
    title: str
    sentence: str
    each: int

    @property
    def group(self) -> str:
        """The name of its place on the page."""
        return "gallery-" + self.name.replace(" ", "-")


RULES = (
    Rule(
        SMALLEST,
        "The least that is needed",
        "Of each model the clips of which it needs least. With the paper's bound, left-censored clips, for which even "
        "the smallest mask suffices, all tie; of those, the ones to whose target the model gives the greatest "
        "probability.",
        2,
    ),
    Rule(
        MEDIAN,
        "The clip with the median need",
        "Of each model, of the clips that count in the table of needs.",
        1,
    ),
    Rule(
        "largest ratio",
        "The most that is needed",
        "Of each model the clips of which it needs most. With the paper's bound, right-censored clips, for which not "
        "even the largest mask suffices, all tie; of those, the ones to whose target the model gives the greatest "
        "probability.",
        2,
    ),
    Rule(
        WRONG,
        "What a model gets wrong, and is most sure of",
        "Of each model the clips with a wrong answer of which it is most sure. The maps explain the class that they "
        "name: the annotated one, unless the audit has `target: predicted`.",
        3,
    ),
    Rule(
        BACKGROUND,
        "Where a map lies beside the object",
        "Of each model the clips of which least of the map lies on the boxes, compared with an even map. Optimised "
        "masks are asked first.",
        2,
    ),
    Rule(
        ADVERSARIAL,
        "Masks that keep least where they were not optimised",
        "Of each model the masks that keep the target where they were optimised and least of its probability "
        "elsewhere: cut to 0 and 1, moved by a little, or with another fill. Masks of class “adversarial” come first; "
        "all others survive.",
        2,
    ),
    Rule(
        "ratios differ",
        "Where models differ most in what they need",
        "The clips with the greatest difference between what two models need, as far as it is certain: what censoring "
        "and the brackets of the search hide is not counted.",
        3,
    ),
    Rule(
        "pointing differs",
        "Where models differ most in where they look",
        "The clips with the greatest difference between two models in the share of annotated frames in which the peak "
        "of the same method's map falls on the box.",
        3,
    ),
    Rule(CLASS, "Clips by class", "The first test clip (by name) of each class of which one could be cut.", 12),
    Rule("no label", "Clips without a label", "The first test clips (by name) that have no label.", 12),
)
ORDER = "place, dataset, clip_id, model"
CHOICES = f"from gallery_choices where place <= $place order by {ORDER}"
CHOSEN = "clip_id in (select unnest($clip_ids))"
CLIPS = f"from test_clips where status = 'ok' and {CHOSEN} order by height * width, size"
MAPS = f"""
    select maps.*, models.size, is_floor from maps
    join models on maps.model = models.name
    join methods on maps.method = methods.name
    join method_roles using (method)
    where {CHOSEN} and model not in (select model from controls)
    order by models.rowid, is_floor, methods.rowid, ratio, seed
"""
NEEDS = f"""
    select preservation.*, models.size, false as is_floor, 1.0 as kept_probability
    from preservation
    join models on model = models.name
    join methods on method = methods.name
    join audit on method = config ->> '$.preserve.methods[0]'
    where {CHOSEN} and bound = 'sufficiency' and asked_class != 'runner_up' and coalesce(seed, seeds[1]) = seeds[1]
        and shown_ratio is not null and model not in (select model from controls)
    order by models.rowid
"""
BOXES = f"""
    select clip_boxes.* from clip_boxes
    join segments using (dataset, clip_id, label)
    where view = 'middle' and {CHOSEN}
"""
SEARCHES = f"from gallery_searches where {CHOSEN}"
PREDICTIONS = f"from predictions where {CHOSEN} and model not in (select model from controls)"
NAMES = "select distinct dataset, target, label from segments where target is not null"
# Reasons that apply to every clip alike come last, since the table of failures has them in a line.
FAILURES = """
    with causes as (
        select stage, dataset, clip_id, label, model, method, status, error, count(*) as rows
        from failed
        left join segments using (dataset, clip_id)
        where status != 'upstream'
        group by all
    )
    select *, count(*) over () as failures
    from causes
    order by status in ('not_applicable', 'no_annotation', 'no_peak'),
        list_position(['clips', 'predictions', 'maps', 'preservation', 'scores'], stage),
        dataset, clip_id, model, method, status, error
    limit $most
"""


class Sources:
    """Rows of the chosen clips, by (data set, clip)."""

    def __init__(self, connection: DuckDBPyConnection, choices: Sequence[dict]):
        values = {"clip_ids": sorted({choice["clip_id"] for choice in choices})}
        self.clips, self.maps, self.needs, self.boxes, self.predictions, self.searches = (
            by_clip(records(connection, sql, values)) for sql in (CLIPS, MAPS, NEEDS, BOXES, PREDICTIONS, SEARCHES)
        )
        self.names = {(row["dataset"], row["target"]): row["label"] for row in records(connection, NAMES)}


def choices(connection: DuckDBPyConnection) -> list[dict]:
    """Rows of `gallery_choices` in the order of the rules; at most `MAX_CLIPS` of each."""
    rows = records(connection, CHOICES, {"place": max(rule.each for rule in RULES)})
    return [
        row
        for rule in RULES
        for row in [row for row in rows if row["rule"] == rule.name and row["place"] <= rule.each][:MAX_CLIPS]
    ]


def failures(connection: DuckDBPyConnection) -> tuple[list[dict], int]:
    """Failures by clip, model, method and reason, at most `MAX_FAILURES`, and their total number."""
    rows = records(connection, FAILURES, {"most": MAX_FAILURES})
    return rows, rows[0]["failures"] if rows else 0


def shown_maps(rows: Iterable[dict], choices: Sequence[dict]) -> list[dict]:
    """The maps to show for each model and method, without repeats.

    Those nearest to the chosen (ratio, seed), or to `RATIO` where no choice names one.

    Args:
        rows: of `maps`, those of one clip, in the order of models and methods.
        choices: of the same clip; a method without a model counts for every model.
    """
    result = []
    for (model, method), group in groupby(rows, itemgetter("model", "method")):
        maps = list(group)
        chosen = [each for each in choices if each["method"] == method and each["model"] in (model, None)]
        keys = [(each["ratio"], each["seed"]) for each in chosen if each["ratio"] is not None] or [(RATIO, None)]
        nearest = [_nearest(maps, *key) for key in keys]
        result += [row for index, row in enumerate(nearest) if row not in nearest[:index]]
    return result


def key_of(row: dict) -> tuple[str, str]:
    """The key of a clip: data set and name."""
    return row["dataset"], row["clip_id"]


def _nearest(maps: Sequence[dict], ratio: float, seed: int | None) -> dict:
    """The map with the nearest ratio; ties go to the smaller ratio, then the given seed, then the smallest seed."""
    return min(
        maps,
        key=lambda row: (abs((row["ratio"] or 0) - ratio), row["ratio"] or 0, row["seed"] != seed, row["seed"]),
    )


def by_clip(rows: Iterable[dict]) -> dict[tuple[str, str], list[dict]]:
    """Rows by data set and clip; the order of the rows stays."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        groups.setdefault(key_of(row), []).append(row)
    return groups
