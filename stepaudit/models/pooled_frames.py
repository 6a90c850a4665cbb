"""A small CNN of single frames, pooled over time: the maximum of their features, or the mean of their answers."""

import math
from typing import Literal

from torch import Tensor, nn

ranges = {"width": (1, 1_024)}


class PooledFrames(nn.Module):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K].

    Each feature counts where it is strongest in a frame. Over time, `max` takes each feature's maximum, so that one
    frame with the evidence is enough; `mean` takes the mean of the frames' class probabilities, so that each counts.
    """

    def __init__(self, classes: int, width: int, pooling: Literal["max", "mean"]):
        super().__init__()
        self.features = nn.Sequential(
            *_layer(3, width, (1, 5, 5), 2),
            *_layer(width, 2 * width, (1, 3, 3), 2),
            *_layer(2 * width, 2 * width, (3, 1, 1), 1),
            *_layer(2 * width, 4 * width, (1, 3, 3), 2),
        )
        self.classifier = nn.Linear(4 * width, classes)
        self.pooling = pooling

    @property
    def activation_layer(self) -> nn.Module:
        """The last convolution's activation. [N, C, T, h, w]."""
        return self.features[-1]

    def forward(self, clips: Tensor) -> Tensor:
        strongest = self.features((clips - 0.45) / 0.25).amax(dim=(3, 4))  # [N, C, T]
        if self.pooling == "max":
            return self.classifier(strongest.amax(dim=2))
        votes = self.classifier(strongest.transpose(1, 2)).log_softmax(dim=2)  # [N, T, K]
        return votes.logsumexp(dim=1) - math.log(votes.shape[1])


def _layer(entering: int, leaving: int, kernel: tuple[int, int, int], stride: int) -> tuple[nn.Module, ...]:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    convolution = nn.Conv3d(entering, leaving, kernel, (1, stride, stride), padding, bias=False)
    return convolution, nn.BatchNorm3d(leaving), nn.ReLU()


def build(classes: int, *, width: int = 16, pooling: Literal["max", "mean"] = "mean") -> nn.Module:
    """A small CNN of single frames and their neighbours, for trying things out.

    Args:
        width: channels of the first convolution.
        pooling: over time, `max` of the frames' features or `mean` of their class probabilities.
    """
    return PooledFrames(classes, width, pooling)
