"""A row that a stage has to make, as a record."""

from dataclasses import dataclass, field


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
