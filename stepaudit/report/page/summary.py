"""What a reader of a report asks first: what was audited, what is amiss, and how it was made."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from stepaudit.audit.config import Config
from stepaudit.report.page.grids import Grid, grid
from stepaudit.store.database import fetch, records
from stepaudit.store.formats import duration

MOST_LISTED = 4  # names in a sentence
MOST_NAMES = 500  # of a kind, to choose between
COUNTS = """
    select coalesce(sum(test_clips), 0) as asked, coalesce(sum(explained), 0) as explained,
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


def headline(connection: DuckDBPyConnection, config: Config) -> str:
    """What was audited, in a sentence: models, clips, data sets, methods, and how many clips were explained."""
    counts = records(connection, COUNTS)[0]
    models = f"{_listed(config.models)} on {plural(counts['asked'], 'test clip')} of {_listed(config.datasets)}"
    explained = f"{counts['explained']} of {plural(counts['asked'], 'test clip')} explained"
    return f"{models}, with {plural(counts['methods'], 'method')}: {explained}."


def notices(connection: DuckDBPyConnection) -> list[Notice]:
    """What is amiss; empty if nothing is."""
    counts = records(connection, COUNTS)[0]
    texts = {
        "missing": (
            f"Not finished: {plural(counts['missing'], 'row')} that the configuration asks for are not there yet.",
            "coverage",
        ),
        "reasons": (
            f"{plural(counts['reasons'], 'reason')} why a clip that was used has rows without a value.",
            "failures",
        ),
        "other_runs": (
            f"{plural(counts['other_runs'], 'job')} ran under another configuration than the one shown below.",
            "made",
        ),
    }
    return [Notice(*text) for name, text in texts.items() if counts[name]]


def overview(connection: DuckDBPyConnection) -> dict[str, Grid]:
    """Tables of what was audited, by title."""
    return {title: grid(*fetch(connection, sql)) for title, sql in TABLES.items()}


def filters(connection: DuckDBPyConnection, config: Config) -> dict[str, list[str]]:
    """What a reader can choose between, by kind; one thing alone is left out, and so are more than `MOST_NAMES`."""
    found = fetch(connection, "select distinct label from test_clips where label is not null order by label")[1]
    names = {
        "dataset": list(config.datasets),
        "model": list(config.models),
        "method": list(config.methods),
        "label": [label for (label,) in found],
    }
    return {kind: values for kind, values in names.items() if 1 < len(values) <= MOST_NAMES}


def labels(connection: DuckDBPyConnection, rows: Sequence[dict]) -> dict[tuple[str, str], str]:
    """The classes of the clips that rows name in their columns `dataset` and `clip_id`, by those."""
    clips = sorted({row["clip_id"] for row in rows if row.get("clip_id") and row.get("dataset")})
    sql = "select dataset, clip_id, label from segments where list_contains($clips, clip_id) and label is not null"
    return {tuple(key): label for *key, label in fetch(connection, sql, {"clips": clips})[1]} if clips else {}


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


def _listed(names: Iterable[str]) -> str:
    """`a, b and c`; of more than `MOST_LISTED` the first, and how many more."""
    *others, last = names
    if len(others) >= MOST_LISTED:
        last = f"{len(others) + 2 - MOST_LISTED} more"
        others = others[: MOST_LISTED - 1]
    return f"{', '.join(others)} and {last}" if others else last


def plural(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
