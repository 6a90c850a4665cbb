"""What the methods of the extremal family share: from options to maps."""

import torch
from torch import Tensor, nn

from stepaudit.extremal.engine import optimise
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.settings import Settings, settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.maps import Maps, smooth_max_name

NOISE = 0.01


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
    seed: int = 0,
) -> Maps:
    """Optimises a mask for each row and packs it with what the table `maps` keeps of it.

    Unlike the paper, which has one start, seeds other than 0 start elsewhere, so that an audit can tell how much of a
    mask is chance.
    """
    height, width = clips.shape[-2:]
    removal = Perturbation(perturbation or settings.perturbation, blur_sigma)
    geometry = SmoothMax.of(height, width, mask_sigma)
    with torch.enable_grad():
        start = _start(seed, (clips.shape[2], *geometry.grid)).to(clips)
        result = optimise(model, clips, targets, ratios, settings, removal, geometry, start=start)
    details = {
        "preset": preset,
        "perturbation": removal.text(height, width),
        "kept_probability": result.kept_probability,
        "kept_rank": result.kept_rank,
        "steps": result.steps,
    }
    return Maps(result.seed_masks, smooth_max_name(geometry), tuple(clips.shape[-3:]), details)


def _start(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Seed masks to begin with, [1, T, h, w], the same for all rows: ones, less a little noise for seeds but 0."""
    noise = NOISE * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) if seed else torch.zeros(shape)
    return (1 - noise)[None]


def calls(
    method: str, *, preset: str = "matched", schedule: str = "paper", iterations: int | None = None, **_options: object
) -> int:
    """Forward passes of the model for a row; an iteration is one with its gradient, which counts as three."""
    return 3 * settings(method, preset, schedule, iterations).calls
