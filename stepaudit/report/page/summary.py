"""Summary of an audit for the page: headline, notices, overview tables, filters, time and versions."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from stepaudit.audit.config import Config
from stepaudit.audit.requests import UNMOVED
from stepaudit.report.page.grids import Grid, grid
from stepaudit.store.database import fetch, records
from stepaudit.store.formats import duration
from stepaudit.store.tables import as_json

MAX_LISTED = 4  # names in a sentence
MAX_FILTER_NAMES = 500  # of a filter
ENOUGH = 20  # clips of two classes: with fewer, guesses are one-to-one too often
MOSTLY = 0.8  # of the clips
COUNTS = """
    select coalesce(sum(test_clips), 0) as asked, coalesce(sum(explained), 0) as explained,
        (select count(*) from methods where not ignores_model) as methods,
        (select count(*) from methods where ignores_model) as pointers,
        (select coalesce(sum(missing), 0) from coverage) as missing,
        (select count(*) from failures where stage != 'clips') as reasons,
        (select count(*) from runs, audit where runs.config_hash != audit.config_hash) as other_runs,
        (select count(*) from likenesses) as compared, (select count(*) from look_alikes where shows_class) as alike,
        (select count(*) from segments where split = 'test') as tested,
        (select count(distinct (dataset, video_id, start, stop)) from segments where split = 'test') as stretches,
        (select count(*) from models where gives in ('sigmoid', 'regression')) as asking_labels,
        (select count(*) from segments where split = 'test' and label is null) as without_label,
        (
            select count(*) from segments
            where split = 'test' and (dataset, video_id) in (
                select (dataset, video_id) from segments where split != 'test' and video_id is not null
            )
        ) as of_learned_videos,
        (
            select arg_max(clip_id || ' like ' || other_clip_id, likeness) from look_alikes where shows_class
        ) as most_alike
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
    """A notice for the reader, with the section of its details."""

    text: str
    section: str


def headline(connection: DuckDBPyConnection, config: Config) -> str:
    """The audit in a sentence: models, clips, data sets, methods, and the number of explained clips."""
    counts = records(connection, COUNTS)[0]
    clips, verb = plural(counts["asked"], "test clip"), "ignores" if counts["pointers"] == 1 else "ignore"
    pointers = f" and {plural(counts['pointers'], 'pointer')} that {verb} the model" * bool(counts["pointers"])
    return (
        f"{listed(list(config.models))} on {clips} of {listed(list(config.datasets))}, "
        f"with {plural(counts['methods'], 'method')}{pointers}: {counts['explained']} of {clips} explained by a method."
        f"{_explained_class(counts, config)}"
    )


def _explained_class(counts: dict, config: Config) -> str:
    """Sentence on the explained class, where it is not the label of every clip."""
    missing, asked = counts["without_label"], counts["asked"]
    if missing and missing == asked:
        return " The clips have no label: what is explained is each model's answer, and nothing says if that is right."
    if config.target == "predicted":
        rest = f" {missing} of the clips have no label, so that nothing says if an answer to them is right."
        return f" What is explained is each model's answer, right or wrong.{rest * bool(missing)}"
    if missing:
        have = "has" if missing == 1 else "have"
        return (
            f" {missing} of them {have} no label: there each model's answer is explained, and nothing says if it is "
            "right."
        )
    return ""


def is_paper(connection: DuckDBPyConnection) -> bool:
    """True if a data set and a model are the paper's, so that its claims and tables say something of the audit."""
    sql = """
        select count(*) from datasets, models
        where (datasets.use, models.use) in (select (dataset_use, model_use) from paper_numbers)
    """
    return fetch(connection, sql)[1][0][0] > 0


def notices(connection: DuckDBPyConnection) -> list[Notice]:
    """Problems of the audit; empty if there are none."""
    counts = records(connection, COUNTS)[0]
    texts = {
        "missing": ("coverage", "row", "Not finished: {} that the configuration asks for are not there yet."),
        "reasons": ("failures", "reason", "Some rows of clips that could be read have no value, for {}."),
        "other_runs": ("made", "job", "{} ran under another configuration than the one shown below."),
    }
    counted = [
        Notice(text.format(plural(counts[name], noun)), section)
        for name, (section, noun, text) in texts.items()
        if counts[name]
    ]
    if counts["asking_labels"] and counts["stretches"] < counts["tested"]:
        counted.insert(0, Notice(_labels_sentence(counts), "label_precision"))
    if counts["of_learned_videos"]:
        counted.append(Notice(_learned_videos_sentence(counts), "near_duplicates"))
    if counts["alike"]:
        counted.append(Notice(_alike_sentence(counts), "near_duplicates"))
    return [*counted, *(Notice(text, "accuracy") for text in _model_doubts(connection))]


def _model_doubts(connection: DuckDBPyConnection) -> list[str]:
    """Sentences on models that answer all test clips almost the same, or each class with the name of another one."""
    texts = []
    for row in records(connection, "from model_doubts order by dataset, model"):
        rest = 1 - MOSTLY
        is_moved = row["one_to_one"] and row["alike"] >= MOSTLY * row["clips"] and row["named"] <= rest * row["clips"]
        if row["clips"] > 1 and row["spread"] < UNMOVED:
            texts.append(_same_answers_sentence(row))
        elif row["clips"] >= ENOUGH and is_moved:
            texts.append(_wrong_order_sentence(row))
    return texts


def _same_answers_sentence(row: dict) -> str:
    return (
        f"{row['model']} answers {row['clips']} test clips of {row['dataset']} almost the same: no probability differs "
        f"by more than {row['spread']:.1g}. Is it trained, and does it take clips in [0, 1]?"
    )


def _wrong_order_sentence(row: dict) -> str:
    return (
        f"{row['model']} is right on {row['named']} of {plural(row['clips'], 'test clip')} of {row['dataset']}, yet "
        f"gives {row['alike']} the usual answer of their class, another one for each, such as {row['swapped']}. Are "
        "its outputs in the order of the data set's classes?"
    )


def _labels_sentence(counts: dict) -> str:
    """Number of rows of test clips with several labels."""
    clips, tested = plural(counts["stretches"], "test clip"), counts["tested"]
    return f"Clips with several labels count once for each of them: of {clips} there are {tested} rows."


def _learned_videos_sentence(counts: dict) -> str:
    """Number of test clips whose video is in another split, too."""
    verb = "is" if counts["of_learned_videos"] == 1 else "are"
    return (
        f"{counts['of_learned_videos']} of {plural(counts['tested'], 'test clip')} {verb} cut from a video that has "
        "training or validation clips, too: a right answer there may be remembered."
    )


def _alike_sentence(counts: dict) -> str:
    """Number of test clips that training has shown with their class."""
    verb = "looks" if counts["alike"] == 1 else "look"
    return (
        f"{counts['alike']} of {plural(counts['compared'], 'test clip')} {verb} like training or validation clips of "
        f"the same class and of no other, most of all {counts['most_alike']}: a right answer there may be remembered. "
        "Keep videos of one source in one split."
    )


def overview(connection: DuckDBPyConnection, config: Config) -> dict[str, Grid]:
    """Tables of data sets, models, with what of their training is no default, and methods, by title."""
    tables = {title: fetch(connection, sql) for title, sql in TABLES.items()}
    names, rows = tables["Models"]
    trained = {
        name: "" if entry.checkpoint or entry.of else as_json(entry.training.model_dump(exclude_defaults=True))
        for name, entry in config.models.items()
    }
    tables["Models"] = [*names, "training"], [(*row, trained[row[0]].strip("{}") or None) for row in rows]
    return {title: grid(*table) for title, table in tables.items()}


def filters(connection: DuckDBPyConnection, config: Config) -> dict[str, list[str]]:
    """The names of each filter of the page; filters with one name or more than `MAX_FILTER_NAMES` are left out."""
    labels = fetch(connection, "select distinct label from test_clips where label is not null order by label")[1]
    names = {
        "dataset": list(config.datasets),
        "model": list(config.models),
        "method": list(config.methods),
        "label": [label for (label,) in labels],
    }
    return {kind: values for kind, values in names.items() if 1 < len(values) <= MAX_FILTER_NAMES}


def labels(connection: DuckDBPyConnection, rows: Sequence[dict]) -> dict[tuple[str, str], str]:
    """Class of each clip that rows name in the columns `dataset` and `clip_id`, by data set and clip."""
    clips = sorted({row["clip_id"] for row in rows if row.get("clip_id") and row.get("dataset")})
    sql = "select dataset, clip_id, label from segments where list_contains($clips, clip_id) and label is not null"
    rows_of_clips = fetch(connection, sql, {"clips": clips})[1] if clips else []
    return {(dataset, clip_id): label for dataset, clip_id, label in rows_of_clips}


def stages(connection: DuckDBPyConnection) -> Grid:
    """Jobs and time of each stage, and of all together."""
    rows = fetch(connection, "select stage, jobs, seconds, round(peak_memory_mb)::int, devices from stage_summary")[1]
    jobs, seconds, memory = ([row[index] for row in rows] for index in (1, 2, 3))
    rows.append(("all", sum(jobs), sum(seconds), max(memory, default=None), None))
    lines = [(stage, count, duration(time), *others) for stage, count, time, *others in rows]
    return grid(["stage", "jobs", "job_time", "peak_memory_MB", "devices"], lines if jobs else [])


def versions(connection: DuckDBPyConnection) -> dict[str, str]:
    """Versions of the libraries in the jobs, and the commits; several where jobs differ."""
    values: dict[str, set[str]] = defaultdict(set)
    for text, commit in fetch(connection, "select distinct versions, commit from runs")[1]:
        for name, version in json.loads(text).items():
            values[name].add(version)
        values["commit"].add(commit or "not in a checkout")
    return {name: ", ".join(sorted(versions)) for name, versions in values.items()}


def listed(names: Sequence[str]) -> str:
    """`a, b and c`; of more than `MAX_LISTED` the first, and the number of the others."""
    if len(names) > MAX_LISTED:
        names = [*names[: MAX_LISTED - 1], f"{len(names) + 1 - MAX_LISTED} more"]
    return f"{', '.join(names[:-1])} and {names[-1]}" if names[1:] else names[0]


def plural(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
