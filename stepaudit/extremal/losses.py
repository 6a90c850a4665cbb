"""What the optimiser of the extremal family minimises beside −log Φ_c: the area term and the core term L_K."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

KERNEL_SHARE = 11 / 112
KERNEL_FRAMES = 7


def area_loss(masks: Tensor, ratios: Tensor, tie: float = 0.0) -> Tensor:
    """Squared distance of the sorted masks from `ratio` ones followed by zeros. Li et al. 2021, eq. 6.

    Sorting is not needed: Σ (sort(m) − r)² = Σ m² + k − 2 · (sum of the k largest).

    Args:
        masks: [N, ...] in [0, 1].
        ratios: [N], shares of voxels to keep, in (0, 1).
        tie: voxels this near to the smallest kept one share its place, see `Settings.tie`; 0 is the equation.

    Returns:
        [N], mean over voxels, so it does not grow with the clip.
    """
    flat = masks.flatten(1)
    size = flat.shape[1]
    ones = [round(ratio * size) for ratio in ratios.tolist()]
    largest = torch.stack([top_sum(row, count, tie) for row, count in zip(flat, ones, strict=True)])
    return ((flat**2).sum(dim=1) + torch.tensor(ones, dtype=flat.dtype, device=flat.device) - 2 * largest) / size


def top_sum(values: Tensor, count: int, tie: float = 0.0) -> Tensor:
    """Sum of the `count` largest of `values` [n]; those within `tie` of the edge share the rest of the count."""
    if count == 0:
        return values.sum() * 0
    with torch.no_grad():
        edge = values.kthvalue(len(values) - count + 1).values
        above, tied = values > edge + tie, (values - edge).abs() <= tie
        share = above + tied * ((count - above.sum()) / tied.sum())
    return (values * share).sum()


@dataclass(frozen=True)
class Core:
    """The core term L_K, which gathers a mask's high values into ellipsoids. Li et al. 2021, eqs. 7–9.

    Args:
        height, width: of the frame, pixels; they set the kernel's size by default.
        frames: length of the ellipsoid, T_K.
        size: diameter of the ellipsoid, H_K = W_K, pixels; by default 11 for a side of 112, and in proportion.
        released: as the paper's release has it: no temporal padding, so that a clip's first and last frames carry
            almost no weight; the template sized by the continuous ellipsoid's volume. Unlike the release, the
            corrected form places ellipsoids at every frame, in two tilings shifted by half a kernel, divides each by
            the part of it that lies inside the clip, lets it count by that part, and sizes the template by the true
            number of voxels.
        tie: placements this near to the smallest kept one share its place, see `Settings.tie`.
    """

    height: int
    width: int
    frames: int = KERNEL_FRAMES
    size: int | None = None
    released: bool = True
    tie: float = 0.0

    @property
    def diameter(self) -> int:
        """H_K = W_K in pixels."""
        return self.size or max(3, round(KERNEL_SHARE * min(self.height, self.width)))

    def kernel(self) -> Tensor:
        """k of eq. 8: ones inside the ellipsoid. [T_K, H_K, W_K]."""
        time, space = torch.linspace(-1, 1, self.frames) ** 2, torch.linspace(-1, 1, self.diameter) ** 2
        # A voxel on the surface belongs to the ellipsoid; rounding must not decide it.
        return ((time[:, None, None] + space[:, None] + space) <= 1 + 1e-6).float()

    def __call__(self, masks: Tensor, ratios: Tensor) -> Tensor:
        """L_K of each mask.

        Args:
            masks: [N, T, H, W] in [0, 1].
            ratios: [N], shares of voxels to keep, in (0, 1).

        Returns:
            [N]: mean of (x − 1)² over the template's ones plus mean of x² over the rest, x = M ∗ K.
        """
        kernel = self.kernel().to(masks)
        if self.released:
            placements = functional.conv3d(masks[:, None], kernel[None, None], stride=self._stride) / kernel.sum()
            placements = placements.flatten(1)
            parts, ones = torch.ones_like(placements[0]), masks[0].numel() / (math.pi / 6 * kernel.numel())
        else:
            tilings = [self._covered(masks, kernel, shift) for shift in (0, self.diameter // 2)]
            placements, parts = (torch.cat(pieces, dim=-1) for pieces in zip(*tilings, strict=True))
            ones = len(tilings) * masks[0].numel() / kernel.sum().item()
        return torch.stack(
            [
                template_loss(row, math.ceil(ratio * ones), parts, self.tie)
                for row, ratio in zip(placements, ratios.tolist(), strict=True)
            ]
        )

    @property
    def _stride(self) -> tuple[int, int, int]:
        return 1, self.diameter, self.diameter

    def _covered(self, masks: Tensor, kernel: Tensor, shift: int) -> tuple[Tensor, Tensor]:
        """Placements of a shifted tiling, [N, P], and the part of each ellipsoid that lies inside the clip, [P]."""
        right, below = (-(size + shift) % self.diameter for size in (masks.shape[-1], masks.shape[-2]))
        pads = (shift, right, shift, below, self.frames // 2, (self.frames - 1) // 2)
        stacked = torch.cat([torch.ones_like(masks[:1]), masks])[:, None]
        inside, *placed = functional.conv3d(functional.pad(stacked, pads), kernel[None, None], stride=self._stride)
        used = inside.flatten() > 0
        inside = inside.flatten()[used]
        return torch.stack(placed).flatten(1)[:, used] / inside, inside / kernel.sum()


def template_loss(values: Tensor, ones: float, parts: Tensor, tie: float = 0.0) -> Tensor:
    """Mean of (x − 1)² over the greatest values plus mean of x² over the others. The release's form of eq. 7.

    Args:
        values: [n].
        ones: how much of `parts` counts as greatest; at most all but the least.
        parts: [n] in (0, 1], how much each value counts; all 1 is the release.
        tie: values within `tie` of the edge share the rest of the ones equally.
    """
    with torch.no_grad():
        ordered, order = values.sort(descending=True)
        ones = min(ones, (parts.sum() - parts.min()).item())
        edge = ordered[(parts[order].cumsum(0) < ones - 1e-4).sum()]
        above, tied = parts * (values > edge + tie), parts * ((values - edge).abs() <= tie)
        top = above + tied * ((ones - above.sum()) / tied.sum()).clamp(0, 1)
        rest = parts - top
    return ((values - 1) ** 2 * top).sum() / top.sum() + (values**2 * rest).sum() / rest.sum()
