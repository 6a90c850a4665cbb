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
VALUES_AT_ONCE = 80_000  # on a CPU: pixels worked on together, so that their buffers stay in its cache


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
        padded: with a margin of σ pixels, as the paper's release has it, or without one.
    """

    height: int
    width: int
    sigma: float
    step: int = STEP
    padded: bool = True

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
        """Pixels that a padded mask extends beyond the frame on each side; 0 without padding."""
        return round(self.sigma) if self.padded else 0

    @property
    def reach(self) -> int:
        """Neighbours on each side that a pixel looks at: 3 (49 in all) for σ = 11, 5 (121) for σ = 23."""
        return 1 + math.ceil(self.sigma / self.step)

    @property
    def lead(self) -> int:
        """Whole cells that hold the margin before the first seed."""
        return math.ceil(self.margin / self.step)

    @property
    def cells(self) -> tuple[int, int]:
        """Cells of step × step pixels, down and across, that cover the padded frame."""
        down, across = self.grid
        return down + 2 * self.lead, across + 2 * self.lead

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
    P places × M cells of all frames, each with J seeds around it.

    Cells with nothing but zeros around them are left out: their mask is 0. On a CPU that saves most of the time of a
    mask that is nearly empty.
    """

    @staticmethod
    def forward(ctx, seed_masks: Tensor, geometry: SmoothMax) -> Tensor:
        neighbours = _neighbours(seed_masks.flatten(0, 1), geometry)
        used = _nonzero_cells(neighbours)
        near = neighbours if used is None else neighbours.index_select(1, used)
        means, sums = _maximum(near, geometry)
        ctx.geometry, ctx.used = geometry, used
        ctx.save_for_backward(near, means, sums)
        cells = means if used is None else means.new_zeros(len(means), neighbours.shape[1]).index_copy_(1, used, means)
        return _cells_to_pixels(cells, geometry).unflatten(0, seed_masks.shape[:2])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        geometry, used, (near, means, sums) = ctx.geometry, ctx.used, ctx.saved_tensors
        cells = _pixels_to_cells(gradient.flatten(0, 1), geometry)
        if used is None:
            total = _seed_gradients(cells, near, means, sums, geometry)
        else:
            weights = _weights(geometry, cells.device, cells.dtype)
            total = weights @ (cells / len(weights))  # where all seeds are 0, M is 0 and each exponential 1
            total.index_copy_(1, used, _seed_gradients(cells.index_select(1, used), near, means, sums, geometry))
        return _sums_by_seed(total, geometry).unflatten(0, gradient.shape[:2]), None


def _maximum(neighbours: Tensor, geometry: SmoothMax) -> tuple[Tensor, Tensor]:
    """Softmax-weighted mean and sum of exponentials of neighbours [J, M]: both [P, M]."""
    parts = [_maximum_at_once(some, geometry) for some in neighbours.split(_cells_at_once(neighbours, geometry), 1)]
    means, sums = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
    return means, sums


def _maximum_at_once(neighbours: Tensor, geometry: SmoothMax) -> tuple[Tensor, Tensor]:
    """`_maximum` of so many cells [J, M] that buffers stay in the cache."""
    weights = TEMPERATURE * _weights(geometry, neighbours.device, neighbours.dtype)
    total = neighbours.new_zeros(weights.shape[1], neighbours.shape[1])
    sums, value, power = torch.zeros_like(total), None, None
    for weight, seeds in zip(weights, neighbours, strict=True):
        value = torch.outer(weight, seeds, out=value)
        power = torch.exp(value, out=power)
        total.addcmul_(power, value)
        sums.add_(power)
    return total.div_(sums).mul_(1 / TEMPERATURE), sums


def _seed_gradients(cells: Tensor, neighbours: Tensor, means: Tensor, sums: Tensor, geometry: SmoothMax) -> Tensor:
    """Gradient of each neighbour of each cell [J, M] from that of the pixels [P, M].

    ∂M/∂v = exp(20 v) · (1 + 20 (v − M)) / Σ exp(20 v).
    """
    size = _cells_at_once(neighbours, geometry)
    parts = zip(*(tensor.split(size, dim=1) for tensor in (cells, neighbours, means, sums)), strict=True)
    return torch.cat([_gradients_at_once(c, n, m, s, geometry) for c, n, m, s in parts], dim=1)


def _gradients_at_once(cells: Tensor, neighbours: Tensor, means: Tensor, sums: Tensor, geometry: SmoothMax) -> Tensor:
    """`_seed_gradients` of so many cells that buffers stay in the cache."""
    weights = _weights(geometry, cells.device, cells.dtype)
    slope = cells / sums
    constant = torch.addcmul(slope, slope, means, value=-TEMPERATURE)
    total, value, power, term = torch.empty_like(neighbours), None, None, None
    for weight, seeds, result in zip(weights, neighbours, total, strict=True):
        value = torch.outer(TEMPERATURE * weight, seeds, out=value)
        power = torch.exp(value, out=power)
        term = torch.addcmul(constant, slope, value, out=term).mul_(power)
        torch.mv(term.T, weight, out=result)
    return total


def _cells_at_once(neighbours: Tensor, geometry: SmoothMax) -> int:
    if neighbours.device.type != "cpu":
        return max(1, neighbours.shape[1])
    return max(1, VALUES_AT_ONCE // geometry.step**2)


def _nonzero_cells(neighbours: Tensor) -> Tensor | None:
    """Indices of cells with a nonzero (or NaN) seed around them; None for all. On a GPU always None: it would wait."""
    if neighbours.device.type != "cpu":
        return None
    used = (neighbours != 0).any(dim=0).nonzero()[:, 0]
    return None if len(used) == neighbours.shape[1] else used


@cache
def _weights(geometry: SmoothMax, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Weights of the neighbours for each place in a cell, [J, P]."""
    offsets = (torch.arange(2 * geometry.reach + 1, dtype=torch.float32) - geometry.reach) * geometry.step
    places = torch.arange(geometry.step, dtype=torch.float32) - (geometry.step - 1) / 2
    apart = (offsets[:, None] - places) ** 2  # [neighbours along a side, places along a side]
    z = (apart[:, None, :, None] + apart[None, :, None, :]).sqrt() / geometry.sigma
    return torch.exp(-2 * (z - 0.5).clamp(min=0) ** 2).flatten(2).flatten(0, 1).to(device, dtype)


def _neighbours(frames: Tensor, geometry: SmoothMax) -> Tensor:
    """The seeds around every cell, 0 beyond the grid: [F, h, w] to [J, M]."""
    around, side = geometry.lead + geometry.reach, 2 * geometry.reach + 1
    windows = functional.pad(frames, (around,) * 4).unfold(1, side, 1).unfold(2, side, 1)
    return windows.permute(3, 4, 0, 1, 2).reshape(side**2, -1)


def _sums_by_seed(neighbours: Tensor, geometry: SmoothMax) -> Tensor:
    """The reverse of `_neighbours`: each seed's sum over the cells next to it. [F, h, w]."""
    around, side, (down, across) = geometry.lead + geometry.reach, 2 * geometry.reach + 1, geometry.cells
    split = neighbours.view(side, side, -1, down, across)
    total = split.new_zeros(split.shape[2], down + side - 1, across + side - 1)
    for row in range(side):
        for column in range(side):
            total[:, row : row + down, column : column + across] += split[row, column]
    return total[:, around : around + geometry.grid[0], around : around + geometry.grid[1]]


def _cells_to_pixels(cells: Tensor, geometry: SmoothMax) -> Tensor:
    """Pixels by cell [P, M] to the padded masks [F, H', W']."""
    step, (down, across) = geometry.step, geometry.cells
    full = cells.view(step, step, -1, down, across).permute(2, 3, 0, 4, 1).flatten(3, 4).flatten(1, 2)
    first = geometry.lead * step - geometry.margin
    height, width = geometry.height + 2 * geometry.margin, geometry.width + 2 * geometry.margin
    return full[:, first : first + height, first : first + width]


def _pixels_to_cells(pixels: Tensor, geometry: SmoothMax) -> Tensor:
    """The reverse of `_cells_to_pixels`, zeros where it had cut."""
    step, cells, first = geometry.step, geometry.cells, geometry.lead * geometry.step - geometry.margin
    below, right = (count * step - first - size for count, size in zip(cells, pixels.shape[-2:], strict=True))
    full = functional.pad(pixels, (first, right, first, below))
    split = full.unflatten(2, (cells[1], step)).unflatten(1, (cells[0], step))
    return split.permute(2, 4, 0, 1, 3).reshape(step**2, -1)
