"""Units of a clip (pixels, blocks or tubelets) and their order in a map."""

from collections.abc import Sequence

import torch
from torch import Tensor

DIGITS = 2**18  # of a mean, binary: single precision rounds in the 24th digit, and maps are stored with 11


def grids_of(size: Sequence[int], names: Sequence[str], side: float, frames: int) -> dict[str, Tensor]:
    """Index of the unit of each voxel, [T, H, W], for each kind of unit.

    Args:
        size: (T, H, W) of the clip.
        names: `pixels`, `blocks` of one frame, `tubelets`.
        side: of blocks and tubelets, as a share of the shorter side.
        frames: length of a tubelet.
    """
    length = side * min(size[1:])
    extents = {"pixels": (1, 1, 1), "blocks": (1, length, length), "tubelets": (frames, length, length)}
    return {name: cells(size, extents[name]) for name in names}


def cells(size: Sequence[int], extent: tuple[float, float, float]) -> Tensor:
    """Index of the unit of each voxel, counted from 0, in a grid of nearly equal cells.

    Args:
        size: (T, H, W) of the clip.
        extent: frames, height and width of a unit; rounded so that whole units fill the clip.

    Returns:
        [T, H, W], int64.
    """
    counts = [min(axis, max(1, round(axis / length))) for axis, length in zip(size, extent, strict=True)]
    t, y, x = (torch.arange(axis) * count // axis for axis, count in zip(size, counts, strict=True))
    return (t[:, None, None] * counts[1] + y[None, :, None]) * counts[2] + x[None, None]


def ranks_by_importance(importance: Tensor, units: Tensor, generator: torch.Generator) -> Tensor:
    """Rank of the unit of each voxel, 0 for the one with the greatest mean importance; equal units in random order.

    An extremal mask is 1 over a whole region and most maps are 0 over another, so that ties decide much of a curve. In
    the order of their index equal units would leave frame by frame and row by row, which is a place in the clip and no
    order of the map. Means that differ by no more than rounding are equal.

    Args:
        importance: [T, H, W].
        units: of each voxel, [T, H, W].
        generator: of the order of equal units.

    Returns:
        [T, H, W], int64.
    """
    sizes = units.flatten().bincount()
    sums = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, units.flatten(), importance.flatten().double())
    mantissa, exponent = torch.frexp(sums / sizes)
    means = torch.ldexp((mantissa * DIGITS).round(), exponent)
    shuffled = torch.randperm(len(sizes), generator=generator)
    order = shuffled[means[shuffled].argsort(descending=True, stable=True)]
    return order.argsort()[units]


def ranks_at_random(units: Tensor, generator: torch.Generator) -> Tensor:
    """Rank of the unit of each voxel in a random order. Takes and returns [T, H, W], int64."""
    return torch.randperm(int(units.max()) + 1, generator=generator)[units]


def coming_first(ranks: Tensor, shares: Sequence[float]) -> list[Tensor]:
    """Masks [T, H, W], bool, of the units of the lowest ranks, for each share of all units."""
    count = int(ranks.max()) + 1
    return [ranks < round(share * count) for share in shares]


def whole_shares(units: Tensor, shares: Sequence[float]) -> list[float]:
    """The shares, rounded to whole units."""
    count = int(units.max()) + 1
    return [round(share * count) / count for share in shares]
