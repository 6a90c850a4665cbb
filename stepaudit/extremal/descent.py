"""The optimisers, with a step counter for each row: rows enter and leave the batch at different times."""

import torch
from torch import Tensor

from stepaudit.extremal.settings import Settings

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8  # Adam's usual numbers


def descended(
    seeds: Tensor, gradient: Tensor, moments: Tensor, steps: Tensor, rates: Tensor, settings: Settings
) -> tuple[Tensor, Tensor]:
    """One step of the settings' optimiser; seeds are then brought back into [0, 1].

    Args:
        seeds, gradient: [N, T, h, w].
        moments: [N, 2, T, h, w], what the optimiser remembers of each row; zeros at first.
        steps: [N], iterations that each row has behind it.
        rates: [N], learning rates.

    Returns:
        Seeds and moments after the step, as PyTorch's `SGD` or `Adam` make them.
    """
    rule = {"sgd": _sgd, "adam": _adam}[settings.optimizer]
    update, moments = rule(gradient, *moments.unbind(dim=1), _of_rows(steps), settings)
    return (seeds - _of_rows(rates) * update).clamp(0, 1), moments


def _sgd(
    gradient: Tensor, velocity: Tensor, unused: Tensor, steps: Tensor, settings: Settings
) -> tuple[Tensor, Tensor]:
    """v ← momentum · v + (1 − dampening) · g, and v = g in the first step."""
    later = settings.momentum * velocity + (1 - settings.dampening) * gradient
    velocity = torch.where(steps == 0, gradient, later)
    return velocity, torch.stack([velocity, unused], dim=1)


def _adam(gradient: Tensor, first: Tensor, second: Tensor, steps: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """Kingma and Ba 2015, algorithm 1."""
    first = torch.lerp(gradient, first, FIRST_DECAY)
    second = torch.lerp(gradient**2, second, SECOND_DECAY)
    mean, square = first / (1 - FIRST_DECAY ** (steps + 1)), second / (1 - SECOND_DECAY ** (steps + 1))
    return mean / (square.sqrt() + EPSILON), torch.stack([first, second], dim=1)


def _of_rows(values: Tensor) -> Tensor:
    return values[:, None, None, None]
