"""Tiny videos with bright regions, and networks that look at known ones: labels of their own, or a number."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

SIZE = (16, 32, 32)
REGIONS = {  # rows and columns of what each label's logit looks at
    "left": (slice(10, 22), slice(3, 13)),
    "right": (slice(10, 22), slice(19, 29)),
}


class Regions(nn.Module):
    """Mean of red less green in each region, times a gain, less a threshold: [N, labels]."""

    def __init__(self, regions: list[tuple[slice, slice]], gain: float, threshold: float):
        super().__init__()
        self.regions, self.threshold = regions, threshold
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, clips: Tensor) -> Tensor:
        red = clips[:, 0] - clips[:, 1]
        means = [red[:, :, rows, columns].mean(dim=(1, 2, 3)) for rows, columns in self.regions]
        return self.gain * (torch.stack(means, dim=1) - self.threshold)


def labels(classes: int) -> nn.Module:
    """A logit for each label: positive where more than half of its region is red."""
    return Regions(list(REGIONS.values())[:classes], 16.0, 0.5)


def redness(classes: int) -> nn.Module:
    """A regression: ten times the redness of the left region, one value a clip."""
    return nn.Sequential(Regions([REGIONS["left"]], 10.0, 0.0), nn.Flatten(0))


def frames(shown: dict[str, float], seed: int) -> np.ndarray:
    """Grey noise, whose regions are red to a degree from 0 to 1. uint8 [T, H, W, 3]."""
    noise = np.random.default_rng(seed).uniform(0.35, 0.45, (*SIZE, 1))
    pictures = np.repeat(noise, 3, axis=3)
    for name, degree in shown.items():
        rows, columns = REGIONS[name]
        pictures[:, rows, columns, 0] += 0.5 * degree
        pictures[:, rows, columns, 1] -= 0.3 * degree
    return (255 * pictures).round().astype(np.uint8)


def clip(shown: dict[str, float], seed: int = 0) -> Tensor:
    """The same as a clip [1, 3, T, H, W]."""
    return torch.from_numpy(frames(shown, seed)).permute(3, 0, 1, 2)[None].float() / 255


def write(folder: Path, shown: dict[str, float], seed: int) -> None:
    """The same as a folder of numbered pictures."""
    folder.mkdir(parents=True)
    for number, picture in enumerate(frames(shown, seed)):
        Image.fromarray(picture).save(folder / f"{number:03}.png")
