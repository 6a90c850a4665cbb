"""The jobs of an audit, and the files that each reads and writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path

from stepaudit.audit import source_code
from stepaudit.audit.config import Config
from stepaudit.audit.plan import shard_names, sharing_clips, split_of
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store.schema import SPLITS, TABLES

MAX_JOBS = 200_000
KEYS = ("dataset", "size", "model", "method", "shard")
CHECKPOINTS = "checkpoints"  # a folder beside the tables
STAGES = {  # tables that each stage writes, and sections whose components decide its rows
    "index": (("segments", "boxes"), ("datasets",)),
    "extract": (("clips", "clip_boxes"), ()),
    "train": (("training_log",), ("models",)),
    "predict": (("predictions", "frame_orders"), ("models",)),
    "attribute": (("maps",), ("methods", "models")),
    "preserve": (("preservation",), ("methods", "models")),
    "score": (("scores",), ("metrics", "models")),
}
WRITES = {stage: tables for stage, (tables, _) in STAGES.items()}
DIVISIONS = {  # the division into shards that each table follows; the other tables have one file
    **dict.fromkeys(("clips", "clip_boxes"), "clips"),
    **dict.fromkeys(("predictions", "frame_orders"), "predictions"),
    **dict.fromkeys(("maps", "preservation", "scores"), "maps"),
}
# The part of the plan that each stage belongs to.
PLANNED = {stage: DIVISIONS.get(tables[0], "models") for stage, tables in WRITES.items() if stage != "index"}


@dataclass(frozen=True)
class Job:
    """A job of the workflow, by its stage and keys; a key that it lacks is empty. It knows the files that it works on.

    Without a shard it stands for a part of the audit: `Job(config, "score", "planted", "r3d", "step").files("maps")`.
    """

    config: Config = field(compare=False, repr=False)
    stage: str
    dataset: str = ""
    model: str = ""
    method: str = ""
    shard: str = ""
    size: str = ""

    @property
    def keys(self) -> dict[str, str]:
        """The job's keys that its stage has, without empty ones."""
        return {key: getattr(self, key) for key in KEYS if getattr(self, key)}

    @property
    def name(self) -> str:
        """Name of its own files. No key holds a comma, so that names are unique."""
        return ",".join(self.keys.values()) or "all"

    @property
    def log(self) -> Path:
        return self.config.folder / "logs" / self.stage / f"{self.name}.log"

    @property
    def benchmark(self) -> Path:
        """Snakemake's benchmark file."""
        return self.config.folder / "benchmarks" / self.stage / f"{self.name}.tsv"

    @property
    def record(self) -> Path:
        """File with the job's row of the table `runs`."""
        return self.config.folder / "runs" / f"stage={self.stage}" / f"{self.name}.parquet"

    def cache(self, name: str) -> Path:
        """A file that may be deleted at any time."""
        return self.config.folder / ".cache" / name

    # Files of tables

    def file(self, table: str, shard: str = "") -> Path:
        """File of a table for the job's keys, of its own shard or another: partitions are folders `key=value`."""
        folders = (f"{key}={self._partition_value(key)}" for key in TABLES[table].partitions)
        name = shard or self.shard if table in DIVISIONS else "all"
        return Path(self.config.folder, table, *folders, f"{name}.parquet")

    def shards(self, table: str, split: str = "test") -> list[str]:
        """Names of the shards that a split of a table is divided into."""
        return shard_names(self.divisions(table, split), split)

    def divisions(self, table: str, split: str = "test") -> int:
        """Number of shards that a split of a table is divided into."""
        return self.config.plan.shards(*self.part(DIVISIONS[table], split))

    def files(self, table: str, split: str = "test") -> list[Path]:
        """All files of a split of a table for the job's keys."""
        return [self.file(table, shard) for shard in self.shards(table, split)]

    def sharing(self, table: str, other: "Job | None" = None) -> list[Path]:
        """Files of a table that hold the clips of the job's shard, for its own keys or those of another job."""
        other, split = other or self, split_of(self.shard)
        own = self.divisions("maps" if self.method else "predictions", split)
        shards = sharing_clips(self.shard, own, other.divisions(table, split))
        return [other.file(table, shard) for shard in shards]

    def part(self, division: str, split: str = "test") -> tuple[str, ...]:
        """Name of a part of the plan: `clips` of a split, `models` or `predictions` of a model, `maps` of a method."""
        if division == "clips":
            return division, self.dataset, split
        return division, self.dataset, self.model, *([self.method] if division == "maps" else [])

    @property
    def planned(self) -> tuple[str, ...]:
        """Name of its own part of the plan."""
        return self.part(PLANNED[self.stage], split_of(self.shard))

    def _partition_value(self, key: str) -> str:
        if key == "size" and not self.size:
            return self.config.clips_of(self.model).size
        return getattr(self, key)

    # What it reads and writes

    @property
    def reads(self) -> dict[str, list[Path]]:
        """Input files by name, without source code."""
        if self.stage in ("index", "report"):
            return {}
        if self.stage == "extract":
            return {"segments": [self.file("segments")], "boxes": [self.file("boxes")]}
        if self.stage == "train":
            learns = self.config.models[self.model].reads_training_clips(self.dataset)
            clips = {split: self.files("clips", split) if learns else [] for split in ("train", "validation")}
            return {"segments": [self.file("segments")], **clips, "original": self.original, "given": self.given}
        reads = {"checkpoint": [self.checkpoint], "clips": self.sharing("clips")}
        if self.stage in ("attribute", "preserve"):
            reads["predictions"] = self.sharing("predictions")
        if self.stage == "attribute":
            reads["training_boxes"] = self.training_boxes
        if self.stage == "score":
            reads |= {"maps": [self.file("maps")], "boxes": self.sharing("clip_boxes")}
            reads |= {"references": self.reference_maps, "peers": self.peer_checkpoints}
            reads["predictions"] = self.answers_kept
        return reads

    @property
    def tables(self) -> list[Path]:
        """The Parquet files that it writes, but for its record."""
        return [self.file(table) for table in WRITES.get(self.stage, ())]

    @property
    def writes(self) -> list[Path]:
        """All files that it writes, but for its record."""
        return [*self.tables, *([self.checkpoint] if self.stage == "train" else [])]

    @property
    def checkpoint(self) -> Path:
        """The trained weights of the model on the data set."""
        return self.config.folder / CHECKPOINTS / f"dataset={self.dataset}" / f"{self.model}.safetensors"

    @property
    def given(self) -> list[Path]:
        """The user's files that a trained model comes from: a checkpoint in place of training, or initial weights.

        Files that its options name, and those in folders that they name, are among them.
        """
        if self.stage != "train":
            return []
        entry = self.config.models[self.model]
        local = [Path(text) for text in (entry.weights, entry.classes) if text and Path(text).is_file()]
        named = [Path(value) for value in entry.options.values() if isinstance(value, str) and Path(value).exists()]
        files = [path for place in named for path in (sorted(place.iterdir()) if place.is_dir() else [place])]
        inside = [path for path in files if path.is_file()]
        return [path for path in (entry.checkpoint, *local, *inside) if path is not None]

    @property
    def original(self) -> list[Path]:
        """The checkpoint of the model that a control with random layers is made from."""
        entry = self.config.models[self.model]
        return [replace(self, model=entry.of).checkpoint] if entry.randomise and entry.of is not None else []

    @property
    def dated(self) -> dict[str, list[Path]]:
        """Inputs whose times of change decide if the job runs again; `decides` compares the content of the others."""
        known = {"extract": ("segments", "boxes"), "train": ("segments", "given")}.get(self.stage, ())
        return {name: paths for name, paths in self.reads.items() if name not in known}

    @property
    def weights_read(self) -> list[Path]:
        """Checkpoints among the files that it reads."""
        reads = self.reads
        return [path for name in ("original", "given", "checkpoint", "peers") for path in reads.get(name, [])]

    @property
    def training_boxes(self) -> list[Path]:
        """The boxes of the training clips, if the method needs them (`box_prior`)."""
        needed = "box_prior" in self.config.component("methods", self.method).requires
        return self.files("clip_boxes", "train") if needed else []

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that score the method's maps."""
        entries = self.config.metrics.items()
        return [name for name, entry in entries if entry.methods is None or self.method in entry.methods]

    @cached_property
    def measures(self) -> set[str]:
        """Names of all inputs of these metrics."""
        return {each for name in self.metrics for each in self.config.component("metrics", name).measures}

    @property
    def peers(self) -> "list[Job]":
        """The other models that take clips of the same size; controls are nobody's peers."""
        config = self.config
        others = [name for name, entry in config.models.items() if name != self.model and entry.of is None]
        same = [name for name in others if config.clips_of(name) == config.clips_of(self.model)]
        return [replace(self, model=name) for name in same]

    @property
    def peer_checkpoints(self) -> list[Path]:
        """The weights of the model's peers, if a metric needs them."""
        return [peer.checkpoint for peer in self.peers] if "peers" in self.measures else []

    @property
    def answers_kept(self) -> list[Path]:
        """Predictions of regressions that a metric asks whether their answers stay: the model, and its peers."""
        asked = [self] * ("model" in self.measures) + self.peers * ("peers" in self.measures)
        of_values = [job for job in asked if self.config.models[job.model].gives == "regression"]
        return [path for job in of_values for path in job.sharing("predictions")]

    @property
    def references(self) -> "dict[str, Job]":
        """Jobs whose maps are compared with this job's, by what differs: `model` or `target`."""
        config, entry, references = self.config, self.config.methods[self.method], {}
        origin = config.models[self.model].of
        if origin is not None:
            references["model"] = replace(self, model=origin)
        for name, other in config.methods.items():
            if other.target == "label" != entry.target and (other.use, other.options) == (entry.use, entry.options):
                return {**references, "target": replace(self, method=name)}
        return references

    @property
    def reference_maps(self) -> list[Path]:
        """The maps to compare with, if a metric does."""
        others = self.references.values() if "references" in self.measures else ()
        return [path for other in others for path in self.sharing("maps", other)]

    @property
    def uses(self) -> list[tuple[str, str]]:
        """Section and name of the components that decide its rows."""
        names = {"datasets": [self.dataset], "models": [self.model], "methods": [self.method], "metrics": self.metrics}
        if self.stage == "score" and "peers" in self.measures:
            names["models"] += [peer.model for peer in self.peers]
        return [(kind, name) for kind in STAGES[self.stage][1] for name in names[kind]]

    @property
    def modules(self) -> list[str]:
        """Modules of these components."""
        return [self.config.component(kind, name).module for kind, name in self.uses]

    @property
    def sources(self) -> list[Path]:
        """Source files of the user's components and of the modules that they import."""
        return source_code.own_files(self.modules)


def checked(config: Config, stage: str, **keys: str) -> Job:
    """A job of these keys. Raises UsageError unless the configuration has each `dataset`, `size`, `model`, … named."""
    job = Job(config, stage, **keys)
    for kind, name in keys.items():
        known = _shards_of(job) if kind == "shard" else list(getattr(config, f"{kind}s"))
        if name not in known:
            raise UsageError(f"the configuration has no {kind} '{name}'{did_you_mean(name, known)}")
    return job


def _shards_of(job: Job) -> list[str]:
    if job.size:
        return [name for split in SPLITS for name in job.shards("clips", split)]
    return job.shards("maps" if job.method else "predictions")


def require_few(config: Config) -> None:
    """Raise UsageError for more jobs than Snakemake can look after, before any of them is listed."""
    parts = [part for dataset in config.datasets for part in _plan_parts(config, dataset)]
    count = sum(times * config.plan.shards(*part) for times, part in parts)
    if count > MAX_JOBS:
        raise UsageError(f"{count:,} jobs, at most {MAX_JOBS:,} are possible; set `shards` to less, or to `auto`")


def _plan_parts(config: Config, dataset: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Parts of the plan of a data set, each with the number of stages that work on it."""
    yield from ((len(config.sizes), ("clips", dataset, split)) for split in config.splits_cut(dataset))
    for model in config.models:
        yield 1, ("predictions", dataset, model)
        yield from ((3, ("maps", dataset, model, method)) for method in config.methods)


def in_groups(config: Config) -> list[list[Job]]:
    """All jobs in groups that follow one another; those of a group do not depend on each other.

    Raises:
        UsageError: there are too many, or a part of them is not planned.
    """
    require_few(config)
    originals = [name for name, entry in config.models.items() if entry.of is None]
    controls = [name for name in config.models if name not in originals]
    return [
        [Job(config, "index", dataset) for dataset in config.datasets],
        _extract_jobs(config),
        _model_jobs(config, "train", originals),
        _model_jobs(config, "train", controls),  # which may be made of what the others have learned
        _split_by_shard(_model_jobs(config, "predict", list(config.models))),
        explaining(config, "attribute"),
        explaining(config, "preserve"),
        explaining(config, "score"),
    ]


def explaining(config: Config, stage: str) -> list[Job]:
    """The jobs of `attribute`, `preserve` or `score`; controls need no minimum ratios."""
    search = stage == "preserve"
    methods = config.preserve.methods if search else config.methods
    models = [name for name, entry in config.models.items() if entry.of is None or not search]
    # Methods first: the slow ones of all pairs are under way before the quick ones, and no worker waits long.
    parts = [replace(job, method=method) for method, job in product(methods, _model_jobs(config, stage, models))]
    return _split_by_shard(parts)


def files_of(config: Config) -> list[Path]:
    """All tables and checkpoints of the audit."""
    return [path for group in in_groups(config) for job in group for path in job.writes]


def tables_of(config: Config) -> set[Path]:
    """All Parquet files of the audit but its `runs`, relative to its folder; others are of earlier configurations."""
    return {path.relative_to(config.folder) for group in in_groups(config) for job in group for path in job.tables}


def _extract_jobs(config: Config) -> list[Job]:
    parts = [Job(config, "extract", dataset, size=size) for dataset, size in product(config.datasets, config.sizes)]
    return [
        replace(job, shard=shard)
        for job in parts
        for split in config.splits_cut(job.dataset)
        for shard in job.shards("clips", split)
    ]


def _model_jobs(config: Config, stage: str, models: list[str]) -> list[Job]:
    return [Job(config, stage, dataset, model) for dataset, model in product(config.datasets, models)]


def _split_by_shard(parts: list[Job]) -> list[Job]:
    return [replace(job, shard=shard) for job in parts for shard in _shards_of(job)]
