"""Table `label_estimates`: how well models with a sigmoid for each label find the clips that have it."""

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa

from stepaudit.report.statistics import precision
from stepaudit.report.statistics.precision import Precision
from stepaudit.store.database import records
from stepaudit.store.schema import DATASET, FLOAT, INT, MODEL, TEXT, Column, Table

ESTIMATES = Table(
    "label_estimates",
    "dataset × model × label: average precision of a model with a sigmoid for each label",
    (
        DATASET,
        MODEL,
        Column("label", TEXT, "Name of the label; NULL: the mean over labels."),
        Column("clips", INT, "Stretches of test video that were asked."),
        Column("own_clips", INT, "Those with the label; with any of them for the mean."),
        Column("videos", INT, "Videos, or groups of them, that these come from."),
        Column("precision", FLOAT, "Average precision; NULL if no clip has the label."),
        Column("precision_low", FLOAT, "Lower end of its 95 % interval."),
        Column("precision_high", FLOAT, "Its upper end."),
        Column("by_chance", FLOAT, "Share of the clips with the label: the precision of a random order."),
    ),
    3,
    (),
)
MADE = {ESTIMATES.name}
READ = ("label_answers",)  # views


def make(connection: duckdb.DuckDBPyConnection) -> list[tuple[Table, pa.Table]]:
    """The table with its rows, from the view `label_answers`."""
    schema = pa.schema([(column.name, column.type) for column in ESTIMATES.columns])
    return [(ESTIMATES, pa.Table.from_pylist(list(_rows(connection)), schema))]


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[dict]:
    """Rows of `label_estimates`: average precision of each label, and its mean."""
    for place in records(connection, "select distinct dataset, model from label_answers order by all"):
        sql = "from label_answers where dataset = $dataset and model = $model order by label, video, probability"
        columns = connection.execute(sql, place).fetchnumpy()
        names, videos = (np.ma.filled(columns[key], "").astype(str) for key in ("label", "video"))
        probability, is_there = np.asarray(columns["probability"], float), np.asarray(columns["is_there"], bool)
        made: list[Precision] = []
        rows = []
        for name in np.unique(names):
            own = names == name
            made.append(precision.of_label(probability[own], is_there[own], videos[own]))
            rows.append(_row(name, made[-1], is_there[own], videos[own]))
        counted = [row["by_chance"] for row in rows if row["precision"] is not None]
        clips = len(names) // len(rows)
        whole = {"clips": clips, "own_clips": clips, "videos": len(np.unique(videos))}
        chance = {"by_chance": float(np.mean(counted)) if counted else None}
        yield from (
            {**place, **row} for row in ({"label": None, **whole, **_ends(precision.mean(made)), **chance}, *rows)
        )


def _row(label: str, estimate: Precision, is_there: np.ndarray, videos: np.ndarray) -> dict:
    return {
        "label": label,
        "clips": len(is_there),
        "own_clips": int(is_there.sum()),
        "videos": len(np.unique(videos[is_there])),
        **_ends(estimate),
        "by_chance": float(is_there.mean()),
    }


def _ends(estimate: Precision) -> dict:
    return {"precision": estimate.value, "precision_low": estimate.low, "precision_high": estimate.high}
