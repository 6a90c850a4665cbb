"""The sections of a configuration: type, unit, default and meaning of each key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from stepaudit.audit import registry
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store.plain_files import at_home


def _require_unique(values: list) -> list:
    """The values. Raises ValueError if one is listed twice."""
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value!r} is listed twice")
        seen.add(value)
    return values


@dataclass(frozen=True)
class Between:
    """Annotation of a number in a closed range."""

    least: float
    most: float

    def check(self, value: float) -> float:
        """The value. Raises ValueError with the range."""
        if not self.least <= value <= self.most:
            raise ValueError(f"{value:.10g} is outside its range, {self.least:.10g} to {self.most:.10g}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.least, "maximum": self.most}


Once = AfterValidator(_require_unique)  # equal entries would give rows with the same key
MAX_LISTED = 1000  # ratios, seeds and the like: each is a map, or a row, of every clip
MAX_SHARDS = 100_000
MIN_STRIDE_PART = 16  # windows that begin within the length of one
Ratio = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Between(1, 1_000_000)]
Size = Annotated[int, Between(16, 4096)]
Seed = Annotated[int, Between(0, 2**31 - 1)]
Frames = Annotated[int, Between(1, 1024)]
Batch = Annotated[int, Between(1, 65_536)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=60)]  # three of them are a file's name


def _expand_home(value: Any) -> Any:
    """A text or a path with a leading `~` expanded; other values unchanged. Raises ValueError for an unknown home."""
    try:
        return at_home(value) if isinstance(value, str) else at_home(value) if isinstance(value, Path) else value
    except UsageError as error:
        raise ValueError(str(error)) from None


Home = BeforeValidator(_expand_home)
UserPath = Annotated[Path, Home]


def _expand_homes(options: dict[str, Any]) -> dict[str, Any]:
    """Options with the leading `~` of each path expanded."""
    return {name: _expand_home(value) for name, value in options.items()}


def _number_or_auto(value: Any) -> int | str:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SHARDS):
        return value
    raise ValueError(f"Input should be `auto` or a whole number from 1 to {MAX_SHARDS}, got {value!r}")


Shards = Annotated[Annotated[int, Between(1, MAX_SHARDS)] | Literal["auto"], BeforeValidator(_number_or_auto)]


def _is_number(annotation: Any) -> bool:
    """True for a type of numbers, or one that is made of such, as a list of them."""
    return annotation in (int, float) or any(_is_number(part) for part in get_args(annotation))


class Closed(BaseModel):
    """A section that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _check_no_flag(cls, value: Any, info: ValidationInfo) -> Any:
        """The value. Raises ValueError for true or false in place of a number: pydantic takes them for 1 and 0."""
        flags = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, bool)]
        if flags and _is_number(cls.model_fields[str(info.field_name)].annotation):
            given = str(flags[0]).lower()
            raise ValueError(f"{given} is no number (YAML takes yes, no, on and off for true and false)")
        return value


class Component(Closed):
    """A named component: `use` is a registered name or `module:object`, by default the entry's own name."""

    use: str = Field(description="Registered name or `module:object`; default: the entry's own name.")
    options: Annotated[dict[str, Any], AfterValidator(_expand_homes)] = Field(
        default={}, description="The component's own options (`stepaudit list`)."
    )

    kind: ClassVar[str]

    @field_validator("use")
    @classmethod
    def _check_use(cls, use: str) -> str:
        cls.find(use)
        return use

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
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


class Windows(Closed):
    """Windows of long footage, a clip each."""

    seconds: Annotated[float, Between(0.1, 86_400)] = Field(description="Length of a window.")
    stride: Annotated[float, Between(0.01, 86_400)] | None = Field(
        default=None, description="Seconds from the start of one window to that of the next; default: `seconds`."
    )

    @property
    def step(self) -> float:
        """Seconds from the start of one window to that of the next."""
        return self.seconds if self.stride is None else self.stride

    @model_validator(mode="after")
    def _check_stride(self):
        if self.step < self.seconds / MIN_STRIDE_PART:
            raise ValueError(
                f"a `stride` of {self.step:g} s repeats nearly the same clip again and again; set it to "
                f"{self.seconds / MIN_STRIDE_PART:g} or more, 1/{MIN_STRIDE_PART} of `seconds`"
            )
        return self


class Clips(Closed):
    frames: Frames = Field(default=16, description="Frames of a clip, one from each of as many equal parts.")
    height: Size = Field(default=112, description="Pixels.")
    width: Size = Field(default=112, description="Pixels.")
    fit: Literal["stretch", "crop"] = Field(
        default="stretch", description="`stretch` keeps the whole frame; `crop` keeps its shape and the centre."
    )
    random_views: Annotated[int, Between(1, 1000)] = Field(
        default=4, description="Random views extracted of each training segment."
    )
    windows: Windows | None = Field(
        default=None,
        description="Of long footage: cuts each segment, or whole video, into windows, a clip each. The last one ends "
        "with the segment, so that it is as long as the others; default: one clip of the whole segment.",
    )

    @property
    def size(self) -> str:
        """Frames, height and width as text, `16x112x112`: the folder of these clips."""
        return f"{self.frames}x{self.height}x{self.width}"

    def resized(self, size: str) -> "Clips":
        """These clips in another size, such as `16x112x112`. Raises UsageError for no size, or one too small."""
        try:
            frames, height, width = size.split("x")
            return Clips(**{**self.model_dump(), "frames": int(frames), "height": int(height), "width": int(width)})
        except ValueError as error:
            raise UsageError(
                f"--size {size}: give frames, height and width from 16 pixels on, such as 16x112x112"
            ) from error


class Dataset(Component):
    kind = "datasets"
    root: UserPath = Field(description="Folder of the data set, relative to where you run.")
    validation: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.2, description="Share of the training groups kept for choosing the best epoch."
    )
    box_distance: Annotated[int, Between(0, 1_000_000)] = Field(
        default=0,
        description="A clip frame takes the boxes of the nearest annotated source frame within this many frames.",
    )


class Training(Closed):
    epochs: Annotated[int, Between(0, 100_000)] = Field(
        default=40, description="Passes over the training clips; 0 audits the initial weights as they are."
    )
    batch_size: Batch = Field(default=48, description="Clips in a step.")
    optimizer: Literal["sgd", "adamw"] = Field(default="sgd", description="`sgd` as in the paper, or `adamw`.")
    learning_rate: Annotated[float, Between(1e-30, 1e30)] = Field(default=1e-3, description="Of the first epoch.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.9, description="Of `sgd`.")
    weight_decay: Annotated[float, Between(0, 1000)] = Field(default=0.0, description="Of either optimiser.")
    step_epochs: Count = Field(default=20, description="Epochs between two drops of the learning rate.")
    step_factor: Share = Field(default=0.1, description="Factor of each drop.")
    shift_px: Annotated[int, Between(0, 4096)] = Field(
        default=0, description="Augmentation: each training clip is moved by up to so many pixels, its border repeated."
    )
    flips: list[Literal["horizontal", "vertical", "time"]] = Field(
        default=[],
        description="Augmentation: mirrorings, each applied to half of the clips; name only those that keep the class.",
    )
    hue: Annotated[float, Between(0, 0.5)] = Field(
        default=0.0,
        description="Augmentation: each training clip's colours are turned round the colour circle, by up to so many "
        "turns either way; 0.5 leaves nothing of a clip's hue.",
    )


class ClipSize(Closed):
    """Differences of a model's clips from the audit's `clips`."""

    frames: Frames | None = Field(default=None, description="Frames of this model's clips; default: those of `clips`.")
    height: Size | None = Field(default=None, description="Likewise, pixels.")
    width: Size | None = Field(default=None, description="Likewise, pixels.")


class Model(Component):
    kind = "models"
    clips: ClipSize = Field(default=ClipSize(), description="Where this model's clips differ from the audit's.")
    weights: Annotated[str, Home] | None = Field(
        default=None,
        description="Initial weights: none, a local file, or a torchvision name, `R2Plus1D_18_Weights.KINETICS400_V1`.",
    )
    checkpoint: UserPath | None = Field(
        default=None, description="A checkpoint of stepaudit to audit instead of training."
    )
    training: Training = Field(default=Training(), description="How it is fine-tuned.")
    training_on: dict[Name, dict[str, Any]] = Field(
        default={}, description="By data set, the keys of `training` that differ there, `{epic: {epochs: 20}}`."
    )
    batch_size: Batch = Field(default=16, description="Clips in a forward pass when predicting.")
    gives: Literal["softmax", "sigmoid", "logit", "regression"] = Field(
        default="softmax",
        description="What it answers: `softmax`: logits, one class a clip; `sigmoid`: a logit for each label, of which "
        "a clip has any number; `logit`: one, of the second of two classes; `regression`: one number.",
    )
    tolerance: Annotated[float, Between(1e-30, 1e30)] | None = Field(
        default=None,
        description="Of a `regression`, in its unit: an answer that differs by less than this counts as the same.",
    )
    outputs: Literal["all", "restricted"] | None = Field(
        default=None,
        description="Audits a trained network as it is, on those of its own classes that the data set has, by name: "
        "`all` keeps its softmax over all of them, `restricted` takes it over the data set's alone.",
    )
    classes: Annotated[str, Home] | None = Field(
        default=None,
        description="Of `outputs`: its own classes, a file with a name a line, or torchvision's weights with these "
        "classes; default: those that its weights name.",
    )
    layer: str | None = Field(
        default=None,
        description="Name of the module that Grad-CAM and others read, such as `blocks.4`; default: the model's "
        "`activation_layer`.",
    )
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
    def _check_control(self):
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
    def _check_origin(self):
        if self.checkpoint is not None and self.weights is not None:
            raise ValueError(
                "`checkpoint` holds all weights, so that `weights` would have no effect; remove one of them"
            )
        return self

    @model_validator(mode="after")
    def _check_outputs(self):
        if self.classes is not None and self.outputs is None:
            raise ValueError("`classes` names a network's own classes; say which count, `outputs: all` or `restricted`")
        if self.outputs is not None and any([self.training.epochs, *self.training_on, self.shuffle_labels]):
            raise ValueError("`outputs` audits a network as it is; set `training: {epochs: 0}`, without `training_on`")
        return self

    @model_validator(mode="after")
    def _check_tolerance(self):
        if (self.gives == "regression") != (self.tolerance is not None):
            raise ValueError("`tolerance` and `gives: regression` go together; set both, such as `tolerance: 0.5`")
        if self.outputs is not None and self.gives in ("logit", "regression"):
            raise ValueError(f"a network that `gives: {self.gives}` has one value to take; remove `outputs`")
        return self

    @field_validator("training_on")
    @classmethod
    def _check_training_on(cls, changes: dict[str, dict], info: ValidationInfo) -> dict[str, dict]:
        base = info.data.get("training", Training())
        for dataset, change in changes.items():
            try:
                changed(base, change)
            except ValidationError as error:
                lines = [sentence(problem, Training) for problem in error.errors()]
                raise ValueError("; ".join(f"{dataset}.{line}" for line in lines)) from error
        return changes

    def training_for(self, dataset: str) -> Training:
        """Settings of the training on a data set."""
        return changed(self.training, self.training_on.get(dataset, {}))

    def is_trained_on(self, dataset: str) -> bool:
        """True if the audit trains the model itself on a data set."""
        return self.checkpoint is None and self.randomise is None and self.training_for(dataset).epochs > 0

    def reads_training_clips(self, dataset: str) -> bool:
        """True if it learns from training clips of a data set: its weights, or a control's batch statistics."""
        return self.randomise is not None or self.is_trained_on(dataset)


class Method(Component):
    kind = "methods"
    ratios: Annotated[list[Ratio], Once] | None = Field(
        max_length=MAX_LISTED, default=None, description="Preservation ratios, for methods that need them."
    )
    seeds: Annotated[list[Seed], Once] = Field(
        default=[0],
        min_length=1,
        max_length=MAX_LISTED,
        description="One map, and one search of the minimum preservation ratio, for each seed.",
    )
    batch_size: Batch = Field(default=16, description="Rows (clip × ratio) explained together.")
    target: Literal["label", "runner_up"] = Field(
        default="label",
        description="Which class is explained: the clip's `label`, or, for a control, the `runner_up`, which the model "
        "finds the most probable of all others.",
    )

    @model_validator(mode="after")
    def _check_ratios(self):
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
    bounds: Annotated[list[Literal["sufficiency", "probability", "top1"]], Once] = Field(
        default=["sufficiency"],
        min_length=1,
        description="What a mask must keep: `sufficiency`: shares of what the clip adds to its empty version, by crisp "
        "masks that hold under fills that the search did not see; as in the paper, by soft masks on one fill, "
        "`probability`: `share` of what the full mask keeps, or `top1`: the first place.",
    )
    classes: Annotated[list[Literal["label", "runner_up"]], Once] = Field(
        default=["label", "runner_up"],
        min_length=1,
        description="Of `sufficiency`: which classes are asked for, the clip's `label` and, as a control, the most "
        "probable other one.",
    )
    readings: Annotated[list[Literal["frames", "tube", "disjoint"]], Once] = Field(
        default=[],
        description="Of `sufficiency`, for the `label`: further readings, each at the cost of about another search: "
        "`frames`, the fewest whole frames; `tube`, the smallest region of the picture shown in all frames; "
        "`disjoint`, how many pieces, up to five, are each enough.",
    )
    grid: list[Ratio] = Field(
        default=[0.02, 0.05, 0.1, 0.2, 0.4, 0.7],
        min_length=1,
        max_length=MAX_LISTED,
        description="Of `probability` and `top1`: ratios tried first, the same for all models.",
    )
    tolerance: Annotated[float, Between(0.01, 10)] = Field(
        default=0.25,
        description="Of these: bisection ends when the upper end is at most 1 + `tolerance` times the lower end.",
    )
    share: Share = Field(
        default=1.0, description="Of `probability`: share of what the full mask keeps that must be kept."
    )

    @property
    def questions(self) -> list[tuple[str, str]]:
        """Bound and class of each row of a clip and seed."""
        return [
            (bound, asked) for bound in self.bounds for asked in (self.classes if bound == "sufficiency" else ["label"])
        ]

    @model_validator(mode="after")
    def _check_readings(self):
        if self.readings and ("sufficiency", "label") not in self.questions:
            raise ValueError("`readings` go with the bound `sufficiency` and the class `label`; add both, or remove it")
        return self

    @field_validator("grid")
    @classmethod
    def _check_ascending(cls, grid: list[float]) -> list[float]:
        if grid != sorted(set(grid)):
            raise ValueError("the ratios must ascend, each once")
        return grid


class Jobs(Closed):
    """Division of the work, with `shards: auto`."""

    minutes: Annotated[float, Between(0.01, 100_000)] = Field(
        default=20, description="What a job is meant to last, as far as it can be estimated before anything has run."
    )
    clips: Annotated[int, Between(8, 1_000_000)] = Field(default=256, description="A job takes at most so many clips.")
    most: Count = Field(
        default=8000,
        description="At most so many jobs: where there would be more, each lasts longer and takes more clips.",
    )
    gflops: Annotated[float, Between(0.001, 1e9)] | None = Field(
        default=None,
        description="Speed of one job that estimates are based on, 10⁹ operations a second; default: 60 on a CPU, 5000 "
        "on a GPU. A login node without a GPU plans for CPUs unless this, or `device: cuda`, says otherwise.",
    )


def changed(base: Training, changes: dict[str, Any]) -> Training:
    """The training with some of its keys changed."""
    return Training.model_validate(base.model_dump() | changes)


def sentence(problem: ErrorDetails, root: type[BaseModel]) -> str:
    """A problem in words, with the nearest known key of the section `root`."""
    where = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        *parents, name = problem["loc"]
        return f"{where}: unknown key{did_you_mean(str(name), _known_keys(parents, root))}"
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
    return registry.with_quotes(f"{where}: {text}{given}" if where else text, problem["input"])


def _known_keys(parents: list, root: type[BaseModel]) -> list[str]:
    """Keys of the section at a path, such as `models`, `r2plus1d`; all entries of a named section have the same."""
    kind: Any = root
    for part in parents:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[part].annotation
            kind = get_args(kind)[0] if type(None) in get_args(kind) else kind
        else:
            kind = get_args(kind)[-1]
    return list(kind.model_fields)
