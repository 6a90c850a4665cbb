"""The configuration of an audit: closed, typed, all problems at once."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, model_validator

from stepaudit.audit import plan, registry, sources, yaml_file
from stepaudit.audit.filled_in import OF_MODEL, OF_TRAINING, whole_models, with_uses
from stepaudit.audit.plan import Plan
from stepaudit.audit.sections import (
    Between,
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
    UserPath,
    sentence,
)
from stepaudit.audit.sources import Sources
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store import writing
from stepaudit.store.schema import SPLITS
from stepaudit.store.tables import as_json

SECTIONS = ("datasets", "models", "methods", "metrics")


def _require_folder_name(folder: Path) -> Path:
    """The folder, if Snakemake accepts its name. Raises ValueError otherwise."""
    if set("{}") & set(str(folder)):
        raise ValueError(f"{folder}: Snakemake takes {{…}} in a path for a wildcard; choose a folder without braces")
    return folder


class Config(Closed):
    """A whole audit."""

    audit: Name = Field(description="Name of the audit; results go to `<results>/<audit>`.")
    results: Annotated[UserPath, AfterValidator(_require_folder_name)] = Field(
        default=Path("results"), description="Folder of all results, relative to where you run."
    )
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
    batch_seconds: Annotated[float, Between(0.001, 1e9)] | None = Field(
        default=14400,
        description="Time limit of a batch; its clips are then tried one by one, and one that takes longer alone gets "
        "the status `timed_out`. Raise it for long schedules on a CPU; `null`: no limit.",
    )
    memory_growth_mb: Annotated[int, Between(1, 10**9)] | None = Field(
        default=None,
        description="A job whose memory grows by more than this after its first batch stops, to be run again where it "
        "stopped; default: only if it comes near the limit of the job or the machine's control group.",
    )
    target: Literal["label", "predicted"] = Field(
        default="label",
        description="Which class is explained: each clip's `label`, or the class that the model answers, right or "
        "wrong (`predicted`), which may differ between models. Of clips without a label it is always the answer.",
    )
    clips: Clips = Field(default=Clips(), description="How clips are cut from videos.")
    datasets: dict[Name, Dataset] = Field(min_length=1, description="Data sets by name.")
    models: dict[Name, Model] = Field(min_length=1, description="Models by name; each is trained on each data set.")
    methods: dict[Name, Method] = Field(min_length=1, description="Attribution methods by name.")
    metrics: dict[Name, Metric] = Field(default={}, description="Metrics by name; each scores every map.")
    preserve: Preserve = Field(default=Preserve(), description="Search of the minimum preservation ratio.")

    _plan: Plan | None = PrivateAttr(default=None)
    _sources: dict[tuple[Path, str], Sources] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_uses(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        filled = {key: with_uses(value) if key in SECTIONS else value for key, value in data.items()}
        if "models" in filled:
            filled["models"] = whole_models(data["models"], data.get("datasets"))
        return filled

    @model_validator(mode="after")
    def _check_controls(self):
        for name, model in self.models.items():
            if model.of is None:
                continue
            for key in (*OF_MODEL, *(OF_TRAINING if model.randomise else ("weights",))):
                if getattr(model, key) != getattr(self.models[model.of], key):
                    raise ValueError(f"models.{name}: a control takes `{key}` from '{model.of}'; remove it here")
        return self

    @model_validator(mode="after")
    def _check_label_targets(self):
        labels = [name for name, model in self.models.items() if model.gives == "sigmoid"]
        if labels and self.target == "predicted":
            raise ValueError(
                f"`target: predicted` explains the one class that a model answers; model '{labels[0]}' with "
                "`gives: sigmoid` is asked for each label of a clip: remove one of them"
            )
        return self

    @model_validator(mode="after")
    def _check_names(self):
        """Raise ValueError for names of methods in `preserve` that do not exist, or have no search."""
        searching = [name for name, method in self.methods.items() if method.ratios]
        _require_known("preserve.methods: no method '{}' with ratios", self.preserve.methods, searching)
        for name in self.preserve.methods:
            if self.methods[name].target != "label":
                raise ValueError(f"preserve.methods: '{name}' explains another class than the label; remove it")
            if "sufficiency" in self.preserve.bounds and not self.component("methods", name).defines("sufficiency"):
                raise ValueError(
                    f"preserve.methods: '{name}' has no search for the bound `sufficiency`; use a method of the "
                    "extremal family, such as ep3d, or `bounds: [probability]`"
                )
        for metric, entry in self.metrics.items():
            _require_known(f"metrics.{metric}.methods: no method '{{}}'", entry.methods or [], self.methods)
        for name, model in self.models.items():
            _require_known(f"models.{name}.training_on: no data set '{{}}'", model.training_on, self.datasets)
        return self

    @property
    def sizes(self) -> dict[str, Clips]:
        """The clips that any of the models needs, by size."""
        return {clips.size: clips for clips in map(self.clips_of, self.models)}

    def clips_of(self, model: str) -> Clips:
        """Size and fit of a model's clips."""
        return self.clips.model_copy(update=self.models[model].clips.model_dump(exclude_none=True))

    def splits_cut(self, dataset: str) -> tuple[str, ...]:
        """Splits of a data set whose clips are cut: without training clips where no model or method learns of them."""
        learns = any(model.reads_training_clips(dataset) for model in self.models.values())
        prior = any("box_prior" in self.component("methods", name).requires for name in self.methods)
        return SPLITS if learns or prior else ("test",)

    @property
    def folder(self) -> Path:
        """Folder of the audit's results."""
        return self.results / self.audit

    @property
    def hash(self) -> str:
        """SHA-256 of the configuration, without defaults: a key that a later version adds does not change it."""
        return fingerprint(self.model_dump(mode="json", exclude_defaults=True))

    @property
    def plan(self) -> Plan:
        """Number of shards of each part: the configuration's `shards`, or those of `plan.json`."""
        if isinstance(self.shards, int):
            return Plan({}, self.shards)
        if self._plan is None:
            self._plan = plan.read(self.folder)
        return self._plan

    def with_plan(self, made: Plan) -> "Config":
        """The configuration with this plan in place of the saved one."""
        other = self.model_copy()
        other._plan = made
        return other

    def sources(self, dataset: str) -> Sources:
        """Files and rows of a data set: of `with_sources`, else those saved when the workflow last started."""
        key = (self.folder, dataset)
        if key not in self._sources:
            self._sources[key] = sources.read(*key)
        return self._sources[key]

    def with_sources(self, present: dict[str, Sources]) -> "Config":
        """The configuration with these sources in place of the saved ones."""
        other = self.model_copy()
        other._sources = {(self.folder, dataset): each for dataset, each in present.items()}
        return other

    def component(self, kind: str, name: str) -> registry.Component:
        """The registered component behind an entry of the configuration."""
        with registry.absent_allowed():  # those of a run were found when its configuration was checked
            return registry.find(kind, getattr(self, kind)[name].use)


def _require_known(message: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise ValueError, with the nearest known name, if a name is unknown; `message` has a place for it."""
    for name in names:
        if name not in known:
            raise ValueError(f"{message.format(name)}{did_you_mean(name, list(known))}")


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
    """Data with nested overrides, whose texts are parsed as YAML: Snakemake's `--config` passes every value as text."""
    result = dict(data)
    for key, change in changes.items():
        if isinstance(change, Mapping):
            below = result.get(key)
            result[key] = overridden(below if isinstance(below, dict) else {}, change)
        else:
            result[key] = _parse_values(change)
    return result


def _parse_values(value: Any) -> Any:
    """Values given to `--config` as text, parsed as YAML."""
    if isinstance(value, list):
        return [_parse_values(item) for item in value]
    return yaml_file.parse(value, "--config") if isinstance(value, str) else value


def save(config: Config, path: Path) -> None:
    """Writes a configuration as YAML, if the file does not hold it yet."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        writing.write_text(path, text)
