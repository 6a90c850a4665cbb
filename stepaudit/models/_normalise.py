"""The normalisation that a model does on its own input."""

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """Subtracts a mean and divides by a standard deviation, both per channel. Clips [N, 3, T, H, W] in [0, 1]."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1, 1), persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        return (clips - self.mean) / self.std
