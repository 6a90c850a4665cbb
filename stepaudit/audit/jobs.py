"""The jobs of an audit and the files that each writes."""

from itertools import product
from pathlib import Path

from stepaudit.audit.config import Config
from stepaudit.store.schema import SPLITS

Job = tuple[str, dict[str, str]]  # stage and keys
WRITES = {
    "index": ("segments", "boxes"),
    "extract": ("clips", "clip_boxes"),
    "train": ("training_log",),
    "predict": ("predictions", "frame_orders"),
    "attribute": ("maps",),
    "preserve": ("preservation",),
    "score": ("scores",),
}


def in_groups(config: Config) -> list[list[Job]]:
    """All jobs in groups that follow one another; those of a group do not depend on each other."""
    methods, models = list(config.methods), list(config.models)
    originals = [name for name, entry in config.models.items() if entry.of is None]
    controls = [name for name in models if name not in originals]
    steps = [
        ("index", [{"dataset": dataset} for dataset in config.datasets]),
        ("extract", _extracted(config)),
        ("train", _pairs(config, originals)),
        ("train", _pairs(config, controls)),  # which may be made of what the others have learned
        ("predict", _shards(config, "predictions", _pairs(config, models))),
        ("attribute", _explained(config, methods, models)),
        ("preserve", _explained(config, config.preserve.methods, originals)),
        ("score", _explained(config, methods, models)),
    ]
    return [[(stage, job) for job in keys] for stage, keys in steps]


def outputs(config: Config, stage: str, keys: dict[str, str]) -> list[Path]:
    """The Parquet files that a job writes, but for its row of `runs`."""
    return [config.path(table, **keys) for table in WRITES.get(stage, ())]


def written_by(config: Config, stage: str, keys: dict[str, str]) -> list[Path]:
    """All files that a job writes, but for its row of `runs`."""
    weights = [config.checkpoint(**keys)] if stage == "train" else []
    return [*outputs(config, stage, keys), *weights]


def tables_of(config: Config) -> set[Path]:
    """All Parquet files of the audit but its `runs`, relative to its folder; others are of earlier configurations."""
    jobs = [job for group in in_groups(config) for job in group]
    return {path.relative_to(config.folder) for stage, keys in jobs for path in outputs(config, stage, keys)}


def _extracted(config: Config) -> list[dict[str, str]]:
    return [
        {"dataset": dataset, "size": size, "shard": shard}
        for dataset, size, split in product(config.datasets, config.sizes, SPLITS)
        for shard in config.shards_of("clips", split, dataset=dataset)
    ]


def _pairs(config: Config, models: list[str]) -> list[dict[str, str]]:
    return [{"dataset": dataset, "model": model} for dataset, model in product(config.datasets, models)]


def _explained(config: Config, methods: list[str], models: list[str]) -> list[dict[str, str]]:
    # Methods first: the slow ones of all pairs are under way before the quick ones, and no worker waits long.
    chosen = [{**pair, "method": method} for method, pair in product(methods, _pairs(config, models))]
    return _shards(config, "maps", chosen)


def _shards(config: Config, table: str, parts: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**keys, "shard": shard} for keys in parts for shard in config.shards_of(table, "test", **keys)]
