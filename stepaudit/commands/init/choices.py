"""The choices of a user of `stepaudit init`, their defaults, and the questions on a terminal."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stepaudit.audit import registry
from stepaudit.audit.sections import Clips
from stepaudit.commands.init.budgets import BUDGETS, MODEL, PRETRAINED, Budget, Size
from stepaudit.errors import UsageError, did_you_mean

NONE = "none"
WEIGHT_FILES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".tar")


@dataclass(frozen=True)
class Choices:
    """The choices of the user; None leaves one to the budget.

    Args:
        folder: of the videos, as the user wrote it.
        out: the file to write.
        budget: name in `BUDGETS`.
        weights: `none` starts at random.
        methods: names, separated by commas.
        size: such as 16x112x112.
    """

    folder: Path
    out: Path
    budget: str = next(iter(BUDGETS))
    audit: str | None = None
    model: str | None = None
    weights: str | None = None
    methods: str | None = None
    size: str | None = None

    @property
    def dataset_name(self) -> str:
        """The data set's name, the folder's: two audits of a folder can be compared."""
        return _slug(self.folder.name.strip(".") or self.folder.resolve().name) or "videos"

    @property
    def audit_name(self) -> str:
        """The audit's name, by default the data set's."""
        return _slug(self.audit or "") or self.dataset_name

    @property
    def model_name(self) -> str:
        return self.model or MODEL


def _slug(text: str) -> str:
    """A text as a name in a configuration."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "_", text).strip("_.-+")


def budget_of(choices: Choices) -> Budget:
    """The budget. Raises UsageError if its name is unknown."""
    if choices.budget not in BUDGETS:
        raise UsageError(f"no budget '{choices.budget}'{did_you_mean(choices.budget, list(BUDGETS))}")
    return BUDGETS[choices.budget]


def weights_of(choices: Choices) -> str | None:
    """Initial weights: the chosen ones, or those of torchvision where the budget is for a pretrained model."""
    if choices.weights is not None:
        return None if choices.weights == NONE else choices.weights
    pretrained = PRETRAINED.get(choices.model_name) if budget_of(choices).pretrained else None
    return pretrained[0] if pretrained else None


def own_weights(choices: Choices) -> bool:
    """True if the weights are a file of the user's: the model is audited as it is, not trained first."""
    weights = choices.weights
    return weights not in (None, NONE) and (Path(str(weights)).exists() or Path(str(weights)).suffix in WEIGHT_FILES)


def size_of(choices: Choices) -> Size:
    """Frames, height and width. Raises UsageError if the text does not give them."""
    if choices.size is None:
        pretrained = PRETRAINED.get(choices.model_name) if weights_of(choices) else None
        return pretrained[1] if pretrained else budget_of(choices).size
    clips = Clips().resized(choices.size)
    return clips.frames, clips.height, clips.width


def methods_of(choices: Choices) -> list[str]:
    """Methods besides the floors. Raises UsageError for an unknown name."""
    names = [name.strip() for name in (choices.methods or ",".join(budget_of(choices).methods)).split(",")]
    return [registry.find("methods", name).name for name in dict.fromkeys(names) if name]


@dataclass(frozen=True)
class Question:
    """A question on a terminal: a field of `Choices`, the text, the default answer, and the check of an answer."""

    field: str
    text: str
    default: Callable[[Choices], str]
    check: Callable[[Choices], object]


BUDGET_TEXTS = "".join(f"  {name}: {budget.text}\n" for name, budget in BUDGETS.items())
QUESTIONS = (
    Question("budget", f"{BUDGET_TEXTS}Budget", lambda choices: choices.budget, budget_of),
    Question(
        "model",
        "Model (`stepaudit list models`, or module:object of your own)",
        lambda choices: choices.model_name,
        lambda choices: registry.find("models", choices.model_name),
    ),
    Question(
        "weights",
        "Weights to begin with (torchvision's name, a file, or none)",
        lambda choices: weights_of(choices) or NONE,
        weights_of,
    ),
    Question(
        "methods", "Methods (`stepaudit list methods`)", lambda choices: ",".join(methods_of(choices)), methods_of
    ),
    Question(
        "size",
        "Frames, height and width of the clips",
        lambda choices: "x".join(map(str, size_of(choices))),
        size_of,
    ),
)
