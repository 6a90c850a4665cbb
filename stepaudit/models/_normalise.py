"""The normalisation that a model does on its own input, and the figures of torchvision's weights."""

import torch
from torch import Tensor, nn

KINETICS = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalise(nn.Module):
    """Subtracts a mean and divides by a standard deviation, both per channel. Clips [N, 3, T, H, W] in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1, 1), persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        return (clips - self.mean) / self.std


class Normalised(nn.Module):
    """A network behind the normalisation of its input: clips [N, 3, T, H, W] in [0, 1] to logits [N, K]."""

    def __init__(self, backbone: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.normalise = Normalise(mean, std)
        self.backbone = backbone

    def forward(self, clips: Tensor) -> Tensor:
        return self.backbone(self.normalise(clips))
