"""Smoothing seed masks over time: the baseline that the paper compares L_K with."""

import torch
from torch import Tensor

CLIP_FRAMES = 16


def temporal_gaussian(seed_masks: Tensor, reach: int) -> Tensor:
    """Each seed becomes a weighted mean over the `reach` frames before and after it. Li et al. 2021, eq. 12.

    The weights are exp(−u² / (0.6 σ)) with σ = `reach`, u the distance in frames. The paper does not say how it pads;
    here they are normalised over the frames that the clip has. In clips of more than 16 frames, the paper's length, u
    and `reach` count in sixteenths of the clip.

    Args:
        seed_masks: [N, T, h, w].
        reach: Δt in frames of a clip of 16; 0 returns the seeds.

    Returns:
        [N, T, h, w].
    """
    if reach == 0:
        return seed_masks
    frames = torch.arange(seed_masks.shape[1], device=seed_masks.device)
    distance = (frames[:, None] - frames[None]).abs() / max(1.0, len(frames) / CLIP_FRAMES)
    weights = torch.exp(-(distance**2) / (0.6 * reach)) * (distance <= reach)
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(seed_masks.dtype)
    return torch.einsum("st,nthw->nshw", weights, seed_masks)
