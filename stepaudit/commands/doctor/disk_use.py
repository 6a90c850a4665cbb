"""Estimate of an audit's disk space at most, from its configuration; the audit may take half of it."""

from collections import Counter
from collections.abc import Mapping
from math import ceil, prod

from stepaudit.audit.config import Config

SEED_STEP = 7  # pixels between the seeds of an extremal mask, which is stored as a seed mask
UNKNOWN_MODEL = 500 * 10**6  # bytes of the weights of a network whose size is known only with data
OVERHEAD = 100 * 10**6  # bytes: report, database, logs, tables of numbers


def estimated(config: Config, counts: Mapping[str, Counter], weights: Mapping[str, int | None]) -> int:
    """Bytes of the results: clips as they are, maps at float16, checkpoints.

    Args:
        counts: segments of each split, by data set.
        weights: bytes of each model's weights; None if unknown.
    """
    clips = sum(_clip_bytes(config, dataset, count) for dataset, count in counts.items())
    maps = sum(count["test"] for count in counts.values()) * sum(_map_bytes(config, model) for model in config.models)
    models = len(config.datasets) * sum(weights.get(name) or UNKNOWN_MODEL for name in config.models)
    return clips + maps + models + OVERHEAD


def _clip_bytes(config: Config, dataset: str, count: Counter) -> int:
    """Bytes of the clips of a data set, at every size: a training segment has several views."""
    views = {"train": config.clips.random_views}
    cut = sum(count[split] * views.get(split, 1) for split in config.splits_cut(dataset))
    return sum(3 * cut * clips.frames * clips.height * clips.width for clips in config.sizes.values())


def _map_bytes(config: Config, model: str) -> int:
    """Bytes of all maps of a clip. A mask has seeds; any other map may have the clip's own resolution."""
    clips, total = config.clips_of(model), 0
    for entry in config.methods.values():
        step = SEED_STEP if entry.ratios else 1
        grid = (clips.frames, ceil(clips.height / step), ceil(clips.width / step))
        total += 2 * prod(grid) * len(entry.ratios or [None]) * len(entry.seeds)
    return total
