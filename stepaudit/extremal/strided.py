"""Sums of a mask over a small kernel at every few pixels, quick in both directions on a CPU."""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional


def strided_sums(masks: Tensor, kernel: Tensor, pitch: int) -> Tensor:
    """Sums of masks [N, T, H, W] over a kernel [T_K, d, d] at every frame and every `pitch` pixels. [N, T', H', W']."""
    return _Strided.apply(masks, kernel, pitch) if masks.device.type == "cpu" else convolved(masks, kernel, pitch)


def convolved(masks: Tensor, kernel: Tensor, pitch: int) -> Tensor:
    """The same as one convolution, the fast form on a GPU."""
    return functional.conv3d(masks[:, None], kernel[None, None], stride=(1, pitch, pitch))[:, 0]


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
        return reduce(torch.add, (parts[(slice(None), *window)] for window in cells.windows))

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
        frames, height, width = masks[-3:]
        down, across = ((side - kernel[-1]) // pitch + span for side in (height, width))
        return cls(frames, height, width, down, across, pitch, span, kernel[0])

    @property
    def parts(self) -> tuple[int, ...]:
        """Shape of the cells' partial sums: [span, span, T_K, T, down, across]."""
        return self.span, self.span, self.kernel_frames, self.frames, self.down, self.across

    @property
    def windows(self) -> list[tuple]:
        """Index of each placement's parts in them."""
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
