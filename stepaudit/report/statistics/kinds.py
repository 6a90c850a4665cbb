"""Tables of kinds of clips: which properties go with outcomes within classes, and which tell a class.

Videos (or groups of them) are the sampling unit, for clips of one video are alike. Outcomes are compared within each
class, so that nothing follows from classes that differ in both.
"""

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa

from stepaudit.report.statistics.associations import midranks, p_value
from stepaudit.report.statistics.intervals import DRAWS, Array, holm, ratio_intervals
from stepaudit.report.statistics.kind_tables import CUES, KINDS, TABLES
from stepaudit.store.database import records
from stepaudit.store.schema import Table

MADE = {table.name for table in TABLES}
READ = ("clip_outcomes", "clip_properties")  # views

LOWER = {"wrong": 0, "need": None, "off_object": -1}  # of each outcome, see `ratio_intervals`
PROPERTIES = (
    *("brightness", "contrast", "motion", "cuts", "frozen_frames", "borders", "still_edges", "box_share"),
    *("length", "source_pixels"),
)
CUE_PROPERTIES = {
    "frozen_frames": 0,
    "borders": 0,
    "still_edges": 0,
    "source_pixels": None,
}  # of no action; their smallest values
CONFOUNDED = ("box_share", "off_object")  # the box is part of the measure
DRAWS_A_QUESTION = 50  # so that Holm's correction of many questions can still reject

Clips = dict[str, np.ndarray]


def make(connection: duckdb.DuckDBPyConnection) -> list[tuple[Table, pa.Table]]:
    """`KINDS` and `CUES`, each with its rows, from the views of `reports/_views_properties.sql`."""
    made = {KINDS: list(_kind_rows(connection)), CUES: list(_cue_rows(connection))}
    return [(table, pa.Table.from_pylist(_corrected(rows), _schema(table))) for table, rows in made.items()]


def _schema(table: Table) -> pa.Schema:
    return pa.schema([(column.name, column.type) for column in table.columns])


def _kind_rows(connection: duckdb.DuckDBPyConnection) -> Iterator[dict]:
    """Rows of `kind_estimates`: each outcome with each property of clips, for each model."""
    places = records(connection, "select distinct dataset, model from clip_outcomes order by all")
    draws = _draws_for(len(places) * len(LOWER) * len(PROPERTIES))
    for place in places:
        sql = "from clip_outcomes where dataset = $dataset and model = $model order by clip_id"
        clips = _columns(connection, sql, place)
        pairs = [(outcome, name) for outcome in LOWER for name in PROPERTIES if (name, outcome) != CONFOUNDED]
        for outcome, name in pairs:
            if row := _kind(clips, name, outcome, draws):
                yield {**place, "outcome": outcome, "property": name, **row}


def _kind(clips: Clips, name: str, outcome: str, draws: int) -> dict | None:
    """Outcomes of videos with less and with more of a property than most of their class; None if none differ."""
    values, outcomes, wholes, labels = _videos(clips, name, outcome)
    places = midranks(values, labels)
    halves = {"less": places < 0.5, "more": places > 0.5}
    if not all(half.any() for half in halves.values()):
        return None
    row = {"clips": int(wholes.sum()), "videos": len(values)}
    for half, chosen in halves.items():
        row |= _mean(half, outcomes[chosen], wholes[chosen], LOWER[outcome])
    return row | {"p": p_value(values, outcomes / wholes, labels, draws=draws)}


def _cue_rows(connection: duckdb.DuckDBPyConnection) -> Iterator[dict]:
    """Rows of `cue_estimates`: each property that may tell a class."""
    labelled = "from clip_properties where label is not null"
    for place in records(connection, f"select distinct dataset {labelled} order by all"):
        sql = f"{labelled} and dataset = $dataset order by clip_id"
        clips = _columns(connection, sql, place)
        is_shared = len(np.unique(clips["stretch"])) < len(clips["stretch"])
        draws = _draws_for(len(np.unique(clips["label"])) * len(CUE_PROPERTIES))
        for name, smallest_value in CUE_PROPERTIES.items():
            values, _, wholes, labels = _videos(clips, name, name)
            if len(np.unique(midranks(values, np.zeros(len(values))))) > 1:
                for label in np.unique(labels):
                    if is_shared:
                        values, _, wholes, labels = _videos(_without_further_labels(clips, label), name, name)
                    yield {
                        **place,
                        "property": name,
                        **_class_cue(values, wholes, labels, label, smallest_value, draws),
                    }


def _class_cue(
    values: Array, wholes: Array, labels: np.ndarray, label: str, smallest_value: int | None, draws: int
) -> dict:
    """Separation of one class from the others by a property: ROC AUC over videos, and its mean on either side."""
    own, one_group = labels == label, np.zeros(len(values))
    count, others = own.sum(), (~own).sum()
    u = len(values) * midranks(values, one_group)[own].sum() - count**2 / 2  # Mann–Whitney U
    return {
        "label": label,
        "clips": int(wholes[own].sum()),
        "videos": int(count),
        **_mean("own", (values * wholes)[own], wholes[own], smallest_value),
        **_mean("others", (values * wholes)[~own], wholes[~own], smallest_value),
        "auc": u / (count * others) if others else None,
        "p": p_value(values, own.astype(float), one_group, draws=draws),
    }


def _without_further_labels(clips: Clips, label: str) -> Clips:
    """Clips without the rows for further labels of those that have this label."""
    own = clips["label"] == label
    chosen = own | ~np.isin(clips["stretch"], clips["stretch"][own])
    return {name: column[chosen] for name, column in clips.items()}


def _videos(clips: Clips, name: str, outcome: str) -> tuple[Array, Array, Array, np.ndarray]:
    """Mean of a property, sum of an outcome, number of clips, and class, of each video of a class; known ones only."""
    known = np.isfinite(clips[name]) & np.isfinite(clips[outcome])
    labels, numbers = clips["label"], clips["number"][known]
    each, first = np.unique(numbers, return_index=True)
    wholes = np.bincount(numbers).astype(float)
    values, parts = (np.bincount(numbers, clips[key][known]) for key in (name, outcome))
    return values[each] / wholes[each], parts[each].astype(float), wholes[each], labels[known][first]


def _mean(name: str, parts: Array, wholes: Array, smallest_value: int | None) -> dict:
    """Columns of a mean over clips and its 95 % interval, resampled by video; None where they are not known."""
    mean = ratio_intervals(parts[:, None], wholes[:, None], smallest_value=smallest_value)
    ends = {"": mean.value, "_low": mean.low, "_high": mean.high}
    return {name + end: float(value[0]) if np.isfinite(value[0]) else None for end, value in ends.items()}


def _columns(connection: duckdb.DuckDBPyConnection, sql: str, keys: dict) -> Clips:
    """Columns of a query, NaN for missing numbers; and the number of each clip's video within its class."""
    columns = connection.execute(sql, keys).fetchnumpy()
    numbers = {key: np.ma.filled(columns[key].astype(float), np.nan) for key in (*PROPERTIES, *LOWER) if key in columns}
    label, video = (np.ma.filled(columns[key], "").astype(str) for key in ("label", "video"))
    codes = [np.unique(names, return_inverse=True)[1] for names in (label, video)]
    of_video = codes[0] * (codes[1].max(initial=0) + 1) + codes[1]
    places = {"label": label, "stretch": np.asarray(columns["stretch"])}
    return numbers | places | {"number": np.unique(of_video, return_inverse=True)[1]}


def _draws_for(questions: int) -> int:
    return max(DRAWS, DRAWS_A_QUESTION * questions)


def _corrected(rows: list[dict]) -> list[dict]:
    """Rows with Holm's correction over all; no p value where there is none."""
    adjusted = holm(np.array([row["p"] for row in rows], float))
    known = [None if np.isnan(p) else float(p) for p in adjusted]
    return [{**row, "p": row["p"] if p is not None else None, "holm_p": p} for row, p in zip(rows, known, strict=True)]
