"""Crisp masks, nearly 0 or 1: a mask as the model is shown it, whose mean is the share of the clip that is shown."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stepaudit.extremal.temporal import temporal_gaussian
from stepaudit.layers import gaussian_blur

RAMP = 0.2  # of mask values, over which a crisp mask rises from 0 to 1
BORDER = 0.2  # of a random piece's volume, that its border takes
REACH = 2  # frames of 16 over which random pieces are smooth
SMALLEST, LARGEST = 0.0015, 0.9  # ratios of crisp masks; the first is less than one seed in one frame shows


def crisp(masks: Tensor, ratios: Sequence[float]) -> Tensor:
    """Masks whose mean is the ratio: a ramp around each one's own quantile.

    No gradient runs through the quantile. It is kept half a ramp away from 0 and 1, so that what is 0 stays hidden and
    what is 1 stays shown; the mean of a mask with fewer voxels between them may then miss the ratio.

    Args:
        masks: [N, T, H, W] in [0, 1].
        ratios: N shares of the clip to show, in (0, 1).

    Returns:
        [N, T, H, W] in [0, 1].
    """
    flat = masks.detach().flatten(1)
    count = flat.shape[1]
    ranks = [min(count, max(1, count - round(ratio * count) + 1)) for ratio in ratios]
    edges = torch.stack([row.kthvalue(rank).values for row, rank in zip(flat, ranks, strict=True)])
    return ((masks - edges.clamp(RAMP / 2, 1 - RAMP / 2)[:, None, None, None]) / RAMP + 0.5).clamp(0, 1)


def crispness(masks: Tensor) -> Tensor:
    """Σm² / Σm of masks [N, T, H, W]: 1 for a mask of zeros and ones, less for a faint one; 0 for an empty one. [N]."""
    flat = masks.flatten(1)
    return (flat**2).sum(dim=1) / flat.sum(dim=1).clamp(min=1e-12)


def shifted(masks: Tensor, down: int, right: int) -> Tensor:
    """Masks [..., H, W] moved by some pixels; their border goes on into the pixels that they leave."""
    rows, columns = (torch.arange(size, device=masks.device) for size in masks.shape[-2:])
    return masks[..., (rows - down).clamp(0, len(rows) - 1), :][..., (columns - right).clamp(0, len(columns) - 1)]


def elsewhere(masks: Tensor) -> Tensor:
    """Masks [N, T, H, W] moved by half the clip in time and in both directions of the picture, around its borders."""
    return masks.roll([size // 2 for size in masks.shape[1:]], dims=(1, 2, 3))


def random_pieces(ratios: Sequence[float], size: Sequence[int], sigma: float, seed: int) -> Tensor:
    """Crisp masks at random places; with one seed, the smaller ones lie within the larger ones.

    A piece is where smoothed noise is greatest, with a border of `BORDER` of its volume.

    Args:
        ratios: N shares of the clip, in (0, 1).
        size: (T, H, W).
        sigma: of the smoothing in the picture, pixels.

    Returns:
        [N, T, H, W] in [0, 1].
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(tuple(size), generator=generator)
    field = gaussian_blur(temporal_gaussian(noise[None], REACH)[0], sigma).flatten()
    rank = torch.empty_like(field)
    rank[field.argsort(descending=True)] = torch.arange(len(field), dtype=field.dtype) / len(field)
    volumes = torch.tensor(list(ratios))[:, None]
    return (0.5 + (volumes - rank) / (BORDER * volumes)).clamp(0, 1).view(-1, *size)
