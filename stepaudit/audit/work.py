"""Estimates of work for planning: clips of a data set, operations of a model, its passes for a map.

They only decide how many clips share a job: one that is off by some factor makes jobs shorter or longer, no more.
"""

import logging
from collections import Counter
from contextlib import suppress
from functools import cache
from math import ceil

from stepaudit.audit.config import Config
from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError, no_exit

OPERATIONS_PER_SECOND = {"cpu": 6e10, "cuda": 5e12}  # float32 convolutions: one thread of a server; a data centre's GPU
OPERATIONS_PER_NUMBER = 60  # as long as writing one number takes, which is most of a mobile network's time
SECONDS_PER_PASS = {"cpu": 5e-3, "cuda": 5e-4}  # what a pass costs besides the model: masks, fills, launches
SECONDS_PER_MAP = 5e-3  # reading, pointing games, writing
FORWARD, WITH_GRADIENT = 1, 3  # a backward pass costs as much as two forward ones
UNKNOWN_PASSES, UNKNOWN_OPERATIONS = 300, 1e11  # of a method or a model of somebody else that does not say
SEARCHED_MASKS = 6  # for each clip, on average, by the search of the minimum preservation ratio
SUFFICIENCY_PASSES = 700  # forward passes of a clip and class, with its controls
WINDOWS = 100  # of a segment, before any video has been opened
OTHER_VERSIONS = 7  # passes of `predict` for each clip besides its own: six in other frame orders, one blurred

log = logging.getLogger(__name__)


def count(config: Config, dataset: str) -> Counter:
    """Clips of each split; approximate if validation is drawn later, or windows are cut.

    Raises:
        UsageError: the reader does.
    """
    entry, component = config.datasets[dataset], config.component("datasets", dataset)
    counted = component.companion("count")
    if counted is not None:
        clips = Counter(counted(entry.root, **entry.options))
    else:
        clips = Counter(row["split"] for row in component.load()(entry.root, **entry.options)[0])
    if not clips["validation"]:
        clips["validation"] = ceil(entry.validation * clips["train"])
        clips["train"] -= clips["validation"]
    windows = 1 if config.clips.windows is None else WINDOWS
    return Counter({split: windows * segments for split, segments in clips.items()})


def class_numbers(config: Config) -> set[int]:
    """Numbers of classes of the data sets that can be read now, without those that make their videos."""
    numbers = set()
    for dataset, entry in config.datasets.items():
        component = config.component("datasets", dataset)
        with suppress(UsageError):
            if component.companion("count") is None:
                targets = {row["target"] for row in component.load()(entry.root, **entry.options)[0]}
                numbers |= {len(targets - {None})} - {0}
    return numbers


def seconds_per_clip(job: Job) -> float:
    """Seconds for a clip in the slowest of the jobs that explain it, search its minimum ratio and score its maps."""
    config, entry = job.config, job.config.methods[job.method]
    passes_per_map = _passes(config, "methods", job.method, job.model)
    maps = len(entry.ratios or [None]) * len(entry.seeds)
    searched = job.method in config.preserve.methods
    scored = sum(_passes(config, "metrics", name, job.model) for name in job.metrics)
    passes_of_slowest = max(
        maps * passes_per_map, searched * len(entry.seeds) * _searching_passes(config, passes_per_map), maps * scored
    )
    return passes_of_slowest * _pass_seconds(config, job.model) + maps * SECONDS_PER_MAP


def _searching_passes(config: Config, passes_per_mask: float) -> float:
    """Forward passes for the minimum preservation ratios of a clip and seed, with masks of so many passes each."""
    crisp = [asked for bound, asked in config.preserve.questions if bound == "sufficiency"]
    soft = SEARCHED_MASKS * passes_per_mask if len(config.preserve.questions) > len(crisp) else 0
    return soft + SUFFICIENCY_PASSES * (len(crisp) + len(config.preserve.readings))


def prediction_seconds(config: Config, model: str) -> float:
    """Seconds for a clip in the stage `predict`."""
    return (1 + OTHER_VERSIONS) * _pass_seconds(config, model)


def training_seconds(job: Job, counts: Counter) -> float:
    """Seconds for the training of a model on a data set with these clips of each split."""
    config, entry = job.config, job.config.models[job.model]
    if not entry.is_trained_on(job.dataset):
        return 0.0
    clips = WITH_GRADIENT * counts["train"] * config.clips.random_views + FORWARD * counts["validation"]
    return entry.training_for(job.dataset).epochs * clips * _pass_seconds(config, job.model)


def _passes(config: Config, kind: str, name: str, model: str) -> float:
    """Forward passes for a map of a method or a score of a metric; a pass with its gradient counts as three."""
    component, clips = config.component(kind, name), config.clips_of(model)
    if component.declares("ignores_model"):
        return 0
    passes = component.companion("passes")
    if passes is not None:
        return passes((clips.frames, clips.height, clips.width), **getattr(config, kind)[name].options)
    if kind == "metrics":
        return 0 if {"model", "peers"}.isdisjoint(component.measures) else FORWARD
    return WITH_GRADIENT if component.origin.startswith("stepaudit.") else UNKNOWN_PASSES


def _pass_seconds(config: Config, model: str) -> float:
    """Seconds for a forward pass of one clip."""
    clips, kind = config.clips_of(model), _device_kind(config.device)
    speed = OPERATIONS_PER_SECOND[kind] if config.jobs.gflops is None else 1e9 * config.jobs.gflops
    return _operations(config, model, clips.frames, clips.height, clips.width) / speed + SECONDS_PER_PASS[kind]


@cache
def _device_kind(device: str) -> str:
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


_known_operations: dict[tuple, float] = {}


def _operations(config: Config, model: str, *size: int) -> float:
    """Floating point operations that take as long as a forward pass of one clip, without computing anything."""
    entry = config.models[model]
    key = (entry.use, repr(sorted(entry.options.items())), size)
    if key not in _known_operations:
        _known_operations[key] = _counted_operations(config, model, size)
    return _known_operations[key]


def _counted_operations(config: Config, model: str, size: tuple[int, ...]) -> float:
    import torch

    from stepaudit.layers import pass_costs, without_data

    build, options = config.component("models", model).load(), config.models[model].options
    try:
        with without_data(), no_exit(model):
            operations, written = pass_costs(build(2, **options).eval(), torch.empty(1, 3, *size))
    except Exception as error:  # noqa: BLE001 (a user's network may fail in any way without data; it is planned anyway)
        log.info(
            "model '%s' cannot be measured without data (%s); its jobs are planned as if it were large", model, error
        )
        return UNKNOWN_OPERATIONS
    return operations + OPERATIONS_PER_NUMBER * written
