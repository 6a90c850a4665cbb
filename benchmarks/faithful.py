"""Plain form of the same objective, one clip at a time: the reference for the engine.

One clip and one ratio at a time, as in the paper's release: every neighbour of every pixel stands in memory, pixels of
every channel are gathered from the levels of the blur, the area term sorts, L_K is a convolution, the energy goes to
the host in every iteration, the model is used as it is.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.extremal.settings import Settings
from stepaudit.extremal.smooth_max import TEMPERATURE, SmoothMax


def optimise(
    model: nn.Module,
    levels: Tensor,
    target: int,
    ratio: float,
    settings: Settings,
    geometry: SmoothMax,
    start: Tensor,
) -> Tensor:
    """Seed mask [T, h, w] of one clip, given as levels of the perturbation [L, 3, T, H, W]; settings with SGD.

    Args:
        start: [T, h, w].
    """
    seeds = start.clone().requires_grad_()
    history = []
    optimizer = torch.optim.SGD(
        [seeds], lr=settings.learning_rate, momentum=settings.momentum, dampening=settings.dampening
    )
    weights, cells = neighbour_weights(geometry)
    for step in range(settings.iterations):
        masks = smooth_maximum(seeds, weights, cells, geometry)
        logits = model(blended(levels, geometry.crop(masks))[None])
        energy = -settings.data_weight * functional.log_softmax(logits, dim=1)[0, target]
        energy = energy + settings.area_weight_at(step) * area(masks, ratio)
        if settings.core_weight_at(step):
            energy = energy + settings.core_weight_at(step) * core(
                masks, ratio, settings.core_frames, settings.core_size
            )
        optimizer.zero_grad()
        energy.backward()
        history.append(energy.item())
        optimizer.step()
        with torch.no_grad():
            seeds.clamp_(0, 1)
    return seeds.detach()


def blended(levels: Tensor, masks: Tensor) -> Tensor:
    """Each pixel between the two levels around its mask value, [3, T, H, W]."""
    depth = masks * (len(levels) - 1)
    below = depth.detach().floor().clamp(max=len(levels) - 2)
    index = below.long().expand(1, *levels.shape[1:])
    low, high = levels.gather(0, index)[0], levels.gather(0, index + 1)[0]
    return (1 - (depth - below)) * low + (depth - below) * high


def neighbour_weights(geometry: SmoothMax) -> tuple[Tensor, Tensor]:
    """Weights [neighbours, H', W'] of the seeds around every pixel of the padded frame, and each pixel's cells."""
    reach = 1 + math.ceil(geometry.sigma / geometry.step)
    sides = [torch.arange(-geometry.margin, side + geometry.margin) for side in (geometry.height, geometry.width)]
    cells = [side.div(geometry.step, rounding_mode="floor") for side in sides]
    offsets = torch.arange(-reach, reach + 1)
    apart = [
        side - ((cell + offsets[:, None]) * geometry.step + (geometry.step - 1) / 2)
        for side, cell in zip(sides, cells, strict=True)
    ]  # each [2 · reach + 1, pixels]
    z = (apart[0][:, None, :, None] ** 2 + apart[1][None, :, None, :] ** 2).sqrt() / geometry.sigma
    around = reach + math.ceil(geometry.margin / geometry.step)
    places = (cells[0][:, None] + around - reach) * (geometry.grid[1] + 2 * around - 2 * reach)
    places = places + cells[1][None] + around - reach
    return torch.exp(-2 * (z - 0.5).clamp(min=0) ** 2).flatten(0, 1), places


def smooth_maximum(seeds: Tensor, weights: Tensor, cells: Tensor, geometry: SmoothMax) -> Tensor:
    """Padded masks [T, H', W']."""
    reach = math.isqrt(len(weights)) // 2
    around = reach + math.ceil(geometry.margin / geometry.step)
    neighbours = functional.unfold(functional.pad(seeds, (around,) * 4)[:, None], 2 * reach + 1)
    values = neighbours[:, :, cells.flatten()].view(len(seeds), len(weights), *cells.shape) * weights
    return (torch.softmax(TEMPERATURE * values, dim=1) * values).sum(dim=1)


def area(masks: Tensor, ratio: float) -> Tensor:
    """Eq. 6, by sorting."""
    ordered = masks.flatten().sort(descending=True).values
    template = torch.zeros_like(ordered)
    template[: round(ratio * len(ordered))] = 1
    return ((ordered - template) ** 2).mean()


def core(masks: Tensor, ratio: float, frames: int, size: int) -> Tensor:
    """L_K as released, eqs. 7–9, with an ellipsoid of so many frames and pixels."""
    time, space = torch.linspace(-1, 1, frames) ** 2, torch.linspace(-1, 1, size) ** 2
    kernel = ((time[:, None, None] + space[:, None] + space) <= 1 + 1e-6).float()
    placed = functional.conv3d(masks[None, None], kernel[None, None] / kernel.sum(), stride=(1, size, size))
    ordered = placed.flatten().sort(descending=True).values
    ones = math.ceil(ratio * masks.numel() / (math.pi / 6 * kernel.numel()))
    return ((ordered[:ones] - 1) ** 2).mean() + (ordered[ones:] ** 2).mean()
