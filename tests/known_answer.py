"""A model whose evidence we placed: it looks at one cuboid of the clip, and there only at fine texture."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Cuboid:
    """Where the evidence lies: half-open ranges of frames, rows and columns."""

    frames: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]

    def mask(self, shape: tuple[int, int, int]) -> Tensor:
        """1 inside, 0 outside. [T, H, W]."""
        found = torch.zeros(shape)
        found[slice(*self.frames), slice(*self.rows), slice(*self.columns)] = 1
        return found


class Texture(nn.Module):
    """Class 1 is probable if fine horizontal contrast fills the cuboid, class 0 if it is gone; nothing else counts."""

    def __init__(self, cuboid: Cuboid, contrast: float):
        super().__init__()
        self.cuboid, self.contrast = cuboid, contrast

    def forward(self, clips: Tensor) -> Tensor:
        part = clips[:, :, slice(*self.cuboid.frames), slice(*self.cuboid.rows), slice(*self.cuboid.columns)]
        energy = part.diff(dim=-1).pow(2).mean(dim=(1, 2, 3, 4)) / self.contrast
        logit = 10 * (energy - 0.5)
        return torch.stack([-logit / 2, logit / 2], dim=1)


def textured_clips(count: int, frames: int, height: int, width: int) -> Tensor:
    """Fine noise everywhere, so that nothing but the model says where the evidence is. [N, 3, T, H, W]."""
    return torch.rand(count, 3, frames, height, width)


def model_for(cuboid: Cuboid) -> Texture:
    """The model of a cuboid, scaled to `textured_clips`: uniform noise has a mean squared difference of 1/6."""
    return Texture(cuboid, contrast=1 / 6)
