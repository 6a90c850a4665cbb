"""EP-3D: the mask of a given volume, free in space and time, that best keeps the class. Li et al. 2021, eqs. 5–6."""

from functools import partial
from typing import Literal

from torch import Tensor, nn

from stepaudit.extremal.settings import settings
from stepaudit.maps import Maps
from stepaudit.methods._extremal import explain, passes_of, sufficiency_of

ranges = {"iterations": (1, 100_000), "blur_sigma": (0, 1_000), "mask_sigma": (0.1, 1_000)}
optimises_masks = True


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: Tensor,
    seed: int = 0,
    preset: Literal["paper", "follow-up", "matched", "corrected"] = "matched",
    schedule: Literal["paper", "fast", "short"] = "paper",
    iterations: int | None = None,
    perturbation: Literal["blur", "blur-pyramid", "fade", "freeze", "noise"] | None = None,
    blur_sigma: float | None = None,
    mask_sigma: float | None = None,
) -> Maps:
    """EP-3D: the mask of a given volume, free in space and time, that best keeps the class. Li et al. 2021, eqs. 5–6.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        ratios: [N] preservation ratios, in (0, 1).
        seed: as for `step`.
        preset, schedule, iterations, perturbation, blur_sigma, mask_sigma: as for `step`.
    """
    chosen = settings("ep3d", preset, schedule, iterations)
    return explain(model, clips, targets, ratios, seed, preset, chosen, perturbation, blur_sigma, mask_sigma)


passes = partial(passes_of, "ep3d")
sufficiency = partial(sufficiency_of, "ep3d")
