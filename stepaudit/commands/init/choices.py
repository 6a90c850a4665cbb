"""What the user of `stepaudit init` decides, what is chosen where nothing is decided, and how it is asked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from stepaudit.audit import registry
from stepaudit.commands.init.budgets import BUDGETS, MODEL, PRETRAINED, Budget
from stepaudit.errors import UsageError, did_you_mean

NONE = "none"


@dataclass(frozen=True)
class Choices:
    """What the user has decided; None leaves it to the budget.

    Args:
        folder: of the videos, as the user wrote it.
        out: the file to write.
        weights: `none` begins at random.
        methods: names, divided by commas.
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


@dataclass(frozen=True)
class Question:
    """What is asked on a terminal: a field of `Choices`, the words, the answer that is proposed, and its check."""

    field: str
    text: str
    proposed: Callable[[Choices], str]
    check: Callable[[Choices], object]


def budget_of(choices: Choices) -> Budget:
    """The budget. Raises UsageError if there is no such."""
    if choices.budget not in BUDGETS:
        raise UsageError(f"no budget '{choices.budget}'{did_you_mean(choices.budget, list(BUDGETS))}")
    return BUDGETS[choices.budget]


def audit_name(choices: Choices) -> str:
    """The audit's name, by default the folder's."""
    given = choices.audit or choices.folder.name.strip(".") or choices.folder.resolve().name
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", given).strip("_.-+")
    return name or "audit"


def model_of(choices: Choices) -> str:
    """What the model uses."""
    return choices.model or MODEL


def weights_of(choices: Choices) -> str | None:
    """Initial weights: the given ones, or those of torchvision where the budget is for a pretrained model."""
    if choices.weights is not None:
        return None if choices.weights == NONE else choices.weights
    return PRETRAINED.get(model_of(choices), (None,))[0] if budget_of(choices).pretrained else None


def size_of(choices: Choices) -> tuple[int, int, int]:
    """Frames, height and width. Raises UsageError if the text is none."""
    if choices.size is None:
        budget = budget_of(choices)
        return (
            PRETRAINED[model_of(choices)][1] if weights_of(choices) and model_of(choices) in PRETRAINED else budget.size
        )
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})x(\d{1,4})", choices.size)
    if match is None:
        raise UsageError(f"'{choices.size}' is no size; give frames, height and width, such as 16x112x112")
    return tuple(map(int, match.groups()))


def methods_of(choices: Choices) -> list[str]:
    """Methods besides the floors. Raises UsageError for a name that there is not."""
    names = [name.strip() for name in (choices.methods or ",".join(budget_of(choices).methods)).split(",")]
    return [registry.find("methods", name).name for name in dict.fromkeys(names) if name]


QUESTIONS = (
    Question(
        "budget",
        "\n".join(f"  {name}: {budget.text}" for name, budget in BUDGETS.items()) + "\nBudget",
        lambda choices: choices.budget,
        budget_of,
    ),
    Question(
        "model",
        "Model (`stepaudit list models`, or module:object of your own)",
        model_of,
        lambda choices: registry.find("models", model_of(choices)),
    ),
    Question(
        "weights",
        "Weights to begin with (torchvision's name, a file, or none)",
        lambda choices: weights_of(choices) or NONE,
        weights_of,
    ),
    Question(
        "methods",
        "Methods (`stepaudit list methods`)",
        lambda choices: ",".join(methods_of(choices)),
        methods_of,
    ),
    Question(
        "size",
        "Frames, height and width of the clips",
        lambda choices: "x".join(map(str, size_of(choices))),
        size_of,
    ),
)


def answered(choices: Choices, field: str, answer: str) -> Choices:
    """The choices with one more answer."""
    return replace(choices, **{field: answer})
