"""The core term L_K, the gathering of a mask into ellipsoids."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from stepaudit.extremal.area import by_count
from stepaudit.extremal.strided import strided_sums
from stepaudit.extremal.temporal import CLIP_FRAMES

KERNEL_SHARE = 11 / 112
KERNEL_FRAMES = 7
MIN_DIAMETER = 3  # frames and pixels of an ellipsoid; of less, only its middle is inside


@dataclass(frozen=True)
class Core:
    """The core term L_K: gathers a mask's high values into ellipsoids. Li et al. 2021, eqs. 7–9.

    Args:
        height, width: of the frame, pixels; they set the kernel's size by default.
        frames: length of the ellipsoid, T_K.
        size: diameter of the ellipsoid, H_K = W_K, pixels; by default 11 for a side of 112, and in proportion.
        released: as the paper's release has it: no temporal padding, so that a clip's first and last frames carry
            almost no weight; the template sized by the continuous ellipsoid's volume. Unlike the release, the
            corrected form places ellipsoids at every frame, in two tilings that together reach every pixel, divides
            each by the part of it that lies inside the clip, lets it count by that part, and sizes the template by the
            true number of voxels.
    """

    height: int
    width: int
    frames: int = KERNEL_FRAMES
    size: int | None = None
    released: bool = True

    @property
    def diameter(self) -> int:
        """H_K = W_K in pixels."""
        return self.size or max(MIN_DIAMETER, round(KERNEL_SHARE * min(self.height, self.width)))

    def kernel(self) -> Tensor:
        """k of eq. 8: ones inside the ellipsoid. [T_K, H_K, W_K]."""
        time, space = torch.linspace(-1, 1, self.frames) ** 2, torch.linspace(-1, 1, self.diameter) ** 2
        # A voxel on the surface belongs to the ellipsoid; rounding must not decide it.
        return ((time[:, None, None] + space[:, None] + space) <= 1 + 1e-6).float()

    def __call__(self, masks: Tensor, ratios: Sequence[float], tie: float = 0.0) -> Tensor:
        """L_K of each mask.

        Args:
            masks: [N, T, H, W] in [0, 1].
            ratios: N shares of voxels to keep, in (0, 1).
            tie: placements this near to the smallest kept one share its place, see `Settings.tie`.

        Returns:
            [N]: mean of (x − 1)² over the template's ones plus mean of x² over the rest, x = M ∗ K.
        """
        placements, parts, ones = self.placed(masks)
        return template_loss(placements, [math.ceil(ratio * ones) for ratio in ratios], parts, tie)

    def placed(self, masks: Tensor) -> tuple[Tensor, Tensor, float]:
        """M ∗ K [N, P], the weight of each placement [P], and the template's ones for a ratio of 1."""
        size = masks[0].numel()
        kernel, inside, voxels = self._constants(tuple(masks.shape[1:]), masks.device, masks.dtype)
        if self.released:
            placements = strided_sums(masks, kernel, self._pitch).flatten(1) / voxels
            return placements, torch.ones_like(placements[0]), size / (math.pi / 6 * kernel.numel())
        placements = self._tilings(masks, kernel) / inside.clamp(min=1)
        return placements, inside / voxels, 2 * (self.diameter / self._pitch) ** 2 * size / voxels

    @cache  # noqa: B019 (a frozen record of a few numbers)
    def _constants(
        self, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, float]:
        """The kernel, the voxels of each corrected placement inside the clip [P], and the kernel's voxels."""
        own, ones = self.kernel(), torch.ones(1, *shape, device=device, dtype=dtype)
        kernel = own.to(device, dtype)
        return kernel, self._tilings(ones, kernel)[0], own.sum().item()

    def _tilings(self, masks: Tensor, kernel: Tensor) -> Tensor:
        """Sums over the placements of both tilings, [N, P]; some may lie outside."""
        return torch.cat(
            [strided_sums(self._zero_padded(masks, shift), kernel, self._pitch).flatten(1) for shift in self._shifts], 1
        )

    def _zero_padded(self, masks: Tensor, shift: int) -> Tensor:
        """Masks with as many zeros around them as a tiling that begins `shift` pixels outside needs."""
        right, below = (-(size + shift - self.diameter) % self._pitch + self._pitch for size in masks.shape[:-3:-1])
        return functional.pad(masks, (shift, right, shift, below, self.frames // 2, (self.frames - 1) // 2))

    @property
    def _shifts(self) -> tuple[int, int]:
        return 0, self._pitch // 2

    @property
    def _pitch(self) -> int:
        """Pixels between placements: two tilings shifted by half of an even pitch below the diameter leave no hole."""
        return self.diameter if self.released else max(1, 2 * ((self.diameter - 1) // 2))


def core_frames(of_sixteen: int, frames: int) -> int:
    """Length of the ellipsoid for clips of this many frames, in proportion to its length for clips of 16.

    It is odd if that is: an odd number of frames has a middle one, where the ellipsoid is widest.
    """
    return max(MIN_DIAMETER, of_sixteen + 2 * round(of_sixteen * (frames / CLIP_FRAMES - 1) / 2))


def template_loss(values: Tensor, ones: Sequence[float], parts: Tensor, tie: float = 0.0) -> Tensor:
    """Mean of (x − 1)² over the greatest values plus mean of x² over the others. The release's form of eq. 7.

    Args:
        values: [N, n].
        ones: of each row, the sum of `parts` that counts as greatest; at most all but the least.
        parts: [n] in [0, 1], weights of the values; all 1 is the release.
        tie: values within `tie` of the edge share the rest of the ones equally.

    Returns:
        [N].
    """
    with torch.no_grad():
        top = by_count(ones, values.device, lambda rows, count: _greatest(values[rows], count, parts, tie))
        rest = parts - top
        top, rest = top / top.sum(dim=1, keepdim=True), rest / rest.sum(dim=1, keepdim=True)
    return ((values - 1) ** 2 * top).sum(dim=1) + (values**2 * rest).sum(dim=1)


def _greatest(values: Tensor, ones: float, parts: Tensor, tie: float) -> Tensor:
    """Share of each value that counts as greatest, [N, n]; each row adds up to `ones`."""
    most = parts.sum() - torch.where(parts > 0, parts, torch.inf).min()
    total = most.clamp(max=ones)
    ordered, order = values.sort(dim=1, descending=True)
    edge = ordered.gather(1, (parts[order].cumsum(dim=1) < total - 1e-4).sum(dim=1, keepdim=True))
    above, tied = parts * (values > edge + tie), parts * ((values - edge).abs() <= tie)
    left = total - above.sum(dim=1, keepdim=True)
    return above + tied * (left / tied.sum(dim=1, keepdim=True)).clamp(0, 1)
