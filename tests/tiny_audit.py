"""Tiny audits whose numbers can be worked out by hand: rows with sensible defaults, written where stepaudit would."""

from itertools import groupby
from pathlib import Path

import numpy as np

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.report import build_database, sql_files
from stepaudit.report.statistics.intervals import ratio_intervals
from stepaudit.store import database, schema, tables

CONFIG = {
    "audit": "tiny",
    "shards": 1,
    "datasets": {"planted": {"root": "data"}},
    "models": {"r3d": {"use": "r2plus1d_18"}},
    "methods": {"step": {"ratios": [0.1]}, "middle": {"use": "center"}, "noise": {"use": "random_pixel"}},
    "metrics": {"spatial_pointing": {}, "temporal_pointing": {}, "mass_in_box": {}, "box_share": {}},
}
DEFAULTS = {
    "segments": {"video_id": "v", "path": "v.mp4", "split": "test", "label": "a", "target": 0},
    "clips": {"view": "middle", "split": "test", "label": "a", "target": 0, "status": "ok"},
    "clip_boxes": {"view": "middle", "label": "a"},
    "predictions": {"target": 0, "label": "a", "status": "ok"},
    "maps": {"seed": 0, "target": 0, "status": "ok"},
    "preservation": {"bound": "probability", "asked_class": "label", "seed": 0, "target": 0, "status": "ok"},
    "scores": {"seed": 0, "status": "ok"},
    "training_log": {"best": False},
    "runs": {"config_hash": "0", "versions": '{"python":"3"}', "device": "cpu", "seconds": 1.0, "peak_memory_mb": 1.0},
}
PARTITIONS = {"dataset": "planted", "size": "16x112x112", "model": "r3d", "method": "step", "stage": "index"}


def write_audit(folder: Path, rows: dict[str, list[dict]] | None = None, **changes: object) -> Path:
    """Writes the rows of each table and the configuration, and returns the audit's folder.

    Args:
        rows: by table; what `DEFAULTS` and `PARTITIONS` hold may be left out.
        changes: sections of the configuration that replace those of `CONFIG`.
    """
    audit = config.parse({**CONFIG, "results": str(folder), **changes})
    config.save(audit, audit.folder / "config.yaml")
    for table, given in (rows or {}).items():
        keys = schema.TABLES[table].partitions
        full = [{**{key: PARTITIONS[key] for key in keys}, **DEFAULTS.get(table, {}), **row} for row in given]
        for place, part in groupby(sorted(full, key=_place(keys)), key=_place(keys)):
            tables.write(part, table, _file(audit, table, dict(zip(keys, place, strict=True))))
    return audit.folder


def clips(*clip_ids: str, **values: object) -> dict[str, list[dict]]:
    """Test segments and their clips, by name; `values` stand in the rows of both."""
    return {
        "segments": [{"clip_id": clip_id, **values} for clip_id in clip_ids],
        "clips": [{"clip_id": clip_id, **values} for clip_id in clip_ids],
    }


def answer(folder: Path, report: str, *others: str) -> list[dict]:
    """Rows of a report over an audit whose database is made first, with this report, perhaps others, and no more."""
    build_database.create(folder, config.load(folder / "config.yaml"), [report, *others])
    found = {each.name: each for each in sql_files.all_reports()}[report]
    with database.connect(folder) as connection:
        return database.records(connection, found.sql)


def _file(audit: config.Config, table: str, keys: dict[str, str]) -> Path:
    if table == "runs":
        return Job(audit, keys["stage"], shard="test-000").record
    return Job(audit, "", **keys, shard="test-000").file(table)


def interval(
    parts: list[float], wholes: list[float] | None = None, *, smallest_value: int | None = 0
) -> tuple[float, float]:
    """Ends of the 95 % interval of a mean over clips (or of a ratio of sums), by the engine that all reports share."""
    column = [np.array(values, float)[:, None] for values in (parts, wholes or [1] * len(parts))]
    found = ratio_intervals(*column, smallest_value=smallest_value)
    return found.low[0], found.high[0]


def _place(keys: tuple[str, ...]):
    return lambda row: [row[key] for key in keys]
