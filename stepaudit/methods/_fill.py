"""What stands in the place of pixels that a method hides, and the model's answer to clips seen through masks."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from stepaudit.extremal.perturbation import Perturbation
from stepaudit.layers import target_log_probability

ROUNDING = 1e-5  # of log Φ_c in single precision: batches of another size add in another order


def filling(clips: Tensor, name: str, blur_sigma: float | None) -> tuple[Tensor, str]:
    """The clips of which nothing is left, and the perturbation's name for the table.

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
    changes more than rounding does, all answers are the first one: scaled up, rounding would look like a map.

    Args:
        clip: [3, T, H, W] in [0, 1], what is seen where a mask is 1.
        fill: [3, T, H, W], what is seen where it is 0.
        target: a class index, without dimensions.
        parts: masks [m, T, H, W] in [0, 1], in parts that the device's memory holds.

    Returns:
        [M], over the masks of all parts.
    """
    found = []
    for masks in parts:
        seen = torch.lerp(fill[None], clip[None], masks[:, None])
        found.append(target_log_probability(model, seen, target.expand(len(masks))))
    answers = torch.cat(found)
    return torch.where(answers.amax() - answers.amin() < ROUNDING, answers[0], answers)
