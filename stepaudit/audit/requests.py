"""A row that a stage has to make, as a record."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, eq=False)
class Request:
    """A row to make: of a clip, for a class, a ratio and a seed.

    Args:
        clip: row of `clips`.
        prediction: row of `predictions`; empty where the stage reads none.
        target: index of the class; None if the model has no such class.
        target_probability: of that class on the unperturbed clip.
    """

    clip: dict
    target: int | None
    prediction: dict = field(default_factory=dict)
    target_probability: float | None = None
    ratio: float | None = None
    seed: int = 0

    @property
    def clip_id(self) -> str:
        return self.clip["clip_id"]


def for_runner_up(request: Request) -> Request:
    """The request for the most probable class but the annotated one; None where there is none."""
    probabilities = dict(enumerate(request.prediction["probabilities"] or []))
    others = [(value, -target) for target, value in probabilities.items() if target != request.target]
    if not others:
        return replace(request, target=None, target_probability=None)
    probability, target = max(others)  # of equal ones the first
    return replace(request, target=-target, target_probability=probability)
