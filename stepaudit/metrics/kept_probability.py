"""Kept probability: the class's probability when only the map's greatest voxels are left."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from stepaudit.errors import NonFiniteError
from stepaudit.extremal.perturbation import Perturbation, blend, hard_mask
from stepaudit.layers import frozen, target_log_probability

ranges = {"share": (0.0001, 1), "blur_sigma": (0, 1_000)}
is_share = True


def score(
    importance: Tensor,
    clip: Tensor,
    model: nn.Module,
    target: int,
    ratio: float | None,
    *,
    share: float = 0.1,
    perturbation: Literal["blur", "blur-pyramid", "fade", "freeze", "noise"] = "blur",
    blur_sigma: float | None = None,
) -> float:
    """Softmax probability of the target on the clip under a hard mask of the map's greatest voxels.

    Args:
        importance: [T, H, W].
        clip: [3, T, H, W] in [0, 1].
        target: class index.
        ratio: share of the voxels to keep, the map's own; None takes `share`.
        share: of the voxels to keep, for maps without a ratio.
        perturbation: what stands in the place of the other voxels.
        blur_sigma: of the perturbation's blur, pixels; by default 20 for a shorter side of 112, and in proportion.

    Raises:
        NonFiniteError: the model's logits are NaN or infinite.
    """
    mask = hard_mask(importance.to(clip.device), share if ratio is None else ratio)
    levels = Perturbation(perturbation, blur_sigma).levels(clip[None])
    with frozen(model), torch.no_grad():
        targets = torch.tensor([target], device=clip.device)
        value = target_log_probability(model, blend(levels, mask[None]), targets).exp().item()
    if math.isnan(value):
        raise NonFiniteError("the model's logits are NaN")
    return value
