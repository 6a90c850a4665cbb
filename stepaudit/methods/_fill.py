"""Fills for the pixels that a method hides, and log-probabilities of masked clips."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from stepaudit.extremal.perturbation import Perturbation
from stepaudit.layers import target_log_probability

ROUNDING = 1e-5  # of log Φ_c in single precision: batches of another size add in another order


def filling(clips: Tensor, name: str, blur_sigma: float | None) -> tuple[Tensor, str]:
    """Fully perturbed clips, and the perturbation's name for the table.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        name: `black`, or a perturbation of two levels: `blur`, `fade`, `freeze`.
        blur_sigma: of `blur`, pixels; by default 20 for a shorter side of 112, and in proportion.

    Returns:
        [N, 3, T, H, W], and the name with its parameters.
    """
    if name == "black":
        return torch.zeros_like(clips), name
    perturbation = Perturbation(name, blur_sigma)
    return perturbation.levels(clips)[0], perturbation.text(*clips.shape[-2:])


def masked_log_probabilities(
    model: nn.Module, clip: Tensor, fill: Tensor, target: Tensor, parts: Iterable[Tensor]
) -> Tensor:
    """log Φ_c of one clip under many masks; one call of the model for each part.

    A call never holds another clip, so that a row's numbers are the same in every batch, to the last bit. If no mask
    changes more than rounding does, all values are the first one: scaled up, rounding would look like a map.

    Args:
        clip: [3, T, H, W] in [0, 1], what is seen where a mask is 1.
        fill: [3, T, H, W], what is seen where it is 0.
        target: a class index, without dimensions.
        parts: masks [m, T, H, W] in [0, 1], in parts that the device's memory holds.

    Returns:
        [M], over the masks of all parts.
    """
    log_probabilities = []
    for masks in parts:
        seen = torch.lerp(fill[None], clip[None], masks[:, None])
        log_probabilities.append(target_log_probability(model, seen, target.expand(len(masks))))
    values = torch.cat(log_probabilities)
    return torch.where(values.amax() - values.amin() < ROUNDING, values[0], values)
