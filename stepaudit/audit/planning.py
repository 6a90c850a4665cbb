"""Plans an audit: as many shards as make a job last minutes, estimated from the work that clips and models are.

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
from stepaudit.audit.jobs import PLANNED, in_groups
from stepaudit.audit.plan import Plan
from stepaudit.errors import UsageError
from stepaudit.store.schema import SPLITS

LEAST_CLIPS = 8  # of a job: a control by another clip's annotation needs other clips
DOUBLINGS = 24

log = logging.getLogger(__name__)
Entries = dict[str, dict[str, Any]]


def planned(config: Config) -> Config:
    """The configuration with its plan: entries that were made for the same settings are kept, the others are made.

    Raises:
        UsageError: a data set cannot be read, or the plan that is there is damaged.
    """
    if isinstance(config.shards, int):
        return config
    known, wanted = plan.read(config.folder).entries, _decided(config)
    kept = {name: known[name] for name, by in wanted.items() if known.get(name, {}).get("decided_by") == by}
    if len(kept) == len(wanted):
        return config.with_plan(Plan(kept))
    made = _made(config, kept) if "torch" in sys.modules else _made_apart(config, kept)
    return config.with_plan(Plan({name: {**made[name], "decided_by": by} for name, by in wanted.items()}))


def overview(config: Config) -> tuple[list[str], list[tuple]]:
    """Columns and rows: of each stage how many jobs there are, the clips of the largest and its estimated minutes.

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


def _decided(config: Config) -> dict[str, str]:
    """What has to be planned, and a fingerprint of the settings that decide it."""
    whole = config.model_dump(mode="json")
    common = [whole["jobs"], whole["device"]]
    found = {}
    for dataset, split in product(config.datasets, SPLITS):
        found[f"clips/{dataset}/{split}"] = fingerprint([common, whole["datasets"][dataset]])
    for dataset, model in product(config.datasets, config.models):
        of_model = [
            found[f"clips/{dataset}/test"],
            *(whole["models"][model][key] for key in ("use", "options", "clips")),
        ]
        found[f"models/{dataset}/{model}"] = fingerprint([of_model, whole["models"][model]])
        found[f"predictions/{dataset}/{model}"] = fingerprint(of_model)
        for method in config.methods:
            searched = whole["preserve"] if method in config.preserve.methods else None
            settings = [of_model, whole["methods"][method], searched, whole["metrics"]]
            found[f"maps/{dataset}/{model}/{method}"] = fingerprint(settings)
    return {name: by[:16] for name, by in found.items()}


def _made_apart(config: Config, kept: Entries) -> Entries:
    """`_made` in a process of its own: PyTorch, which it needs, takes 0.8 GB that the workflow would keep."""
    asked = json.dumps({"config": config.model_dump(mode="json"), "kept": kept})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "stepaudit.audit.planning"]
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"planning ended with status {done.returncode}; what it was stands above")  # a bug
    answer = json.loads(done.stdout.splitlines()[-1])  # above it a user's model may have printed something
    if "refused" in answer:
        raise UsageError(answer["refused"])
    return answer["made"]


def _answer() -> dict[str, Any]:
    """What `_made_apart` is told by its process, which reads what was asked from its standard input."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asked = json.load(sys.stdin)
    try:
        return {"made": _made(parse(asked["config"]), asked["kept"])}
    except UsageError as error:
        return {"refused": str(error)}


def _made(config: Config, kept: Entries) -> Entries:
    """The plan whose jobs are meant to last `jobs.minutes`; where those would be too many, all last longer."""
    counts = {dataset: work.count(config, dataset) for dataset in config.datasets}
    costs = {
        (dataset, model, method): work.job_seconds(config, model, method)
        for dataset, model, method in product(config.datasets, config.models, config.methods)
    }
    for doubling in range(DOUBLINGS):
        found = _entries(config, kept, counts, costs, 2**doubling)
        if _jobs(config, found) <= config.jobs.most:
            break
    if doubling:
        log.info(
            "jobs are planned to last up to %d minutes: shorter ones would be too many",
            2**doubling * config.jobs.minutes,
        )
    return found


def _jobs(config: Config, entries: Entries) -> int:
    """How many jobs a plan makes: maps are made, scored, and by some methods searched; clips are cut in each size."""
    searched = {name for name, entry in config.models.items() if entry.of is None}
    jobs = 0
    for name, entry in entries.items():
        kind, *keys = name.split("/")
        times = {"clips": len(config.sizes), "maps": 2}.get(kind, 1)
        if kind == "maps" and keys[1] in searched and keys[2] in config.preserve.methods:
            times += 1
        jobs += times * entry["shards"]
    return jobs


def _entries(config: Config, kept: Entries, counts: dict, costs: dict, factor: int) -> Entries:
    seconds, clips = 60 * config.jobs.minutes * factor, config.jobs.clips * factor
    found = dict(kept)

    def plan_part(name: str, total: int, cost: float, most: int | None = None) -> None:
        if name not in found:
            shards = _shards(total, cost, seconds, clips)
            shards = shards if most is None else min(shards, most)
            found[name] = {"shards": shards, "clips": ceil(total / shards), "seconds": round(cost * total / shards, 1)}

    for dataset, split in product(config.datasets, SPLITS):
        dearest = max(cost for (of, *_), cost in costs.items() if of == dataset) if split == "test" else 0.0
        plan_part(f"clips/{dataset}/{split}", counts[dataset][split], dearest)
    for dataset, model in product(config.datasets, config.models):
        total, most = counts[dataset]["test"], found[f"clips/{dataset}/test"]["shards"]
        plan_part(f"predictions/{dataset}/{model}", total, work.prediction_seconds(config, model), most)
        plan_part(f"models/{dataset}/{model}", 1, work.training_seconds(config, dataset, model, counts[dataset]), 1)
        for method in config.methods:
            plan_part(f"maps/{dataset}/{model}/{method}", total, costs[dataset, model, method], most)
    return found


def _shards(total: int, cost: float, seconds: float, clips: int) -> int:
    """A power of two of parts, so that each lasts about `seconds` and has at most `clips`, but no fewer than a few."""
    wanted = max(total * cost / seconds, total / clips)
    allowed = max(1.0, total / LEAST_CLIPS)
    return _power_of_two(min(wanted, allowed))


def _power_of_two(least: float) -> int:
    """The smallest one that is not below a number."""
    found = 1
    while found < least:
        found *= 2
    return found


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(_answer())}\n")
