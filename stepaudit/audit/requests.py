"""A row that a stage has to make, as a record."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

SINGLE = ("sigmoid", "regression")  # of what models give: no class, so that there is no other one
LABEL_THRESHOLD = 0.5
UNMOVED = 1e-3  # of a probability; a trained network whose answers to all clips differ by less has learned nothing


@dataclass(frozen=True, eq=False)
class Request:
    """A row to make: of a clip, for a class, a ratio and a seed.

    Args:
        clip: row of `clips`.
        prediction: row of `predictions`; empty where the stage reads none.
        target: index of the class; None if there is none to explain.
        target_probability: of that class on the unperturbed clip.
        explains: whether that class, or the one that a runner-up is second to, is the clip's label or the answer.
    """

    clip: dict
    target: int | None
    prediction: dict = field(default_factory=dict)
    target_probability: float | None = None
    explains: Literal["label", "predicted"] = "label"
    ratio: float | None = None
    seed: int = 0

    @property
    def clip_id(self) -> str:
        return self.clip["clip_id"]

    @property
    def is_single(self) -> bool:
        """True for a label or a value, which stands against no other class."""
        return self.prediction.get("gives") in SINGLE


def is_answered(rank: int | None, probability: float) -> bool:
    """True if no class is more probable; of a label, which has no rank, if its probability is at least 0.5."""
    return probability >= LABEL_THRESHOLD if rank is None else rank == 1


def explained(request: Request, which: Literal["label", "predicted"]) -> Request:
    """The request for the class to explain: the clip's label, or the model's answer, as for clips without a label.

    Args:
        request: for the clip's label, with the model's prediction.
    """
    if request.is_single or (which == "label" and request.target is not None):
        return request
    values = request.prediction.get("probabilities") or []
    target = max(range(len(values)), key=values.__getitem__, default=None)  # of equal ones the first
    probability = None if target is None else values[target]
    return replace(request, target=target, target_probability=probability, explains="predicted")


def with_names(rows: Sequence[dict], names: Sequence[str]) -> list[dict]:
    """Rows with the name of their target, if they have one.

    Args:
        names: of the model's outputs, in order.
    """
    return [{**row, "target_name": None if row["target"] is None else names[row["target"]]} for row in rows]


def for_runner_up(request: Request) -> Request:
    """The request for the most probable class but the explained one; without a target where there is none.

    Labels that a clip has any number of are questions of their own: none stands in for another.
    """
    probabilities = {} if request.is_single else dict(enumerate(request.prediction["probabilities"] or []))
    others = [(value, -target) for target, value in probabilities.items() if target != request.target]
    if not others:
        return replace(request, target=None, target_probability=None)
    probability, target = max(others)  # of equal ones the first
    return replace(request, target=-target, target_probability=probability)
