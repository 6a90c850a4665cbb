"""Planning of an audit: enough shards for jobs of some minutes, estimated from the number of clips and operations.

The plan is kept (`plan.json`), so that files keep their names: a part is planned again when its own settings change,
and not when videos are added.
"""

import logging
import sys
from dataclasses import replace
from itertools import product
from math import ceil
from typing import Any

from stepaudit.audit import child_process, jobs, plan, source_code, sources, work
from stepaudit.audit.config import Config, fingerprint, parse
from stepaudit.audit.jobs import PLANNED, Job, in_groups
from stepaudit.audit.plan import Plan
from stepaudit.audit.sources import Row, Sources
from stepaudit.errors import UsageError
from stepaudit.store.database import require_readable_name
from stepaudit.store.schema import SPLITS

MIN_CLIPS = 8  # of a job: a control by another clip's annotation needs other clips
DOUBLINGS = 24

log = logging.getLogger(__name__)
Entries = dict[str, dict[str, Any]]


def planned(config: Config) -> Config:
    """The configuration with its plan: saved entries for the same settings are reused, the others are planned.

    Raises:
        UsageError: a data set cannot be read, the plan that is there is damaged, there are too many jobs, or no report
            can be made in the folder.
    """
    if sys.getfilesystemencoding() != "utf-8" and not str(config.model_dump(mode="json")).isascii():
        raise UsageError(
            "the locale is not UTF-8, and the configuration not ASCII; `export PYTHONUTF8=1`, and run again"
        )
    require_readable_name(config.folder)  # else hours pass until the report says so
    if isinstance(config.shards, int):
        jobs.require_few(config)
        return config
    saved, fingerprints = plan.read(config.folder).entries, _fingerprints(config)
    valid = {name: saved[name] for name, by in fingerprints.items() if saved.get(name, {}).get("decided_by") == by}
    if len(valid) == len(fingerprints):
        return config.with_plan(Plan(valid))
    entries = _answer_of_process({"config": config.model_dump(mode="json"), "valid": valid})["entries"]
    return config.with_plan(Plan({name: {**entries[name], "decided_by": by} for name, by in fingerprints.items()}))


def with_sources(config: Config) -> Config:
    """The configuration with the present files of its data sets, and with new rows where files have changed."""
    present = {dataset: sources_now(config, dataset) for dataset in config.datasets}
    for name, each in present.items():
        _require_there(config, name, each)
    unread = [name for name, each in present.items() if each.version != config.sources(name).version and each.files]
    rows = _answer_of_process({"config": config.model_dump(mode="json"), "read": unread})["rows"] if unread else {}
    for dataset in unread:
        present[dataset] = replace(present[dataset], test=None, rest="", classes="")
        if rows[dataset] is not None:
            present[dataset] = present[dataset].with_rows(rows[dataset])
    return config.with_sources(present)


def _require_there(config: Config, dataset: str, present: Sources) -> None:
    """Raise UsageError if the videos of an audit with tables are gone: a job that fails would take the tables along."""
    saved, root = config.sources(dataset).files, config.datasets[dataset].root
    if saved and not (present.files and root.is_dir()):
        raise UsageError(
            f"data set '{dataset}': {root.absolute()} is not there or empty, and {config.folder} has tables of its "
            f"videos; mount it, or read the tables as they are, `stepaudit report {config.folder}`"
        )


def sources_now(config: Config, dataset: str, most: int | None = None) -> Sources:
    """The sources of a data set as they are, with the rows of the last start. Raises UsageError beyond `most` files.

    A reader that makes its own videos has none: its options and code decide.
    """
    entry, component = config.datasets[dataset], config.component("datasets", dataset)
    code = source_code.digest((component.module,))
    saved, files = config.sources(dataset), {}
    if not component.declares("makes_videos"):
        files = sources.now(saved, entry.root, entry.options, config.results, most)
    return replace(saved, reader=fingerprint([entry.use, str(entry.root), entry.options, code]), files=files)


def changed_sources(config: Config) -> dict[str, str]:
    """Changes of the files of data sets since the workflow last started, a sentence each, by data set.

    A data set that the workflow has not seen, or that is not on this machine, is left out.
    """
    texts = {}
    for dataset, entry in config.datasets.items():
        saved = config.sources(dataset).files
        if saved and entry.root.is_dir():
            try:
                texts[dataset] = sources.changes(saved, sources_now(config, dataset, len(saved) + sources.MANY).files)
            except UsageError as error:
                texts[dataset] = str(error)
    return {dataset: text for dataset, text in texts.items() if text}


def save_sources(config: Config) -> None:
    """Writes the sources of the data sets beside the audit's tables."""
    for dataset in config.datasets:
        sources.save(config.sources(dataset), config.folder, dataset)


def overview(config: Config) -> tuple[list[str], list[tuple]]:
    """Table of the plan, as column names and rows: of each stage the jobs, the largest one's clips and its minutes.

    `attribute`, `preserve` and `score` are planned together, for the longest of the three.
    """
    rows = []
    for stage, kind in PLANNED.items():
        jobs = [job for group in in_groups(config) for job in group if job.stage == stage]
        parts = {job.planned for job in jobs}
        estimates = [config.plan.seconds(*part) for part in parts]
        seconds = [estimate for estimate in estimates if estimate is not None]
        clips = [config.plan.clips(*part) for part in parts]
        unknown = not seconds or len(seconds) < len(estimates) or kind == "clips"
        minutes = None if unknown else round(max(seconds) / 60, 1)
        rows.append((stage, len(jobs), (max(clips, default=0) or None) if kind != "models" else None, minutes))
    return ["stage", "jobs", "clips of the largest", "about, minutes"], rows


def _fingerprints(config: Config) -> dict[str, str]:
    """Parts of the plan, each with a fingerprint of the settings that decide it."""
    whole = config.model_dump(mode="json")
    common, windows = [whole["jobs"], whole["device"]], whole["clips"]["windows"]
    parts = {}
    for dataset, split in product(config.datasets, SPLITS):
        parts[f"clips/{dataset}/{split}"] = fingerprint([common, whole["datasets"][dataset], windows])
    for dataset, model in product(config.datasets, config.models):
        entry = whole["models"][model]
        of_model = [parts[f"clips/{dataset}/test"], *(entry[key] for key in ("use", "options", "clips"))]
        parts[f"models/{dataset}/{model}"] = fingerprint([of_model, entry])
        parts[f"predictions/{dataset}/{model}"] = fingerprint(of_model)
        for method in config.methods:
            searched = whole["preserve"] if method in config.preserve.methods else None
            settings = [of_model, whole["methods"][method], searched, whole["metrics"]]
            parts[f"maps/{dataset}/{model}/{method}"] = fingerprint(settings)
    return {name: by[:16] for name, by in parts.items()}


def _answer_of_process(request: dict) -> dict[str, Any]:
    """`_answer` in a process of its own: PyTorch, of 0.8 GB, and a user's reader shall leave nothing in this one."""
    if "torch" in sys.modules:
        return _answer(request)
    ended = child_process.call(__name__, request)
    if ended.result is None:
        raise RuntimeError(f"planning ended with status {ended.status}; its error stands above")  # a bug
    if "error" in ended.result:
        raise UsageError(ended.result["error"])
    return ended.result


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Result of `_answer`; `child_process.call` calls this by name in the child process."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        return _answer(request)
    except UsageError as error:
        return {"error": str(error)}


def _answer(request: dict) -> dict[str, Any]:
    """Rows of data sets (`read` in the request), or the completed entries of the plan."""
    config = parse(request["config"])
    if "read" in request:
        return {"rows": {dataset: _rows(config, dataset) for dataset in request["read"]}}
    return {"entries": _complete_entries(config, request["valid"])}


def _rows(config: Config, dataset: str) -> list[Row] | None:
    """A data set's rows as its sources need them; None if it cannot be read, which the stage `index` then says."""
    entry = config.datasets[dataset]
    try:
        return sources.rows_of(*config.component("datasets", dataset).load()(entry.root, **entry.options))
    except Exception as error:  # noqa: BLE001 (the reader may be a user's)
        log.info("data set '%s' cannot be read yet (%s)", dataset, error)
        return None


def _complete_entries(config: Config, valid: Entries) -> Entries:
    """All entries of a plan with jobs of about `jobs.minutes`, or longer ones where there would be too many jobs."""
    counts = {dataset: work.count(config, dataset) for dataset in config.datasets}
    costs = {
        (dataset, model, method): work.seconds_per_clip(Job(config, "attribute", dataset, model, method))
        for dataset, model, method in product(config.datasets, config.models, config.methods)
    }
    for doubling in range(DOUBLINGS):
        entries = _entries(config, valid, counts, costs, 2**doubling)
        if _count_jobs(config, entries) <= config.jobs.most:
            break
    if doubling:
        minutes = 2**doubling * config.jobs.minutes
        log.info("jobs are planned to last up to %d minutes: shorter ones would be too many", minutes)
    return entries


def _count_jobs(config: Config, entries: Entries) -> int:
    """Number of jobs of a plan: maps are made, scored, and by some methods searched; clips are cut in each size."""
    searched = {name for name, entry in config.models.items() if entry.of is None}
    jobs = 0
    for name, entry in entries.items():
        kind, *keys = name.split("/")
        times = {"clips": len(config.sizes), "maps": 2}.get(kind, 1)
        if kind == "clips" and keys[1] not in config.splits_cut(keys[0]):
            continue
        if kind == "maps" and keys[1] in searched and keys[2] in config.preserve.methods:
            times += 1
        jobs += times * entry["shards"]
    return jobs


def _entries(config: Config, valid: Entries, counts: dict, costs: dict, factor: int) -> Entries:
    """All entries of a plan.

    Args:
        valid: entries that are planned already.
        counts: number of clips by split, of each data set.
        costs: seconds a clip, by data set, model and method.
        factor: how many times longer jobs may be than configured.
    """
    seconds, clips = 60 * config.jobs.minutes * factor, config.jobs.clips * factor
    entries = dict(valid)

    def plan_part(name: str, total: int, cost: float, most: int | None = None) -> None:
        if name not in entries:
            shards = _shards(total, cost, seconds, clips)
            shards = shards if most is None else min(shards, most)
            entries[name] = {
                "shards": shards,
                "clips": ceil(total / shards),
                "seconds": round(cost * total / shards, 1),
            }

    for dataset, split in product(config.datasets, SPLITS):
        slowest = max(cost for (of, *_), cost in costs.items() if of == dataset) if split == "test" else 0.0
        plan_part(
            f"clips/{dataset}/{split}", counts[dataset][split], slowest, _max_shards(config, counts[dataset][split])
        )
    for dataset, model in product(config.datasets, config.models):
        total, most = counts[dataset]["test"], entries[f"clips/{dataset}/test"]["shards"]
        plan_part(f"predictions/{dataset}/{model}", total, work.prediction_seconds(config, model), most)
        training = work.training_seconds(Job(config, "train", dataset, model), counts[dataset])
        plan_part(f"models/{dataset}/{model}", 1, training, 1)
        for method in config.methods:
            plan_part(f"maps/{dataset}/{model}/{method}", total, costs[dataset, model, method], most)
    return entries


def _max_shards(config: Config, clips: int) -> int | None:
    """The most shards of a split: all windows of a segment, decoded once, beside those of another for the controls."""
    pairs = clips // work.WINDOWS // 2
    return None if config.clips.windows is None else 1 << max(0, pairs.bit_length() - 1)


def _shards(total: int, cost: float, seconds: float, clips: int) -> int:
    """A power of two of parts, so that each lasts about `seconds` and has at most `clips`, but no fewer than a few."""
    shards = min(max(total * cost / seconds, total / clips), max(1.0, total / MIN_CLIPS))
    return 1 << max(0, ceil(shards) - 1).bit_length()
