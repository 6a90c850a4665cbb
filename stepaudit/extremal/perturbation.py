"""Perturbations: the operation m ⊗ x on the pixels that a mask removes. Li et al. 2021, section 3.1."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stepaudit.layers import gaussian_blur

PYRAMID_LEVELS = 8
BLUR_SHARE = 20 / 112


@dataclass(frozen=True)
class Perturbation:
    """A named perturbation with its parameter.

    Args:
        name: `blur` (the paper's two levels), `blur-pyramid` (the release's eight), `fade` (the clip's mean colour),
            `freeze` (the clip's mean frame, which keeps appearance and removes motion), or `noise` (uniform, seeded).
        sigma: of the (strongest) blur, pixels; by default 20 for a shorter side of 112, and in proportion.
    """

    name: str = "blur"
    sigma: float | None = None

    def text(self, height: int, width: int) -> str:
        """Name and parameters, as result rows carry them."""
        return f"{self.name}:sigma={self.sigma_of(height, width):g}" if self.name.startswith("blur") else self.name

    def levels(self, clips: Tensor) -> Tensor:
        """Versions of each clip from fully perturbed to untouched. [N, 3, T, H, W] to [L, N, 3, T, H, W]."""
        return torch.stack([*LEVELS[self.name](clips, self.sigma_of(*clips.shape[-2:])), clips])

    def sigma_of(self, height: int, width: int) -> float:
        """The blur's sigma for frames of this size, pixels."""
        return self.sigma if self.sigma is not None else BLUR_SHARE * min(height, width)


def blend(levels: Tensor, masks: Tensor) -> Tensor:
    """m ⊗ x: each pixel interpolated linearly between its two nearest levels, which lie in equal steps from 0 to 1.

    Args:
        levels: [L, N, 3, T, H, W], the last one untouched. With L = 2 this is m·x + (1 − m)·fill.
        masks: [N, T, H, W] in [0, 1].

    Returns:
        [N, 3, T, H, W].
    """
    return _Blend.apply(levels, masks)


def hard_mask(importance: Tensor, share: float) -> Tensor:
    """1 for the given share of voxels with the greatest importance, 0 for the others; equal ones by their order."""
    order = importance.flatten().argsort(descending=True, stable=True)
    mask = torch.zeros(len(order), device=importance.device)
    mask[order[: round(share * len(order))]] = 1
    return mask.view_as(importance)


class _Blend(torch.autograd.Function):
    """Two levels are looked up for each pixel; the way back needs but their difference."""

    @staticmethod
    def forward(ctx, levels: Tensor, masks: Tensor) -> Tensor:
        depth = masks * (len(levels) - 1)
        below = depth.floor().clamp(max=len(levels) - 2)
        low, high = _adjacent_levels(levels, below.nan_to_num().long())  # a model's NaN is no index; the mask stays NaN
        ctx.steps, ctx.difference = len(levels) - 1, high - low
        return torch.addcmul(low, ctx.difference, (depth - below)[:, None])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor]:
        return None, (gradient * ctx.difference).sum(dim=1) * ctx.steps


def _adjacent_levels(levels: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
    """Each pixel at the level below its mask value, and at the next."""
    if len(levels) == 2:
        return levels[0], levels[1]
    index = below[:, None].expand(levels.shape[1:])[None]
    return levels.gather(0, index)[0], levels.gather(0, index + 1)[0]


def _blur(clips: Tensor, sigma: float) -> list[Tensor]:
    return [gaussian_blur(clips, sigma)]


def _blur_pyramid(clips: Tensor, sigma: float) -> list[Tensor]:
    steps = PYRAMID_LEVELS - 1
    return [gaussian_blur(clips, sigma * (steps - level) / steps) for level in range(steps)]


def _fade(clips: Tensor, sigma: float) -> list[Tensor]:
    return [clips.mean(dim=(2, 3, 4), keepdim=True).expand_as(clips)]


def _freeze(clips: Tensor, sigma: float) -> list[Tensor]:
    return [clips.mean(dim=2, keepdim=True).expand_as(clips)]


def _noise(clips: Tensor, sigma: float) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(clips.shape[1:], generator=generator).to(clips).expand_as(clips)]


LEVELS: dict[str, Callable[[Tensor, float], list[Tensor]]] = {
    "blur": _blur,
    "blur-pyramid": _blur_pyramid,
    "fade": _fade,
    "freeze": _freeze,
    "noise": _noise,
}
