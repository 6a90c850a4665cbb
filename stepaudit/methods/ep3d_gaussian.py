"""EP-3D with seeds smoothed in time by a Gaussian, the paper's baseline for L_K. Li et al. 2021, eq. 12."""

from dataclasses import replace
from functools import partial
from typing import Literal

from torch import Tensor, nn

from stepaudit.extremal.settings import settings
from stepaudit.maps import Maps
from stepaudit.methods._extremal import explain, passes_of, sufficiency_of

ranges = {"reach": (0, 64), "iterations": (1, 100_000), "blur_sigma": (0, 1_000), "mask_sigma": (0.1, 1_000)}
optimises_masks = True


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: Tensor,
    seed: int = 0,
    reach: int = 1,
    preset: Literal["paper", "matched", "corrected"] = "matched",
    schedule: Literal["paper", "fast", "short"] = "paper",
    iterations: int | None = None,
    perturbation: Literal["blur", "blur-pyramid", "fade", "freeze", "noise"] | None = None,
    blur_sigma: float | None = None,
    mask_sigma: float | None = None,
) -> Maps:
    """EP-3D with seeds smoothed in time by a Gaussian, the paper's baseline for L_K. Li et al. 2021, eq. 12.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        ratios: [N] preservation ratios, in (0, 1).
        seed: as for `step`.
        reach: frames on each side that a seed is smoothed over, Δt in the paper: 1, 2 or 3; with more than 16 frames in
            proportion.
        preset, schedule, iterations, perturbation, blur_sigma, mask_sigma: as for `step`.
    """
    chosen = replace(settings("ep3d", preset, schedule, iterations), reach=reach)
    return explain(model, clips, targets, ratios, seed, preset, chosen, perturbation, blur_sigma, mask_sigma)


passes = partial(passes_of, "ep3d")
sufficiency = partial(sufficiency_of, "ep3d", reach=1)
