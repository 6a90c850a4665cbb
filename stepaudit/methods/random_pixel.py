"""The floor that points at a random pixel of each frame."""

import zlib

import torch
from torch import Tensor, nn

from stepaudit.maps import Maps

ignores_model = True


def attribute(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """One pixel in every frame, drawn uniformly; clip and seed decide it, so that a row depends on no other.

    Args:
        clips: [N, 3, T, H, W].
        seed: another seed draws other pixels.
    """
    grid = torch.zeros(len(clips), *clips.shape[2:])
    for row, clip in zip(grid, clips, strict=True):
        generator = torch.Generator().manual_seed(zlib.crc32(clip.cpu().numpy().tobytes(), seed))
        pixels = torch.randint(row[0].numel(), (len(row), 1), generator=generator)
        row.view(len(row), -1).scatter_(1, pixels, 1.0)
    return Maps(grid.to(clips.device), "nearest", clips.shape[-3:])
