"""What the optimiser of the extremal family minimises beside −log Φ_c: the area term and the core term L_K."""

import math
from dataclasses import dataclass
from functools import cache

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


def area_loss_per_frame(masks: Tensor, ratios: Tensor, tie: float = 0.0) -> Tensor:
    """The area term with the same ratio in every frame, averaged over frames. Li et al. 2021, eq. 11.

    Args:
        masks: [N, T, H, W] in [0, 1].
        ratios: [N].

    Returns:
        [N].
    """
    count, frames = masks.shape[:2]
    return area_loss(masks.flatten(0, 1), ratios.repeat_interleave(frames), tie).view(count, frames).mean(dim=1)


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
        return self.size or max(3, round(KERNEL_SHARE * min(self.height, self.width)))

    def kernel(self) -> Tensor:
        """k of eq. 8: ones inside the ellipsoid. [T_K, H_K, W_K]."""
        time, space = torch.linspace(-1, 1, self.frames) ** 2, torch.linspace(-1, 1, self.diameter) ** 2
        # A voxel on the surface belongs to the ellipsoid; rounding must not decide it.
        return ((time[:, None, None] + space[:, None] + space) <= 1 + 1e-6).float()

    def __call__(self, masks: Tensor, ratios: Tensor, tie: float = 0.0) -> Tensor:
        """L_K of each mask.

        Args:
            masks: [N, T, H, W] in [0, 1].
            ratios: [N], shares of voxels to keep, in (0, 1).
            tie: placements this near to the smallest kept one share its place, see `Settings.tie`.

        Returns:
            [N]: mean of (x − 1)² over the template's ones plus mean of x² over the rest, x = M ∗ K.
        """
        placements, parts, ones = self.placed(masks)
        return torch.stack(
            [
                template_loss(row, math.ceil(ratio * ones), parts, tie)
                for row, ratio in zip(placements, ratios.tolist(), strict=True)
            ]
        )

    def placed(self, masks: Tensor) -> tuple[Tensor, Tensor, float]:
        """M ∗ K [N, P], how much each placement counts [P], and the template's ones for a ratio of 1."""
        kernel, size = self.kernel().to(masks), masks[0].numel()
        if self.released:
            placements = _strided(masks, kernel, self._pitch).flatten(1) / kernel.sum()
            return placements, torch.ones_like(placements[0]), size / (math.pi / 6 * kernel.numel())
        inside, used = self._inside(tuple(masks.shape[1:]), masks.device, masks.dtype)
        placements = self._tilings(masks, kernel)[:, used] / inside
        density = 2 * (self.diameter / self._pitch) ** 2
        return placements, inside / kernel.sum(), density * size / kernel.sum().item()

    @cache  # noqa: B019 (a frozen record of a few numbers)
    def _inside(self, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """How many voxels of each placement lie inside the clip, without those that have none, and which have some."""
        ones = torch.ones(1, *shape, device=device, dtype=dtype)
        inside = self._tilings(ones, self.kernel().to(ones))[0]
        return inside[inside > 0], inside > 0

    def _tilings(self, masks: Tensor, kernel: Tensor) -> Tensor:
        """Sums over the placements of both tilings, [N, P]; some may lie outside."""
        return torch.cat(
            [_strided(self._around(masks, shift), kernel, self._pitch).flatten(1) for shift in self._shifts], 1
        )

    def _around(self, masks: Tensor, shift: int) -> Tensor:
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


def _strided(masks: Tensor, kernel: Tensor, pitch: int) -> Tensor:
    """Sums of masks [N, T, H, W] over a kernel [T_K, d, d] at every frame and every `pitch` pixels. [N, T', H', W']."""
    return _Strided.apply(masks, kernel, pitch)


class _Strided(torch.autograd.Function):
    """A strided convolution as a matrix product over cells of pitch × pixels, and its gradient as the reverse.

    Each cell gives its part to the placements that touch it, at most `span` × `span` of them, in each of the kernel's
    frames; shifted, the parts add up. The general convolution's gradient takes ten times as long on a CPU.
    """

    @staticmethod
    def forward(ctx, masks: Tensor, kernel: Tensor, pitch: int) -> Tensor:
        weights, cells = _kernel_of_cells(kernel, pitch), _Cells.of(masks.shape, kernel.shape, pitch)
        ctx.save_for_backward(weights)
        ctx.cells = cells
        parts = (weights @ cells.split(masks)).view(len(masks), *cells.parts)
        return sum(parts[(slice(None), *window)] for window in cells.windows)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weights,) = ctx.saved_tensors
        parts = gradient.new_zeros(len(gradient), *ctx.cells.parts)
        for window in ctx.cells.windows:
            parts[(slice(None), *window)] = gradient
        return ctx.cells.join(weights.T @ parts.view(len(gradient), len(weights), -1)), None, None


def _kernel_of_cells(kernel: Tensor, pitch: int) -> Tensor:
    """The kernel's weights by place in a cell: [span · span · T_K, pitch²]."""
    size = kernel.shape[-1]
    span = -(-size // pitch)
    padded = functional.pad(kernel, (0, span * pitch - size) * 2).unflatten(-1, (span, pitch))
    return padded.unflatten(1, (span, pitch)).permute(1, 3, 0, 2, 4).flatten(3).flatten(0, 2)


@dataclass(frozen=True)
class _Cells:
    """Masks of T frames and H × W pixels as `down` × `across` cells of pitch × pitch pixels; some may lie outside."""

    frames: int
    height: int
    width: int
    down: int
    across: int
    pitch: int
    span: int
    kernel_frames: int

    @classmethod
    def of(cls, masks: torch.Size, kernel: torch.Size, pitch: int) -> "_Cells":
        span = -(-kernel[-1] // pitch)
        down, across = ((side - kernel[-1]) // pitch + span for side in masks[-2:])
        return cls(*masks[-3:], down, across, pitch, span, kernel[0])

    @property
    def parts(self) -> tuple[int, ...]:
        """What the cells give: [span, span, T_K, T, down, across]."""
        return self.span, self.span, self.kernel_frames, self.frames, self.down, self.across

    @property
    def windows(self) -> list[tuple]:
        """Where the parts of a placement stand in them."""
        length, below, right = (
            self.frames - self.kernel_frames + 1,
            self.down - self.span + 1,
            self.across - self.span + 1,
        )
        return [
            (row, column, frame, slice(frame, frame + length), slice(row, row + below), slice(column, column + right))
            for row in range(self.span)
            for column in range(self.span)
            for frame in range(self.kernel_frames)
        ]

    def split(self, masks: Tensor) -> Tensor:
        """[N, T, H, W] to [N, pitch², T · down · across]."""
        grown = functional.pad(
            masks, (0, self.across * self.pitch - self.width, 0, self.down * self.pitch - self.height)
        )
        cells = grown.unflatten(-1, (self.across, self.pitch)).unflatten(-3, (self.down, self.pitch))
        return cells.permute(0, 3, 5, 1, 2, 4).reshape(len(masks), self.pitch**2, -1)

    def join(self, cells: Tensor) -> Tensor:
        """The reverse of `split`; pixels that it left out are 0."""
        split = cells.view(len(cells), self.pitch, self.pitch, self.frames, self.down, self.across)
        grown = split.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)
        below, right = self.height - grown.shape[2], self.width - grown.shape[3]
        return functional.pad(grown, (0, right, 0, below))


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
