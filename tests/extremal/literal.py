"""The paper's equations, written out voxel by voxel: slow, and true."""

import math

import torch
from torch import Tensor


def smooth_max(seed_masks: Tensor, height: int, width: int, sigma: float, step: int = 7) -> Tensor:
    """Every output pixel of the padded frame by itself: the softmax-weighted mean of its weighted neighbours."""
    margin, reach = round(sigma), 1 + math.ceil(sigma / step)
    rows = [
        torch.stack([_pixel(seed_masks, y, x, sigma, step, reach) for x in range(-margin, width + margin)], dim=-1)
        for y in range(-margin, height + margin)
    ]
    return torch.stack(rows, dim=-2)


def _pixel(seed_masks: Tensor, y: int, x: int, sigma: float, step: int, reach: int) -> Tensor:
    values = []
    for row in range(y // step - reach, y // step + reach + 1):
        for column in range(x // step - reach, x // step + reach + 1):
            inside = 0 <= row < seed_masks.shape[2] and 0 <= column < seed_masks.shape[3]
            seed = seed_masks[:, :, row, column] if inside else torch.zeros_like(seed_masks[:, :, 0, 0])
            middle_y, middle_x = row * step + (step - 1) / 2, column * step + (step - 1) / 2
            z = math.hypot(y - middle_y, x - middle_x) / sigma
            values.append(seed * math.exp(-2 * max(z - 0.5, 0) ** 2))
    neighbours = torch.stack(values, dim=-1)
    return (torch.softmax(20 * neighbours, dim=-1) * neighbours).sum(dim=-1)


def blend_two_levels(clips: Tensor, blurred: Tensor, masks: Tensor) -> Tensor:
    """m · x + (1 − m) · (k ∗ x), section 3.1."""
    return masks[:, None] * clips + (1 - masks[:, None]) * blurred


def area(mask: Tensor, ratio: float) -> Tensor:
    """Eqs. 4 and 6 for one mask: ‖vecsort(M) − r‖², as a mean."""
    ordered = mask.flatten().sort(descending=True).values
    template = torch.zeros_like(ordered)
    template[: round(ratio * len(ordered))] = 1
    return ((ordered - template) ** 2).mean()


def ellipsoid(frames: int, size: int) -> Tensor:
    """k of eq. 8."""
    kernel = torch.zeros(frames, size, size)
    for t in range(frames):
        for i in range(size):
            for j in range(size):
                radius = (2 * t / (frames - 1) - 1) ** 2 + (2 * i / (size - 1) - 1) ** 2 + (2 * j / (size - 1) - 1) ** 2
                kernel[t, i, j] = 0 if radius > 1 + 1e-6 else 1
    return kernel


def core_released(mask: Tensor, ratio: float, frames: int, size: int) -> Tensor:
    """L_K of eqs. 7–9 as released, for one mask [T, H, W]."""
    kernel = ellipsoid(frames, size)
    values = []
    for t in range(mask.shape[0] - frames + 1):
        for y in range(0, mask.shape[1] - size + 1, size):
            for x in range(0, mask.shape[2] - size + 1, size):
                block = mask[t : t + frames, y : y + size, x : x + size]
                values.append((block * kernel.to(mask)).sum() / kernel.sum())
    ordered = torch.stack(values).sort(descending=True).values
    ones = math.ceil(ratio * mask.numel() / (math.pi / 6 * frames * size**2))
    return ((ordered[:ones] - 1) ** 2).mean() + (ordered[ones:] ** 2).mean()
