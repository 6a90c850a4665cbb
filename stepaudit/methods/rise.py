"""RISE in space and time: random masks, weighted by the class's probability behind them. Petsiuk et al. 2018."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.layers import frozen
from stepaudit.maps import Maps
from stepaudit.methods._fill import filling, masked_log_probabilities
from stepaudit.methods._options import at_least_one, share
from stepaudit.methods._scale import rectified, scaled

ranges = {
    "masks": (1, 1_000_000),
    "keep": (0.001, 0.999),
    "cells": (1, 1_024),
    "time_cells": (1, 1_024),
    "blur_sigma": (0, 1_000),
    "at_once": (1, 1_024),
}
explains_change = True


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: None = None,
    seed: int = 0,
    masks: int = 1000,
    keep: float = 0.5,
    cells: int = 7,
    time_cells: int = 4,
    fill: Literal["black", "blur", "fade", "freeze"] = "fade",
    blur_sigma: float | None = None,
    at_once: int = 8,
) -> Maps:
    """Gain in the class's probability over the mean of all masks by keeping a voxel, scaled to a maximum of 1.

    Unlike the paper, the mean probability is taken off before the masks are weighted and the rest is rectified:
    the paper's map without the part that does not depend on the model but on how often each voxel happened to be kept.
    A clip in which nothing matters gets a map of zeros. Clips of one size see the same masks.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        seed: draws the masks.
        masks: how many are drawn.
        keep: probability of each cell to be kept.
        cells: rows and columns of the coarse grid that a mask is drawn on.
        time_cells: steps in time of this grid.
        fill: what stands in the place of hidden voxels: the clip's mean colour (`fade`; the paper's images have a mean
            of 0 and are multiplied with the mask), `black`, the blurred clip (`blur`), or its mean frame (`freeze`).
        blur_sigma: of the fill `blur`, pixels; by default 20 for a shorter side of 112, and in proportion.
        at_once: masked clips in one call of the model.
    """
    at_least_one(masks=masks, cells=cells, time_cells=time_cells, at_once=at_once)
    share(keep=keep)
    size = clips.shape[-3:]
    grids, shifts = _draw(seed, masks, keep, (time_cells, cells, cells), size)
    fills, name = filling(clips, fill, blur_sigma)
    importance = []
    with frozen(model), torch.no_grad():
        for row in zip(clips, fills, targets, strict=True):
            log_probabilities = masked_log_probabilities(model, *row, _masks(grids.to(clips), shifts, size, at_once))
            gains = log_probabilities.exp().double()
            weights = ((gains - gains.mean()) / (masks * keep)).to(clips).split(at_once)
            parts = zip(weights, _masks(grids.to(clips), shifts, size, at_once), strict=True)
            importance.append(sum(torch.tensordot(weight, part, 1) for weight, part in parts))
    return Maps(scaled(rectified(torch.stack(importance))), "nearest", size, {"perturbation": name})


def _draw(seed: int, masks: int, keep: float, cells: tuple[int, ...], size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Coarse binary grids [M, t, h, w], and the shift of each mask, in frames and pixels, [M, 3]."""
    generator = torch.Generator().manual_seed(seed)
    grids = (torch.rand(masks, *cells, generator=generator) < keep).float()
    lengths = [_cell(*pair) for pair in zip(size, cells, strict=True)]
    return grids, torch.stack([torch.randint(length, (masks,), generator=generator) for length in lengths], dim=1)


def _masks(grids: Tensor, shifts: Tensor, size: tuple[int, ...], at_once: int) -> Iterator[Tensor]:
    """The masks in parts [at_once, T, H, W]: grids upsampled to a cell more than the clip and cut at their shift."""
    cells = [_cell(*pair) for pair in zip(size, grids.shape[1:], strict=True)]
    upsampled = tuple((count + 1) * cell for count, cell in zip(grids.shape[1:], cells, strict=True))
    for part, offsets in zip(grids.split(at_once), shifts.split(at_once), strict=True):
        fine = functional.interpolate(part[:, None], upsampled, mode="trilinear", align_corners=False)[:, 0]
        yield torch.stack([_cut(mask, offset, size) for mask, offset in zip(fine, offsets.tolist(), strict=True)])


def _cut(mask: Tensor, offset: list[int], size: tuple[int, ...]) -> Tensor:
    return mask[tuple(slice(start, start + length) for start, length in zip(offset, size, strict=True))]


def _cell(size: int, cells: int) -> int:
    """Length of a cell. Unlike the paper, rounded up: cells rounded down and shifted do not always cover the clip."""
    return -(-size // cells)


def passes(size: tuple[int, int, int], *, masks: int = 1000, **_options: object) -> int:
    """Forward passes of the model for a row."""
    return masks
