"""Interface of the searches for sufficient masks, by gradients and by forward passes alone."""

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from stepaudit.extremal.sweep import Snapshot


class Run(Protocol):
    """The search of one row: `sweep.Run` or `greedy.Path`."""

    row: int
    step: Any
    snapshots: list[Snapshot]
    early: list[Snapshot]

    @property
    def ended(self) -> bool: ...


class Search(Protocol):
    """The searches of the rows of a question: `Sweep` or `Greedy`."""

    name: str
    free: Tensor
    passes: int

    def begin(self, fills: Mapping[int, list[int]]) -> list[Any]: ...

    def advance(self, runs: Any, passes: int) -> None: ...
