"""What a reader of a report asks first: what was audited, what is amiss, and how it was made."""

import json
from collections import defaultdict
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from stepaudit.database import fetch, records
from stepaudit.page import Grid, duration, grid

COUNTS = """
    select coalesce(sum(test_clips), 0) as asked, coalesce(sum(explained), 0) as explained,
        (select count(distinct (dataset, clip_id)) from test_clips where status != 'ok') as unusable,
        (select count(*) from datasets) as datasets,
        (select count(*) from models) as models,
        (select count(*) from methods) as methods,
        (select coalesce(sum(missing), 0) from coverage) as missing,
        (select count(*) from failures where stage != 'clips') as reasons,
        (select count(*) from runs, audit where runs.config_hash != audit.config_hash) as other_runs
    from dataset_summary
"""
TABLES = {
    "Data sets": "from dataset_summary",
    "Models": "select name as model, use, nullif(options, '{}') as options from models order by all",
    "Methods": """
        select name as method, use, nullif(array_to_string(ratios, ', '), '') as ratios,
            array_to_string(seeds, ', ') as seeds, nullif(options, '{}') as options
        from methods order by all
    """,
}


@dataclass(frozen=True)
class Notice:
    """Something that a reader must know, and the section that tells more."""

    text: str
    section: str


def headline(connection: DuckDBPyConnection) -> str:
    """How many clips of how many were explained, by what, in a sentence."""
    counts = records(connection, COUNTS)[0]
    parts = [
        _plural(counts[f"{kind}s"], text)
        for kind, text in (("dataset", "data set"), ("model", "model"), ("method", "method"))
    ]
    explained, asked = counts["explained"], _plural(counts["asked"], "test clip")
    return f"{explained} of {asked} explained: {parts[0]}, {parts[1]}, {parts[2]}."


def notices(connection: DuckDBPyConnection) -> list[Notice]:
    """What is amiss; empty if nothing is."""
    counts = records(connection, COUNTS)[0]
    texts = {
        "missing": (
            f"Not finished: {_plural(counts['missing'], 'row')} that the configuration asks for are not there yet.",
            "coverage",
        ),
        "unusable": (f"{_plural(counts['unusable'], 'test clip')} could not be used.", "failures"),
        "reasons": (
            f"{_plural(counts['reasons'], 'reason')} why a clip that was used has rows without a value.",
            "failures",
        ),
        "other_runs": (
            f"{_plural(counts['other_runs'], 'job')} ran under another configuration than the one shown below.",
            "made",
        ),
    }
    return [Notice(*text) for name, text in texts.items() if counts[name]]


def overview(connection: DuckDBPyConnection) -> dict[str, Grid]:
    """Tables of what was audited, by title."""
    return {title: grid(*fetch(connection, sql)) for title, sql in TABLES.items()}


def stages(connection: DuckDBPyConnection) -> Grid:
    """Jobs and time of each stage, and of all together."""
    rows = fetch(connection, "select stage, jobs, seconds, round(peak_memory_mb)::int, devices from stage_summary")[1]
    total = (
        "all",
        sum(row[1] for row in rows),
        sum(row[2] for row in rows),
        max((row[3] for row in rows), default=None),
        None,
    )
    lines = [
        (stage, jobs, duration(seconds), memory, devices) for stage, jobs, seconds, memory, devices in [*rows, total]
    ]
    return grid(["stage", "jobs", "job_time", "peak_memory_MB", "devices"], lines if rows else [])


def versions(connection: DuckDBPyConnection) -> dict[str, str]:
    """Versions of the libraries that did the work, and the commits; several where jobs differ."""
    found: dict[str, set[str]] = defaultdict(set)
    for text, commit in fetch(connection, "select distinct versions, commit from runs")[1]:
        for name, version in json.loads(text).items():
            found[name].add(version)
        found["commit"].add(commit or "not in a checkout")
    return {name: ", ".join(sorted(values)) for name, values in found.items()}


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
