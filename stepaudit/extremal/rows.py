"""The rows that are optimised together. They enter and leave the batch at different times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Rows under way, each at its own iteration.

    Args:
        index: N places in the caller's batch.
        done: N iterations behind each, known to the host without asking the device.
        steps: [N], the same on the device.
        targets: [N] class indices.
        ratios: N preservation ratios.
        levels: [N, L, 3, T, H, W], of the perturbation.
        seeds: [N, T, h, w].
        moments: [N, 2, T, h, w], what the optimiser remembers.
        energy: [N], when it was last looked at, with the weights of the end; infinite at first.
    """

    index: list[int]
    done: list[int]
    steps: Tensor
    targets: Tensor
    ratios: list[float]
    levels: Tensor
    seeds: Tensor
    moments: Tensor
    energy: Tensor

    def __len__(self) -> int:
        return len(self.index)

    def take(self, places: Sequence[int]) -> Rows:
        """Some of the rows."""
        chosen = torch.tensor(places, dtype=torch.long, device=self.seeds.device)
        values = [getattr(self, field.name) for field in fields(self)]
        return Rows(*(value[chosen] if isinstance(value, Tensor) else [value[p] for p in places] for value in values))

    def join(self, other: Rows) -> Rows:
        """These rows, and the others behind them."""
        pairs = [(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)]
        return Rows(*(torch.cat(pair) if isinstance(pair[0], Tensor) else pair[0] + pair[1] for pair in pairs))
