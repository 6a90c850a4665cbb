"""The configuration of an audit: closed, typed, all problems at once; and where each table of the audit lies."""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from stepaudit import __version__, registry
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.tables import as_json


def _each_once(values: list) -> list:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} is listed twice")
    return values


Once = AfterValidator(_each_once)  # equal entries would give rows with the same key
Ratio = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
SECTIONS = ("datasets", "models", "methods", "metrics")
OF_MODEL, OF_TRAINING = ("use", "options", "clips", "batch_size"), ("training", "training_on")  # that controls take


class Closed(BaseModel):
    """A section that knows all its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Component(Closed):
    """A named component: `use` is a registered name or `module:object`, by default the entry's own name."""

    use: str = Field(description="Registered name or `module:object`; default: the entry's own name.")
    options: dict[str, Any] = Field(default={}, description="The component's own options (`stepaudit list`).")

    kind: ClassVar[str]

    @field_validator("use")
    @classmethod
    def _known(cls, use: str) -> str:
        cls.find(use)
        return use

    @field_validator("options")
    @classmethod
    def _options_known(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "use" in info.data and (problems := cls.find(info.data["use"]).problems(options)):
            raise ValueError("; ".join(problems))
        return options

    @classmethod
    def find(cls, use: str) -> registry.Component:
        """The registered component. Raises ValueError with the nearest name."""
        try:
            return registry.find(cls.kind, use)
        except UsageError as error:
            raise ValueError(str(error)) from error


class Clips(Closed):
    frames: Count = Field(default=16, description="Frames of a clip, one from each of as many equal parts.")
    height: Annotated[int, Field(ge=16)] = Field(default=112, description="Pixels.")
    width: Annotated[int, Field(ge=16)] = Field(default=112, description="Pixels.")
    fit: Literal["stretch", "crop"] = Field(
        default="stretch", description="`stretch` keeps the whole frame; `crop` keeps its shape and the centre."
    )
    random_views: Count = Field(default=4, description="Random views extracted of each training segment.")

    @property
    def size(self) -> str:
        """Frames, height and width as text, `16x112x112`: the folder of these clips."""
        return f"{self.frames}x{self.height}x{self.width}"


class Dataset(Component):
    kind = "datasets"
    root: Path = Field(description="Folder of the data set, relative to where you run.")
    validation: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.2, description="Share of the training groups kept for choosing the best epoch."
    )
    box_distance: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="A clip frame takes the boxes of the nearest annotated source frame within this many frames.",
    )


class Training(Closed):
    epochs: Annotated[int, Field(ge=0)] = Field(
        default=40, description="Passes over the training clips; 0 audits the initial weights as they are."
    )
    batch_size: Count = Field(default=48, description="Clips in a step.")
    optimizer: Literal["sgd", "adamw"] = Field(default="sgd", description="`sgd` as in the paper, or `adamw`.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(default=1e-3, description="Of the first epoch.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.9, description="Of `sgd`.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.0, description="Of either optimiser.")
    step_epochs: Count = Field(default=20, description="Epochs between two drops of the learning rate.")
    step_factor: Share = Field(default=0.1, description="Factor of each drop.")
    shift_px: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Augmentation: each training clip is moved by up to so many pixels, its border repeated."
    )
    flips: list[Literal["horizontal", "vertical", "time"]] = Field(
        default=[],
        description="Augmentation: mirrorings, each applied to half of the clips; name only those that keep the class.",
    )


class ClipSize(Closed):
    """What a model needs otherwise than the audit's `clips`."""

    frames: Count | None = Field(default=None, description="Frames of this model's clips; default: those of `clips`.")
    height: Annotated[int, Field(ge=16)] | None = Field(default=None, description="Likewise, pixels.")
    width: Annotated[int, Field(ge=16)] | None = Field(default=None, description="Likewise, pixels.")


class Model(Component):
    kind = "models"
    clips: ClipSize = Field(default=ClipSize(), description="Where this model's clips differ from the audit's.")
    weights: str | None = Field(
        default=None,
        description="Initial weights: none, a local file, or a torchvision name, `R2Plus1D_18_Weights.KINETICS400_V1`.",
    )
    checkpoint: Path | None = Field(default=None, description="A checkpoint of stepaudit to audit instead of training.")
    training: Training = Field(default=Training(), description="How it is fine-tuned.")
    training_on: dict[Name, dict[str, Any]] = Field(
        default={}, description="By data set, the keys of `training` that differ there, `{epic: {epochs: 20}}`."
    )
    batch_size: Count = Field(default=16, description="Clips in a forward pass when predicting.")
    of: Name | None = Field(
        default=None,
        description="Makes this model a control of another one, whose `use`, `options`, `clips` and training it takes.",
    )
    randomise: Share | None = Field(
        default=None,
        description="Of a control: it is the other model, trained, but this share of its layers, counted from the "
        "output, has new random weights.",
    )
    shuffle_labels: bool = Field(
        default=False,
        description="Of a control: it is trained like the other model, but on labels that are permuted among the "
        "clips; keys of `training` that it names differ from the other's.",
    )

    @model_validator(mode="after")
    def _whole_control(self):
        if self.of is None and (self.randomise or self.shuffle_labels):
            key = "randomise" if self.randomise else "shuffle_labels"
            raise ValueError(f"`{key}` makes a control; name the model that it is a control of, `of: <model>`")
        if self.of is not None and bool(self.randomise) == self.shuffle_labels:
            raise ValueError(f"a control of '{self.of}' needs either `randomise: 0.5` or `shuffle_labels: true`")
        given = [key for key in ("checkpoint", "weights") if getattr(self, key) is not None]
        if self.randomise and given:
            raise ValueError(f"it has the trained weights of '{self.of}'; remove `{given[0]}`")
        if self.shuffle_labels and self.checkpoint is not None:
            raise ValueError("a given `checkpoint` is not trained any more; remove it, or `shuffle_labels`")
        return self

    @model_validator(mode="after")
    def _one_origin(self):
        if self.checkpoint is not None and self.weights is not None:
            raise ValueError(
                "`checkpoint` holds all weights, so that `weights` would have no effect; remove one of them"
            )
        return self

    @field_validator("training_on")
    @classmethod
    def _training_on_fits(cls, changes: dict[str, dict], info: ValidationInfo) -> dict[str, dict]:
        base = info.data.get("training", Training())
        for dataset, change in changes.items():
            try:
                _changed(base, change)
            except ValidationError as error:
                lines = [_sentence(problem, Training) for problem in error.errors()]
                raise ValueError("; ".join(f"{dataset}.{line}" for line in lines)) from error
        return changes

    def training_for(self, dataset: str) -> Training:
        """How the model is fine-tuned on a data set."""
        return _changed(self.training, self.training_on.get(dataset, {}))


class Method(Component):
    kind = "methods"
    ratios: Annotated[list[Ratio], Once] | None = Field(
        default=None, description="Preservation ratios, for methods that need them."
    )
    seeds: Annotated[list[Seed], Once] = Field(
        default=[0],
        min_length=1,
        description="One map, and one search of the minimum preservation ratio, for each seed.",
    )
    batch_size: Count = Field(default=16, description="Rows (clip × ratio) explained together.")
    target: Literal["label", "runner_up"] = Field(
        default="label",
        description="Which class is explained: the clip's `label`, or, for a control, the `runner_up`, which the model "
        "finds the most probable of all others.",
    )

    @model_validator(mode="after")
    def _ratios_fit(self):
        component = self.find(self.use)
        needs = "ratios" in component.requires
        if needs and not self.ratios:
            raise ValueError(f"'{self.use}' needs `ratios`, such as [0.05, 0.1]")
        if self.ratios and not needs and component.options is not None:
            raise ValueError(f"'{self.use}' takes no `ratios`; remove them")
        return self


class Metric(Component):
    kind = "metrics"
    annotation: Literal["own", "shuffled", "other"] = Field(
        default="own",
        description="Boxes and action that it is told: the clip's `own`; for a control the `shuffled` ones of the next "
        "clip in the shard; or the boxes of `other` things, such as decoys.",
    )
    methods: Annotated[list[Name], Once] | None = Field(
        default=None, description="Methods whose maps it scores; default: all."
    )


class Preserve(Closed):
    methods: Annotated[list[Name], Once] = Field(
        default=[], description="Which of `methods` search the minimum preservation ratio."
    )
    grid: list[Ratio] = Field(
        default=[0.02, 0.05, 0.1, 0.2, 0.4, 0.7],
        min_length=1,
        description="Ratios tried first, the same for all models.",
    )
    tolerance: Ratio = Field(default=0.02, description="Bisection ends when the bracket is at most this wide.")
    bounds: Annotated[list[Literal["probability", "top1"]], Once] = Field(
        default=["probability"],
        min_length=1,
        description="`probability`: keep `share` of the clip's own; `top1`: keep the first place.",
    )
    share: Share = Field(default=1.0, description="Share of the unperturbed probability that must be kept.")

    @field_validator("grid")
    @classmethod
    def _ascending(cls, grid: list[float]) -> list[float]:
        if grid != sorted(set(grid)):
            raise ValueError("the ratios must ascend, each once")
        return grid


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
    shards: Count = Field(default=1, description="Parts that the clips of each data set are split into, a job each.")
    clips: Clips = Field(default=Clips(), description="How clips are cut from videos.")
    datasets: dict[Name, Dataset] = Field(min_length=1, description="Data sets by name.")
    models: dict[Name, Model] = Field(min_length=1, description="Models by name; each is trained on each data set.")
    methods: dict[Name, Method] = Field(min_length=1, description="Attribution methods by name.")
    metrics: dict[Name, Metric] = Field(default={}, description="Metrics by name; each scores every map.")
    preserve: Preserve = Field(default=Preserve(), description="Search of the minimum preservation ratio.")

    @model_validator(mode="before")
    @classmethod
    def _names_are_uses(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        filled = {key: _with_uses(value) if key in SECTIONS else value for key, value in data.items()}
        if "models" in filled:
            whole = _with_uses(_with_controls(data["models"]))
            filled["models"] = _without_training_on(whole, _left_out(data.get("datasets")))
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

    def path(self, table: str, **keys: str) -> Path:
        """A file of a table: `shard` (default `all`) is its name, the other keys are folders `key=value`."""
        shard = keys.pop("shard", "all")
        return Path(self.folder, table, *(f"{key}={value}" for key, value in keys.items()), f"{shard}.parquet")

    def checkpoint(self, dataset: str, model: str) -> Path:
        """The trained weights of a model on a data set."""
        return self.folder / "checkpoints" / f"dataset={dataset}" / f"{model}.safetensors"

    def shard_paths(self, table: str, split: str, **keys: str) -> list[Path]:
        """The files of a split's shards."""
        return [self.path(table, **keys, shard=shard) for shard in shard_names(self.shards, split)]

    def clips_for(self, split: str, *, dataset: str, model: str, table: str = "clips") -> list[Path]:
        """The files of a split's clips as a model takes them."""
        return self.shard_paths(table, split, dataset=dataset, size=self.clips_of(model).size)

    def shard_for(self, table: str, *, dataset: str, model: str, shard: str, method: str = "") -> Path:
        """The file of a shard's `clips` or `clip_boxes` as a model takes them."""
        return self.path(table, dataset=dataset, size=self.clips_of(model).size, shard=shard)

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
        return [self.path("maps", dataset=dataset, model=one, method=two, shard=shard) for one, two in places]

    def given_checkpoint(self, *, dataset: str, model: str) -> list[str]:
        """The checkpoint that a model is made of instead of being trained, if any: one given, or the original's."""
        entry = self.models[model]
        found = self.checkpoint(dataset, entry.of) if entry.randomise else entry.checkpoint
        return [str(found)] if found else []

    def decides(self, stage: str, **keys: str) -> str:
        """Fingerprint of the settings that decide a stage's rows; a change of it makes the stage's jobs run again."""
        whole = self.model_dump(mode="json")
        dataset, model, method = (whole[f"{kind}s"].get(keys.get(kind)) for kind in ("dataset", "model", "method"))
        clips = self.sizes[keys["size"]].model_dump() if "size" in keys else None
        parts = {
            "index": [dataset, self.seed],
            "extract": [clips, dataset and dataset["box_distance"], self.seed, self.shards],
            "train": [model, self.seed, self.shards],
            "predict": [model, self.precision],
            "attribute": [method, self.precision],
            "preserve": [method, whole["preserve"], self.precision],
            "score": [whole["metrics"], self.precision],
        }[stage]
        return fingerprint([__version__, parts])

    def component(self, kind: str, name: str) -> registry.Component:
        """The registered component behind an entry of the configuration."""
        return registry.find(kind, getattr(self, kind)[name].use)


def shard_names(shards: int, split: str) -> list[str]:
    """File names of the shards of a split, without ending: `test-000`, …"""
    return [f"{split}-{shard:03d}" for shard in range(shards)]


def job_name(keys: dict[str, str]) -> str:
    """The name of a job's files: a comma, which no name holds, keeps `a_b` of `c` and `a` of `b_c` apart."""
    return ",".join(keys.values()) or "all"


def require(config: Config, kind: str, name: str) -> None:
    """Raises UsageError unless the configuration has a `dataset`, `model`, `method` or `shard` of this name."""
    shards = [shard for split in ("train", "validation", "test") for shard in shard_names(config.shards, split)]
    known = shards if kind == "shard" else list(getattr(config, f"{kind}s"))
    if name not in known:
        raise UsageError(f"the configuration has no {kind} '{name}'{did_you_mean(name, known)}")


def fingerprint(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(as_json(value).encode()).hexdigest()


def load(path: Path) -> Config:
    """Reads a YAML file. Raises UsageError that lists all problems."""
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); name a configuration file, such as config/config.yaml"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no YAML ({error})") from error
    return parse(data, str(path))


def parse(data: Any, origin: str = "configuration") -> Config:
    """Checks a configuration that was read already. Raises UsageError that lists all problems."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = sorted({_sentence(problem) for problem in error.errors()})
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
    return yaml.safe_load(value) if isinstance(value, str) else value


def save(config: Config, path: Path) -> None:
    """Writes a configuration as YAML, if the file does not hold it yet."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(text)
        temporary.replace(path)


def _with_uses(entries: Any) -> Any:
    if not isinstance(entries, dict):
        return entries
    # `false` takes an entry out: what is merged into a configuration (`snakemake --config`) can only add otherwise.
    kept = {name: entry for name, entry in entries.items() if entry is not False}
    filled = {name: {} if entry is None else entry for name, entry in kept.items()}
    return {name: {"use": name, **entry} if isinstance(entry, dict) else entry for name, entry in filled.items()}


def _left_out(entries: Any) -> set[str]:
    return {name for name, entry in entries.items() if entry is False} if isinstance(entries, dict) else set()


def _without_training_on(models: Any, datasets: set[str]) -> Any:
    """The models without what they say of data sets that are left out."""
    if not isinstance(models, dict):
        return models
    changed = dict(models)
    for name, entry in models.items():
        if isinstance(entry, dict) and isinstance(on := entry.get("training_on"), dict):
            changed[name] = {**entry, "training_on": {key: value for key, value in on.items() if key not in datasets}}
    return changed


def _with_controls(models: Any) -> Any:
    """The models; a control has what it takes from its own, and goes where that one is left out.

    Raises:
        ValueError: it is a control of no model, or of a control.
    """
    if not isinstance(models, dict):
        return models
    changed = dict(models)
    for name, entry in models.items():
        of = entry.get("of") if isinstance(entry, dict) else None
        if not isinstance(of, str):
            continue
        able = [key for key, other in models.items() if not (isinstance(other, dict) and other.get("of"))]
        if of not in able:
            raise ValueError(f"models.{name}.of: no model '{of}' to be a control of{did_you_mean(of, able)}")
        changed[name] = models[of] is not False and _inheriting(entry, models[of] or {}, of)
    return changed


def _inheriting(entry: dict, origin: Any, of: str) -> dict:
    """A control's entry with what it takes from its model's."""
    if not isinstance(origin, dict):
        return {"use": of, **entry}
    keys = (*OF_MODEL, *OF_TRAINING, *(() if entry.get("randomise") else ("weights",)))
    taken = {"use": of} | {key: origin[key] for key in keys if key in origin}
    both = {key: (taken.get(key), entry.get(key)) for key in OF_TRAINING}
    merged = {key: own | new for key, (own, new) in both.items() if isinstance(own, dict) and isinstance(new, dict)}
    return taken | entry | merged


def _changed(base: Training, changes: dict[str, Any]) -> Training:
    return Training.model_validate(base.model_dump() | changes)


def _sentence(problem: dict, root: type[BaseModel] | None = None) -> str:
    where = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        *parents, name = problem["loc"]
        return f"{where}: unknown key{did_you_mean(str(name), _known_keys(parents, root or Config))}"
    if problem["type"] == "missing":
        return f"{where}: missing"
    if problem["type"] in ("model_type", "dict_type"):
        return f"{where or 'the whole'}: should be a section of `key: value` lines, got {problem['input']!r}"
    text = problem["msg"].removeprefix("Value error, ")
    given = (
        ""
        if problem["type"] == "value_error" or isinstance(problem["input"], dict | BaseModel)
        else f", got {problem['input']!r}"
    )
    return f"{where}: {text}{given}" if where else text


def _known_keys(parents: list, root: type[BaseModel]) -> list[str]:
    kind: Any = root
    for part in parents:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[part].annotation
        else:
            kind = get_args(kind)[-1]
    return list(kind.model_fields)
