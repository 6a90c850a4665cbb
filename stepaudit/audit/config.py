"""The configuration of an audit: closed, typed, all problems at once; and where each table of the audit lies."""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, PrivateAttr, ValidationError, model_validator

from stepaudit.audit import plan, registry, yaml_file
from stepaudit.audit.filled_in import OF_MODEL, OF_TRAINING, whole_models, with_uses
from stepaudit.audit.plan import Plan, shard_names, sharing_clips, split_of
from stepaudit.audit.sections import (
    Clips,
    Closed,
    Count,
    Dataset,
    Jobs,
    Method,
    Metric,
    Model,
    Name,
    Preserve,
    Shards,
    sentence,
)
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store import writing
from stepaudit.store.schema import SCHEMA_VERSION, SPLITS
from stepaudit.store.tables import as_json
from stepaudit.version import __version__

SECTIONS = ("datasets", "models", "methods", "metrics")
OF_JOB = ("dataset", "model", "method")
DIVIDED_LIKE = {"clip_boxes": "clips", "frame_orders": "predictions", "preservation": "maps", "scores": "maps"}


class Config(Closed):
    """A whole audit."""

    audit: Name = Field(description="Name of the audit; results go to `<results>/<audit>`.")
    results: Path = Field(default=Path("results"), description="Folder of all results, relative to where you run.")
    seed: int = Field(default=0, description="Of splits, views and training.")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="`auto` takes a GPU where there is one.")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Number format of the models' convolutions and matrix products after training; `bfloat16` is meant "
        "for recent GPUs, and masks and losses stay float32. Log-probabilities change by up to 0.01: where a model "
        "hardly reacts, `occlusion` and `rise` then show rounding.",
    )
    shards: Shards = Field(
        default="auto",
        description="Parts that the clips of each data set are split into, a job each; `auto`: as many as `jobs` asks "
        "for, kept in `plan.json` beside the results.",
    )
    jobs: Jobs = Field(default=Jobs(), description="How the work is divided.")
    jobs_per_gpu: Count = Field(
        default=1, description="Jobs that may share a GPU on one machine; the others wait until one is free."
    )
    batch_seconds: Annotated[float, Field(gt=0)] | None = Field(
        default=14400,
        description="Time limit of a batch; its clips are then tried one by one, and one that takes longer alone gets "
        "the status `timed_out`. Raise it for long schedules on a CPU; `null`: no limit.",
    )
    memory_growth_mb: Count | None = Field(
        default=None,
        description="A job whose memory grows by more than this after its first batch stops, to be run again where it "
        "stopped; default: only if it comes near the limit of the job or the machine's control group.",
    )
    clips: Clips = Field(default=Clips(), description="How clips are cut from videos.")
    datasets: dict[Name, Dataset] = Field(min_length=1, description="Data sets by name.")
    models: dict[Name, Model] = Field(min_length=1, description="Models by name; each is trained on each data set.")
    methods: dict[Name, Method] = Field(min_length=1, description="Attribution methods by name.")
    metrics: dict[Name, Metric] = Field(default={}, description="Metrics by name; each scores every map.")
    preserve: Preserve = Field(default=Preserve(), description="Search of the minimum preservation ratio.")

    _plan: Plan | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _names_are_uses(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        filled = {key: with_uses(value) if key in SECTIONS else value for key, value in data.items()}
        if "models" in filled:
            filled["models"] = whole_models(data["models"], data.get("datasets"))
        return filled

    @model_validator(mode="after")
    def _controls_fit(self):
        for name, model in self.models.items():
            fixed = () if model.of is None else (*OF_MODEL, *(OF_TRAINING if model.randomise else ("weights",)))
            for key in fixed:
                if getattr(model, key) != getattr(self.models[model.of], key):
                    raise ValueError(f"models.{name}: a control takes `{key}` from '{model.of}'; remove it here")
        return self

    @model_validator(mode="after")
    def _preserve_names_methods(self):
        able = [name for name, method in self.methods.items() if method.ratios]
        for name in self.preserve.methods:
            if name not in able:
                raise ValueError(f"preserve.methods: no method '{name}' with ratios{did_you_mean(name, able)}")
            if self.methods[name].target != "label":
                raise ValueError(f"preserve.methods: '{name}' explains another class than the label; remove it")
        return self

    @model_validator(mode="after")
    def _metrics_name_methods(self):
        for metric, entry in self.metrics.items():
            for name in entry.methods or []:
                if name not in self.methods:
                    hint = did_you_mean(name, list(self.methods))
                    raise ValueError(f"metrics.{metric}.methods: no method '{name}'{hint}")
        return self

    @model_validator(mode="after")
    def _training_on_names_datasets(self):
        for name, model in self.models.items():
            for dataset in model.training_on:
                if dataset not in self.datasets:
                    hint = did_you_mean(dataset, list(self.datasets))
                    raise ValueError(f"models.{name}.training_on: no data set '{dataset}'{hint}")
        return self

    @property
    def sizes(self) -> dict[str, Clips]:
        """The clips that any of the models needs, by size."""
        return {clips.size: clips for clips in map(self.clips_of, self.models)}

    def clips_of(self, model: str) -> Clips:
        """How the clips of a model are cut."""
        return self.clips.model_copy(update=self.models[model].clips.model_dump(exclude_none=True))

    @property
    def folder(self) -> Path:
        """Folder of the audit's results."""
        return self.results / self.audit

    @property
    def hash(self) -> str:
        """SHA-256 of the configuration."""
        return fingerprint(self.model_dump(mode="json"))

    @property
    def plan(self) -> Plan:
        """How many shards everything has: as the configuration says, or as it was planned."""
        if isinstance(self.shards, int):
            return Plan({}, self.shards)
        if self._plan is None:
            self._plan = plan.read(self.folder)
        return self._plan

    def with_plan(self, made: Plan) -> "Config":
        """The same configuration with a plan that need not lie beside the results yet."""
        other = self.model_copy()
        other._plan = made
        return other

    def path(self, table: str, **keys: str) -> Path:
        """A file of a table: `shard` (default `all`) is its name, the other keys are folders `key=value`."""
        shard = keys.pop("shard", "all")
        return Path(self.folder, table, *(f"{key}={value}" for key, value in keys.items()), f"{shard}.parquet")

    def checkpoint(self, dataset: str, model: str) -> Path:
        """The trained weights of a model on a data set."""
        return self.folder / "checkpoints" / f"dataset={dataset}" / f"{model}.safetensors"

    def shards_of(self, table: str, split: str, **keys: str) -> list[str]:
        """Names of the shards that a split of a table is divided into."""
        kind = DIVIDED_LIKE.get(table, table)
        names = (keys["dataset"], split) if kind == "clips" else tuple(keys[key] for key in OF_JOB if key in keys)
        return shard_names(self.plan.shards(kind, *names), split)

    def shard_paths(self, table: str, split: str, **keys: str) -> list[Path]:
        """The files of a split's shards."""
        return [self.path(table, **keys, shard=shard) for shard in self.shards_of(table, split, **keys)]

    def clips_for(self, split: str, *, dataset: str, model: str, table: str = "clips") -> list[Path]:
        """The files of a split's clips as a model takes them."""
        return self.shard_paths(table, split, dataset=dataset, size=self.clips_of(model).size)

    def sharing(self, table: str, shard: str, *, dataset: str, model: str, method: str = "") -> list[Path]:
        """The files of a table that hold the clips of a shard: of a method's maps, or, without one, of predictions."""
        own = {"dataset": dataset, "model": model, **({"method": method} if method else {})}
        shards = self.shards_of("maps" if method else "predictions", split_of(shard), **own)
        if table in ("clips", "clip_boxes"):
            keys = {"dataset": dataset, "size": self.clips_of(model).size}
        else:
            keys = {"dataset": dataset, "model": model}
        others = self.shards_of(table, split_of(shard), **keys)
        return [self.path(table, **keys, shard=name) for name in sharing_clips(shard, len(shards), len(others))]

    def training_boxes(self, *, dataset: str, model: str, method: str, shard: str = "") -> list[Path]:
        """The boxes of the training clips, if the method asks for them (`box_prior`)."""
        needed = "box_prior" in self.component("methods", method).requires
        return self.clips_for("train", dataset=dataset, model=model, table="clip_boxes") if needed else []

    def all_shards(self, table: str, methods: Iterable[str]) -> list[Path]:
        """The files of a table for every data set, model, method and test shard; controls need no minimum ratios."""
        models = [name for name, entry in self.models.items() if entry.of is None or table != "preservation"]
        return [
            path
            for dataset, model, method in product(self.datasets, models, methods)
            for path in self.shard_paths(table, "test", dataset=dataset, model=model, method=method)
        ]

    def log(self, stage: str, **keys: str) -> Path:
        """A job's log file."""
        return self.folder / "logs" / stage / f"{job_name(keys)}.log"

    def benchmark(self, stage: str, **keys: str) -> Path:
        """A job's benchmark file of Snakemake."""
        return self.folder / "benchmarks" / stage / f"{job_name(keys)}.tsv"

    def source(self, kind: str, name: str) -> list[str]:
        """The source file of a component, if it has one; a change of it makes its jobs run again."""
        source = self.component(kind, name).source
        return [str(source)] if source else []

    def peers(self, model: str) -> list[str]:
        """The other models that take clips of the same size; controls are nobody's peers."""
        others = [name for name, entry in self.models.items() if name != model and entry.of is None]
        return [name for name in others if self.clips_of(name) == self.clips_of(model)]

    def peer_checkpoints(self, *, dataset: str, model: str, **keys: str) -> list[Path]:
        """The weights of the model's peers, if a metric measures on them."""
        asked = any("peers" in self.component("metrics", name).measures for name in self.metrics)
        return [self.checkpoint(dataset, peer) for peer in self.peers(model)] if asked else []

    def references(self, model: str, method: str) -> dict[str, tuple[str, str]]:
        """Model and method of the maps that those of a model and a method are compared with, by what differs."""
        found, origin, right = {}, self.models[model].of, self._right_target(method)
        if origin is not None:
            found["model"] = (origin, method)
        if right is not None:
            found["target"] = (model, right)
        return found

    def _right_target(self, method: str) -> str | None:
        """The method that explains the label as this one explains another class, if there is one."""
        entry = self.methods[method]
        for name, other in self.methods.items():
            if other.target == "label" != entry.target and (other.use, other.options) == (entry.use, entry.options):
                return name
        return None

    def reference_maps(self, *, dataset: str, model: str, method: str, shard: str) -> list[Path]:
        """The maps that a shard's are compared with, if a metric compares them."""
        asked = any("references" in self.component("metrics", name).measures for name in self.metrics)
        places = self.references(model, method).values() if asked else ()
        own = {"dataset": dataset, "model": model, "method": method, "shard": shard}
        return [path for one, two in places for path in self.maps_sharing(**own, other_model=one, other_method=two)]

    def maps_sharing(
        self, *, dataset: str, model: str, method: str, shard: str, other_model: str, other_method: str
    ) -> list[Path]:
        """The files of another model's or method's maps that hold the clips of a shard."""
        keys = {"dataset": dataset, "model": other_model, "method": other_method}
        shards = self.shards_of("maps", split_of(shard), dataset=dataset, model=model, method=method)
        others = self.shards_of("maps", split_of(shard), **keys)
        return [self.path("maps", **keys, shard=name) for name in sharing_clips(shard, len(shards), len(others))]

    def given_checkpoint(self, *, dataset: str, model: str) -> list[str]:
        """The checkpoint that a model is made of instead of being trained, if any: one given, or the original's."""
        entry = self.models[model]
        found = self.checkpoint(dataset, entry.of) if entry.randomise else entry.checkpoint
        return [str(found)] if found else []

    def decides(self, stage: str, **keys: str) -> str:
        """Fingerprint of the settings that decide a stage's rows; a change of it makes the stage's jobs run again."""
        whole = self.model_dump(mode="json")
        dataset, model, method = (whole[f"{kind}s"].get(keys.get(kind)) for kind in OF_JOB)
        clips = self.sizes[keys["size"]].model_dump() if "size" in keys else None
        parts = {
            "index": [dataset, self.seed],
            "extract": [clips, dataset and dataset["box_distance"], self.seed],
            "train": [model, self.seed],
            "predict": [model, self.precision],
            "attribute": [method, self.precision],
            "preserve": [method, whole["preserve"], self.precision],
            "score": [whole["metrics"], self.precision],
        }[stage]
        return fingerprint([__version__, SCHEMA_VERSION, self._division(stage, keys), parts])

    def _division(self, stage: str, keys: dict[str, str]) -> list[int]:
        """Numbers of the shards that a job reads and writes: with others its files hold other clips, or an order."""
        if stage == "index":
            return []
        if stage == "extract":
            splits = (split_of(keys["shard"]),) if "shard" in keys else SPLITS
        else:
            splits = ("train", "validation") if stage == "train" else ("test",)
        numbers = [self.plan.shards("clips", keys["dataset"], split) for split in splits]
        own = [keys[key] for key in OF_JOB if key in keys]
        if stage in ("predict", "attribute", "preserve", "score"):
            numbers.append(self.plan.shards("maps" if "method" in keys else "predictions", *own))
        return numbers

    def component(self, kind: str, name: str) -> registry.Component:
        """The registered component behind an entry of the configuration."""
        return registry.find(kind, getattr(self, kind)[name].use)


def job_name(keys: dict[str, str]) -> str:
    """The name of a job's files: a comma, which no name holds, keeps `a_b` of `c` and `a` of `b_c` apart."""
    return ",".join(keys.values()) or "all"


def require(config: Config, **keys: str) -> None:
    """Raises UsageError unless the configuration has the `dataset`, `size`, `model`, `method` and `shard` of a job."""
    for kind, name in keys.items():
        known = _shards_of_job(config, keys) if kind == "shard" else list(getattr(config, f"{kind}s"))
        if name not in known:
            raise UsageError(f"the configuration has no {kind} '{name}'{did_you_mean(name, known)}")


def _shards_of_job(config: Config, keys: dict[str, str]) -> list[str]:
    own = {key: keys[key] for key in OF_JOB if key in keys}
    if "size" in keys:
        return [name for split in SPLITS for name in config.shards_of("clips", split, **own)]
    return config.shards_of("maps" if "method" in keys else "predictions", "test", **own)


def fingerprint(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(as_json(value).encode()).hexdigest()


def load(path: Path) -> Config:
    """Reads a YAML file, with the plan that lies beside it, if any. Raises UsageError that lists all problems."""
    made = parse(yaml_file.read(path), str(path))
    return made.with_plan(plan.read(path.parent)) if (path.parent / plan.FILE).exists() else made


def parse(data: Any, origin: str = "configuration") -> Config:
    """Checks a configuration that was read already. Raises UsageError that lists all problems."""
    yaml_file.check(data, origin)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = sorted({sentence(problem, Config)[:1000] for problem in error.errors()})
        raise UsageError(f"{origin}: {len(lines)} problem{'s' * (len(lines) > 1)}\n  " + "\n  ".join(lines)) from error


def overridden(data: dict, changes: Mapping) -> dict:
    """Data with nested changes, whose texts are read as YAML: Snakemake's `--config` makes a text of every value."""
    result = dict(data)
    for key, change in changes.items():
        if isinstance(change, Mapping):
            below = result.get(key)
            result[key] = overridden(below if isinstance(below, dict) else {}, change)
        else:
            result[key] = _typed(change)
    return result


def _typed(value: Any) -> Any:
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return yaml_file.parse(value, "--config") if isinstance(value, str) else value


def save(config: Config, path: Path) -> None:
    """Writes a configuration as YAML, if the file does not hold it yet."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    if not path.exists() or path.read_text() != text:
        writing.write_text(path, text)
