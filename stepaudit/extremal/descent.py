"""One step of an optimiser, as PyTorch's `SGD` and `Adam` take it, without their state."""

import torch
from torch import Tensor

from stepaudit.extremal.settings import Settings

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8  # Adam's usual numbers


def optimizer_step(
    seeds: Tensor, gradient: Tensor, moments: Tensor, step: int, settings: Settings
) -> tuple[Tensor, Tensor]:
    """Seeds and moments after one step of the settings' optimiser; seeds are brought back into [0, 1].

    Args:
        seeds, gradient: [N, T, h, w].
        moments: [N, 2, T, h, w], the optimiser's state; zeros at first.
        step: the iteration, counted from 0.
    """
    rule = {"sgd": _sgd, "adam": _adam}[settings.optimizer]
    first, second = moments.unbind(dim=1)
    update, moments = rule(gradient, first, second, step, settings)
    return (seeds - settings.learning_rate_at(step) * update).clamp(0, 1), moments


def _sgd(gradient: Tensor, velocity: Tensor, unused: Tensor, step: int, settings: Settings) -> tuple[Tensor, Tensor]:
    """v ← momentum · v + (1 − dampening) · g, and v = g in the first step."""
    velocity = settings.momentum * velocity + (1 - settings.dampening) * gradient if step else gradient
    return velocity, torch.stack([velocity, unused], dim=1)


def _adam(gradient: Tensor, first: Tensor, second: Tensor, step: int, settings: Settings) -> tuple[Tensor, Tensor]:
    """Kingma and Ba 2015, algorithm 1."""
    first = torch.lerp(gradient, first, FIRST_DECAY)
    second = torch.lerp(gradient**2, second, SECOND_DECAY)
    steps = torch.tensor(step + 1)
    mean, square = first / (1 - FIRST_DECAY**steps), second / (1 - SECOND_DECAY**steps)
    return mean / (square.sqrt() + EPSILON), torch.stack([first, second], dim=1)
