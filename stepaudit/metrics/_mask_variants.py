"""Variants of a mask: moved a little, and rearranged at random."""

import torch
from torch import Tensor

from stepaudit.extremal.smooth_max import SIGMA_SHARE
from stepaudit.extremal.temporal import temporal_gaussian
from stepaudit.layers import gaussian_blur

REACH = 2


def moved(mask: Tensor, pixels: int) -> list[Tensor]:
    """The mask [T, H, W] moved down, up, right and left; its border goes on into the pixels that it leaves."""
    rows, columns = (torch.arange(size, device=mask.device) for size in mask.shape[1:])
    shifts = [(by, 0) for by in (-pixels, pixels)] + [(0, by) for by in (-pixels, pixels)]
    return [
        mask[:, (rows + down).clamp(0, len(rows) - 1)][..., (columns + across).clamp(0, len(columns) - 1)]
        for down, across in shifts
    ]


def rearranged(mask: Tensor, count: int) -> list[Tensor]:
    """The mask's values rearranged along smooth random fields of a fixed seed: only their places differ.

    A field is noise, smoothed as the masks of the extremal family are: by their σ in space, over 2 frames in time.
    """
    generator = torch.Generator().manual_seed(0)
    values, sigma = mask.flatten().sort().values, SIGMA_SHARE * min(mask.shape[1:])
    return [_in_order_of(_field(mask.shape, sigma, generator).to(mask.device), values) for _ in range(count)]


def _field(shape: torch.Size, sigma: float, generator: torch.Generator) -> Tensor:
    """Smooth noise of this shape."""
    noise = torch.randn(shape, generator=generator)
    return gaussian_blur(temporal_gaussian(noise[None], REACH)[0], sigma)


def _in_order_of(field: Tensor, values: Tensor) -> Tensor:
    """The values rearranged so that their order is that of the field."""
    result = torch.empty_like(values)
    result[field.flatten().argsort()] = values
    return result.view_as(field)
