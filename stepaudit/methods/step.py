"""STEP: the mask of a given volume that best keeps the class, gathered by L_K. Li et al. 2021, section 3.2.2."""

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
    """STEP: the mask of a given volume that best keeps the class, gathered by L_K. Li et al. 2021, section 3.2.2.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        ratios: [N] preservation ratios, in (0, 1).
        seed: 0 starts from the whole clip, another one from that less noise of up to 1 %.
        preset: the weights of the energy (`stepaudit.extremal.settings`).
        schedule: the optimiser: `paper` is the preset's own, `fast` and `short` take fewer passes through the model.
        iterations: by default the schedule's own number.
        perturbation: what stands in the place of removed pixels; by default the preset's.
        blur_sigma: of the perturbation's blur, pixels; by default 20 for a shorter side of 112, and in proportion.
        mask_sigma: of the smooth maximum, pixels; by default 11 for a shorter side of 112, and in proportion.
    """
    chosen = settings("step", preset, schedule, iterations)
    return explain(model, clips, targets, ratios, seed, preset, chosen, perturbation, blur_sigma, mask_sigma)


passes = partial(passes_of, "step")
sufficiency = partial(sufficiency_of, "step")
