"""What the methods of the extremal family share: from options to maps."""

import torch
from torch import Tensor, nn

from stepaudit.extremal.engine import optimise
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.settings import Settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.maps import Maps, smooth_max_name


def explain(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    ratios: Tensor,
    *,
    preset: str,
    settings: Settings,
    perturbation: str | None,
    blur_sigma: float | None,
    mask_sigma: float | None,
) -> Maps:
    """Optimises a mask for each row and packs it with what the table `maps` keeps of it."""
    height, width = clips.shape[-2:]
    removal = Perturbation(perturbation or settings.perturbation, blur_sigma)
    geometry = SmoothMax.of(height, width, mask_sigma)
    with torch.enable_grad():
        result = optimise(model, clips, targets, ratios, settings, removal, geometry)
    details = {
        "preset": preset,
        "perturbation": removal.text(height, width),
        "kept_probability": result.kept_probability,
        "kept_rank": result.kept_rank,
        "steps": result.steps,
    }
    return Maps(result.seed_masks, smooth_max_name(geometry), tuple(clips.shape[-3:]), details)
