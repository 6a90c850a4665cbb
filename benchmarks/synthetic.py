"""Audits of any size, real schemas and made-up numbers (synthetic.sql), to measure what storage and reports cost.

Only the first clips, which the report shows, hold pixels and grids; all others have just the light columns.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import duckdb
import pyarrow as pa

from stepaudit.audit import config as configuration
from stepaudit.audit.config import Config
from stepaudit.audit.jobs import Job
from stepaudit.store import tables
from stepaudit.store.schema import TABLES

SQL = Path(__file__).with_suffix(".sql")
PICTURED = 6  # clips with pixels and grids
FILLS = ("blur", "other_blur", "fade", "freeze", "noise")
SURVIVAL = (
    *("clip", "rival_clip", "shift", "random", "outside", "rival", "inside", "annotated"),
    *(f"{kind}.{fill}" for kind, fill in product(("empty", "soft", "hard"), FILLS)),
    *(f"{kind}.peer" for kind in ("peer", "peer_empty", "peer_clip", "peer_rival")),
)
CURVES = tuple(
    f"{way}.{fill}.tubelets.{point}"
    for way, fill, point in product(
        ("deletion", "insertion", "random"), ("blur", "fade", "freeze"), ("auc", "0", "0.1", "0.5", "0.9", "1")
    )
)
PARTS = {"mask_survival": SURVIVAL, "deletion_insertion": CURVES}
PER_FRAME = {"spatial_pointing", "spatial_pointing_released", "box_auc", "box_iou"}
HITS = {"spatial_pointing", "spatial_pointing_released", "temporal_pointing"}
OF_BOXES = {*PER_FRAME, "mass_in_box", "box_share"}
OF_ACTION = {"temporal_pointing", "mass_in_segment", "segment_auc"}
UNSUITABLE = {"vgg16_lstm": ["saliency_tubes"], "r2plus1d_18": ["excitation_backprop"]}


def write(audit: Config, clips: int) -> None:
    """Writes the tables of an audit of so many test clips a data set, in the configuration's shards."""
    configuration.save(audit, audit.folder / "config.yaml")
    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}) as connection:
        for name, rows in _inputs(audit, clips).items():
            connection.register("given", pa.Table.from_pylist(rows))
            connection.execute(f"create table {name} as from given")
        connection.execute(SQL.read_text())
        for table in TABLES:
            for place in _places(audit, table):
                _write(connection, audit, table, place)


def _inputs(audit: Config, clips: int) -> dict[str, list[dict]]:
    """Tables that the SQL reads."""
    return {
        "asked": [{"dataset": name, "clips": clips, "pictured": PICTURED} for name in audit.datasets],
        "sizes": [
            {"size": name, "frames": size.frames, "height": size.height, "width": size.width}
            for name, size in audit.sizes.items()
        ],
        "models": [
            {"model": name, "use": entry.use, "unsuitable": UNSUITABLE.get(entry.use, [""])}
            for name, entry in audit.models.items()
        ],
        "uses": [
            {"method": name, "ratio": ratio, "seed": seed, "skill": len(name) / 10 - 1, "is_mask": bool(entry.ratios)}
            | {"options": tables.as_json(entry.options)}
            for name, entry in audit.methods.items()
            for ratio, seed in product(entry.ratios or [None], entry.seeds)
        ],
        "bounds": [
            {"bound": bound, "asked_class": asked, "methods": audit.preserve.methods}
            for bound, asked in audit.preserve.questions
        ],
        "rows_of_metrics": [row for name in audit.metrics for row in _rows_of(audit, name)],
    }


def _rows_of(audit: Config, metric: str) -> Iterator[dict]:
    """Rows of a metric for a map: its parts, and the kind of map (sound, failed) that has them."""
    entry = audit.metrics[metric]
    needs = "boxes" if entry.use in OF_BOXES else "action" if entry.use in OF_ACTION else "nothing"
    common = {"metric": metric, "methods": entry.methods, "needs": needs, "is_hit": entry.use in HITS}
    if entry.use in PARTS:
        yield from ({**common, "part": part, "frame": None, "when_failed": False} for part in PARTS[entry.use])
        yield {**common, "part": None, "frame": None, "when_failed": True}
    else:
        frames = range(audit.clips.frames) if entry.use in PER_FRAME else [None]
        yield from ({**common, "part": None, "frame": frame, "when_failed": None} for frame in frames)


def _places(audit: Config, table: str) -> Iterator[dict[str, str]]:
    """The values of a table's path, one after another; none of a table that is not made up."""
    known = {
        "dataset": list(audit.datasets),
        "size": list(audit.sizes),
        "model": list(audit.models),
        "method": audit.preserve.methods if table == "preservation" else list(audit.methods),
    }
    if table in ("boxes", "training_log", "runs"):
        return
    keys = TABLES[table].partitions
    for values in product(*(known[key] for key in keys)):
        yield dict(zip(keys, values, strict=True))


def _write(connection: duckdb.DuckDBPyConnection, audit: Config, table: str, place: dict[str, str]) -> None:
    """Writes the rows of one place: of all clips in a file, or in shards where jobs write them."""
    schema = TABLES[table].schema
    chosen = " and ".join(f"{key} = '{value}'" for key, value in place.items())
    columns = ", ".join(f'"{name}"' for name in schema.names)
    connection.execute(f"create or replace temp table part as select * from {table}_rows where {chosen}")
    job = Job(audit, "", **place)
    shards = [""] if table == "segments" else job.shards(table)
    for number, shard in enumerate(shards):
        within = f"n % {len(shards)} = {number}"
        rows = connection.sql(f"select {columns} from part where {within} order by n").to_arrow_table()
        tables.write_arrow(rows.cast(schema), job.file(table, shard))
