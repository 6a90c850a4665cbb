"""Planning of an audit: enough shards for jobs of some minutes, estimated from the number of clips and operations.

The plan is kept (`plan.json`), so that files keep their names: a part is planned again when its own settings change,
and not when videos are added.
"""

import json
import logging
import os
import subprocess
import sys
from itertools import product
from math import ceil
from typing import Any

from stepaudit.audit import plan, work
from stepaudit.audit.config import Config, fingerprint, parse
from stepaudit.audit.jobs import PLANNED, Job, in_groups
from stepaudit.audit.plan import Plan
from stepaudit.errors import UsageError
from stepaudit.store.schema import SPLITS

LEAST_CLIPS = 8  # of a job: a control by another clip's annotation needs other clips
DOUBLINGS = 24

log = logging.getLogger(__name__)
Entries = dict[str, dict[str, Any]]


def planned(config: Config) -> Config:
    """The configuration with its plan: saved entries for the same settings are reused, the others are planned.

    Raises:
        UsageError: a data set cannot be read, or the plan that is there is damaged.
    """
    if isinstance(config.shards, int):
        return config
    saved, fingerprints = plan.read(config.folder).entries, _fingerprints(config)
    valid = {name: saved[name] for name, by in fingerprints.items() if saved.get(name, {}).get("decided_by") == by}
    if len(valid) == len(fingerprints):
        return config.with_plan(Plan(valid))
    entries = _completed(config, valid) if "torch" in sys.modules else _completed_apart(config, valid)
    return config.with_plan(Plan({name: {**entries[name], "decided_by": by} for name, by in fingerprints.items()}))


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
    common = [whole["jobs"], whole["device"]]
    parts = {}
    for dataset, split in product(config.datasets, SPLITS):
        parts[f"clips/{dataset}/{split}"] = fingerprint([common, whole["datasets"][dataset]])
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


def _completed_apart(config: Config, valid: Entries) -> Entries:
    """`_completed` in a process of its own, since it imports PyTorch, whose 0.8 GB the workflow would not free."""
    request = json.dumps({"config": config.model_dump(mode="json"), "valid": valid})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "stepaudit.audit.planning"]
    done = subprocess.run(command, input=request, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"planning ended with status {done.returncode}; its error stands above")  # a bug
    result = json.loads(done.stdout.splitlines()[-1])  # above it a user's model may have printed something
    if "error" in result:
        raise UsageError(result["error"])
    return result["entries"]


def _main() -> dict[str, Any]:
    """Result of the process of `_completed_apart`; the request comes from standard input."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    request = json.load(sys.stdin)
    try:
        return {"entries": _completed(parse(request["config"]), request["valid"])}
    except UsageError as error:
        return {"error": str(error)}


def _completed(config: Config, valid: Entries) -> Entries:
    """All entries of a plan with jobs of about `jobs.minutes`, or longer ones where there would be too many jobs."""
    counts = {dataset: work.count(config, dataset) for dataset in config.datasets}
    costs = {
        (dataset, model, method): work.job_seconds(Job(config, "attribute", dataset, model, method))
        for dataset, model, method in product(config.datasets, config.models, config.methods)
    }
    for doubling in range(DOUBLINGS):
        entries = _entries(config, valid, counts, costs, 2**doubling)
        if _jobs(config, entries) <= config.jobs.most:
            break
    if doubling:
        minutes = 2**doubling * config.jobs.minutes
        log.info("jobs are planned to last up to %d minutes: shorter ones would be too many", minutes)
    return entries


def _jobs(config: Config, entries: Entries) -> int:
    """Number of jobs of a plan: maps are made, scored, and by some methods searched; clips are cut in each size."""
    searched = {name for name, entry in config.models.items() if entry.of is None}
    jobs = 0
    for name, entry in entries.items():
        kind, *keys = name.split("/")
        times = {"clips": len(config.sizes), "maps": 2}.get(kind, 1)
        if kind == "maps" and keys[1] in searched and keys[2] in config.preserve.methods:
            times += 1
        jobs += times * entry["shards"]
    return jobs


def _entries(config: Config, valid: Entries, counts: dict, costs: dict, factor: int) -> Entries:
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
        dearest = max(cost for (of, *_), cost in costs.items() if of == dataset) if split == "test" else 0.0
        plan_part(f"clips/{dataset}/{split}", counts[dataset][split], dearest)
    for dataset, model in product(config.datasets, config.models):
        total, most = counts[dataset]["test"], entries[f"clips/{dataset}/test"]["shards"]
        plan_part(f"predictions/{dataset}/{model}", total, work.prediction_seconds(config, model), most)
        training = work.training_seconds(Job(config, "train", dataset, model), counts[dataset])
        plan_part(f"models/{dataset}/{model}", 1, training, 1)
        for method in config.methods:
            plan_part(f"maps/{dataset}/{model}/{method}", total, costs[dataset, model, method], most)
    return entries


def _shards(total: int, cost: float, seconds: float, clips: int) -> int:
    """A power of two of parts, so that each lasts about `seconds` and has at most `clips`, but no fewer than a few."""
    shards = min(max(total * cost / seconds, total / clips), max(1.0, total / LEAST_CLIPS))
    return 1 << max(0, ceil(shards) - 1).bit_length()


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(_main())}\n")
