"""From a coarse seed mask to a smooth full-size mask: the smooth maximum of Fong et al. 2019, used per frame."""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

STEP = 7
SIGMA_SHARE = 11 / 112
TEMPERATURE = 20.0


@dataclass(frozen=True)
class SmoothMax:
    """The geometry of the upsampling for frames of H × W pixels.

    A seed stands in the middle of each cell of `step` pixels. An output pixel takes the softmax-weighted mean
    (temperature 20) of its neighbouring seeds, each first multiplied by exp(−2·max(z − ½, 0)²), z = distance / σ. The
    mask is made for a frame that is `margin` pixels larger on each side; `crop` leaves what the model sees.

    Args:
        height, width: of the frame, pixels.
        sigma: pixels; by default 11 for a shorter side of 112, and in proportion.
        step: pixels between two seeds.
    """

    height: int
    width: int
    sigma: float
    step: int = STEP

    @classmethod
    def of(cls, height: int, width: int, sigma: float | None = None) -> "SmoothMax":
        """The default geometry for frames of this size: as in the paper from 112 pixels on, below it in proportion.

        A step that did not shrink with σ would leave holes between the seeds.
        """
        side = min(height, width)
        return cls(height, width, SIGMA_SHARE * side if sigma is None else sigma, min(STEP, max(1, round(side / 16))))

    @property
    def grid(self) -> tuple[int, int]:
        """Seeds down and across."""
        return math.ceil(self.height / self.step), math.ceil(self.width / self.step)

    @property
    def margin(self) -> int:
        """Pixels that the mask extends beyond the frame on each side."""
        return round(self.sigma)

    def __call__(self, seed_masks: Tensor) -> Tensor:
        """[N, T, h, w] in [0, 1] to the padded masks [N, T, H + 2·margin, W + 2·margin] in [0, 1], differentiable."""
        return _SmoothMaximum.apply(seed_masks, self)

    def crop(self, masks: Tensor) -> Tensor:
        """The padded masks without their margin: [N, T, H, W]."""
        rows, columns = slice(self.margin, self.margin + self.height), slice(self.margin, self.margin + self.width)
        return masks[..., rows, columns]


class _SmoothMaximum(torch.autograd.Function):
    """Weighted neighbours are visited one by one, so that neighbours × pixels never stand in memory; the backward pass
    visits them again. Output pixels are grouped by their place in a seed's cell, because weights depend on that alone:
    P places × M cells of all frames. Rows are visited one by one too, so that a row's buffers stay in a CPU's cache.
    """

    @staticmethod
    def forward(ctx, seed_masks: Tensor, geometry: SmoothMax) -> Tensor:
        padded, cells = _pad(seed_masks, geometry)
        pairs = [_maximum(row, geometry, cells) for row in padded]
        output, denominator = (torch.stack(parts) for parts in zip(*pairs, strict=True))
        ctx.save_for_backward(padded, output, denominator)
        ctx.geometry, ctx.cells = geometry, cells
        return _unfold_cells(output, geometry, cells)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        padded, output, denominator = ctx.saved_tensors
        scaled = _fold_cells(gradient, ctx.geometry, ctx.cells) / denominator
        rows = zip(padded, output, scaled, strict=True)
        total = torch.stack([_gradient(*row, ctx.geometry, ctx.cells) for row in rows])
        return _unpad(total, ctx.geometry), None


def _maximum(padded: Tensor, geometry: "SmoothMax", cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Softmax-weighted mean and sum of exponentials of a row of padded seeds [T, h', w']: both [P, M]."""
    numerator = denominator = value = power = None
    for weight, (down, across) in zip(*_neighbours(geometry, padded.device, padded.dtype), strict=True):
        value = torch.outer(weight, _shifted(padded, down, across, cells).flatten(), out=value)
        power = torch.mul(value, TEMPERATURE, out=power).exp_()
        if numerator is None:
            numerator, denominator = torch.zeros_like(value), torch.zeros_like(value)
        numerator.addcmul_(power, value)
        denominator.add_(power)
    return numerator.div_(denominator), denominator


def _gradient(padded: Tensor, output: Tensor, scaled: Tensor, geometry: "SmoothMax", cells: tuple[int, int]) -> Tensor:
    """Gradient of a row's padded seeds from ∂M/∂v = exp(20 v) · (1 + 20 (v − M)) / Σ exp(20 v)."""
    constant, slope = scaled * (1 - TEMPERATURE * output), scaled * TEMPERATURE
    total, value, power, term = torch.zeros_like(padded), None, None, None
    for weight, (down, across) in zip(*_neighbours(geometry, padded.device, padded.dtype), strict=True):
        value = torch.outer(weight, _shifted(padded, down, across, cells).flatten(), out=value)
        power = torch.mul(value, TEMPERATURE, out=power).exp_()
        term = torch.mul(slope, value, out=term).add_(constant).mul_(power)
        _shifted(total, down, across, cells).add_((weight @ term).view(-1, *cells))
    return total


def _reach(geometry: SmoothMax) -> int:
    """Neighbours on each side that an output pixel looks at: 3 (49 in all) for σ = 11, 5 (121) for σ = 23."""
    return 1 + math.ceil(geometry.sigma / geometry.step)


def _lead(geometry: SmoothMax) -> int:
    """Whole cells that hold the margin before the first seed."""
    return math.ceil(geometry.margin / geometry.step)


@cache
def _neighbours(geometry: SmoothMax, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, list[tuple[int, int]]]:
    """Weights [neighbours, P] for each place in a cell, and the neighbours' offsets in cells, from 0."""
    reach, step = _reach(geometry), geometry.step
    offsets = [(down, across) for down in range(2 * reach + 1) for across in range(2 * reach + 1)]
    place = torch.arange(step, dtype=torch.float32) - (step - 1) / 2
    rows, columns = (torch.tensor([offset[axis] - reach for offset in offsets]) * step for axis in (0, 1))
    squared = (rows[:, None, None] - place[:, None]) ** 2 + (columns[:, None, None] - place[None]) ** 2
    z = squared.sqrt() / geometry.sigma
    return torch.exp(-2 * (z - 0.5).clamp(min=0) ** 2).flatten(1).to(device, dtype), offsets


def _pad(seed_masks: Tensor, geometry: SmoothMax) -> tuple[Tensor, tuple[int, int]]:
    """Seeds with zeros around them, [N, T, h', w'], and how many cells the output covers."""
    around = _lead(geometry) + _reach(geometry)
    cells = tuple(size + 2 * _lead(geometry) for size in seed_masks.shape[-2:])
    return functional.pad(seed_masks, (around,) * 4), cells


def _unpad(padded: Tensor, geometry: SmoothMax) -> Tensor:
    around = _lead(geometry) + _reach(geometry)
    return padded[..., around:-around, around:-around]


def _shifted(padded: Tensor, down: int, across: int, cells: tuple[int, int]) -> Tensor:
    return padded[:, down : down + cells[0], across : across + cells[1]]


def _unfold_cells(values: Tensor, geometry: SmoothMax, cells: tuple[int, int]) -> Tensor:
    """[N, P, M] to the padded masks."""
    places = values.view(len(values), geometry.step, geometry.step, -1, *cells)
    full = places.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)
    first = _lead(geometry) * geometry.step - geometry.margin
    height, width = geometry.height + 2 * geometry.margin, geometry.width + 2 * geometry.margin
    return full[..., first : first + height, first : first + width]


def _fold_cells(gradient: Tensor, geometry: SmoothMax, cells: tuple[int, int]) -> Tensor:
    """The reverse of `_unfold_cells`, zeros where it had cut."""
    first = _lead(geometry) * geometry.step - geometry.margin
    below, right = (
        count * geometry.step - first - size for count, size in zip(cells, gradient.shape[-2:], strict=True)
    )
    full = functional.pad(gradient, (first, right, first, below))
    split = full.unflatten(-1, (cells[1], geometry.step)).unflatten(-3, (cells[0], geometry.step))
    return split.permute(0, 3, 5, 1, 2, 4).reshape(len(gradient), geometry.step**2, -1)
