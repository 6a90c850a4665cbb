"""What the optimiser of the extremal family minimises beside −log Φ_c: the area term and the core term L_K."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

KERNEL_SHARE = 11 / 112
KERNEL_FRAMES = 7


def area_loss(masks: Tensor, ratios: Tensor) -> Tensor:
    """Squared distance of the sorted masks from `ratio` ones followed by zeros. Li et al. 2021, eq. 6.

    Sorting is not needed: Σ (sort(m) − r)² = Σ m² + k − 2 · (sum of the k largest).

    Args:
        masks: [N, ...] in [0, 1].
        ratios: [N], shares of voxels to keep, in (0, 1).

    Returns:
        [N], mean over voxels, so it does not grow with the clip.
    """
    flat = masks.flatten(1)
    size = flat.shape[1]
    ones = [round(ratio * size) for ratio in ratios.tolist()]
    largest = torch.stack([top_sum(row, count) for row, count in zip(flat, ones, strict=True)])
    return ((flat**2).sum(dim=1) + torch.tensor(ones, dtype=flat.dtype, device=flat.device) - 2 * largest) / size


def top_sum(values: Tensor, count: int) -> Tensor:
    """Sum of the `count` largest of `values` [n]. Values that tie at the edge share the gradient equally."""
    if count == 0:
        return values.sum() * 0
    with torch.no_grad():
        edge = values.kthvalue(len(values) - count + 1).values
        above, tied = values > edge, values == edge
        share = above + tied * ((count - above.sum()) / tied.sum())
    return (values * share).sum()


@dataclass(frozen=True)
class Core:
    """The core term L_K, which gathers a mask's high values into ellipsoids. Li et al. 2021, eqs. 7–9.

    Args:
        height, width: of the frame, pixels; they set the kernel's size by default.
        frames: length of the ellipsoid, T_K.
        size: diameter of the ellipsoid, H_K = W_K, pixels; by default 11 for a shorter side of 112, and in proportion.
        released: as the paper's release has it: no temporal padding, so that a clip's first and last frames carry almost
            no weight; the template sized by the continuous ellipsoid's volume. Unlike the release, the corrected form
            continues the first and last frame in time, so that ellipsoids stand at every frame, lays two tilings shifted
            by half a kernel, divides each placement by the part of the ellipsoid that lies inside the frame, and sizes
            the template by the true number of voxels.
    """

    height: int
    width: int
    frames: int = KERNEL_FRAMES
    size: int | None = None
    released: bool = True

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
        placements = (self._released if self.released else self._corrected)(masks[:, None], kernel[None, None])
        volume = math.pi / 6 * kernel.numel() if self.released else kernel.sum().item()
        tilings = 1 if self.released else 2
        losses = []
        for row, ratio in zip(placements, ratios.tolist(), strict=True):
            ones = math.ceil(tilings * ratio * masks[0].numel() / volume)
            losses.append(template_loss(row, min(ones, len(row) - 1)))
        return torch.stack(losses)

    def _released(self, masks: Tensor, kernel: Tensor) -> Tensor:
        stride = (1, self.diameter, self.diameter)
        return (functional.conv3d(masks, kernel, stride=stride) / kernel.sum()).flatten(1)

    def _corrected(self, masks: Tensor, kernel: Tensor) -> Tensor:
        before, after = self.frames // 2, (self.frames - 1) // 2
        longer = functional.pad(masks, (0, 0, 0, 0, before, after), mode="replicate")
        tilings = [self._covered(longer, kernel, shift) for shift in (0, self.diameter // 2)]
        return torch.cat(tilings, dim=1)

    def _covered(self, masks: Tensor, kernel: Tensor, shift: int) -> Tensor:
        stride = (1, self.diameter, self.diameter)
        right, below = (-(size + shift) % self.diameter for size in (masks.shape[-1], masks.shape[-2]))
        pads = (shift, right, shift, below)
        inside = functional.conv3d(functional.pad(torch.ones_like(masks[:1]), pads), kernel, stride=stride)
        placed = functional.conv3d(functional.pad(masks, pads), kernel, stride=stride)
        enough = (inside >= kernel.sum() / 4).flatten()
        return (placed / inside.clamp(min=1)).flatten(1)[:, enough]


def template_loss(values: Tensor, ones: int) -> Tensor:
    """Mean of (x − 1)² over the `ones` largest values [n] plus mean of x² over the others; ones in 1 … n − 1."""
    top = values.topk(ones).values
    rest = ((values**2).sum() - (top**2).sum()) / (len(values) - ones)
    return ((top - 1) ** 2).mean() + rest
