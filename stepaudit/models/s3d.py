"""S3D, an Inception network whose convolutions are split into space and time. Xie et al. 2018."""

from functools import partial
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.video.s3d import Conv3dNormActivation, SepInceptionBlock3D, TemporalSeparableConv

from stepaudit.errors import UsageError
from stepaudit.models._normalise import KINETICS, Normalised

ranges = {"width": (1, 4_096), "momentum": (0, 1), "dropout": (0, 1)}

# Channels within the Inception blocks of each stage: 1 × 1, two branches as (reduced, 3 × 3), pooled.
STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
POOLED = (2, 7, 7)  # of the last activation, at stride 1; the means are averaged after the classifier
MIN_FRAMES, MIN_PIXELS = 5, 17  # of which the strides and poolings leave one


class S3D(Normalised):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K]; from 5 frames of 17 × 17 pixels on.

    torchvision states the accuracy of its weights for 128 frames and asks for 14; clips smaller than its last pooling
    (13 frames, 209 pixels) are pooled whole.
    """

    backbone: "_Backbone"
    input_size: ClassVar[tuple[int, int, int]] = (128, 224, 224)
    head: ClassVar[str] = "classifier."

    def __init__(self, classes: int, width: int, momentum: float, dropout: float):
        super().__init__(_Backbone(classes, width, momentum, dropout), *KINETICS)

    @property
    def activation_layer(self) -> nn.Module:
        """The last Inception block."""
        return self.backbone.features[-1]

    def forward(self, clips: Tensor) -> Tensor:
        frames, height, width = clips.shape[2:]
        if frames < MIN_FRAMES or min(height, width) < MIN_PIXELS:
            raise UsageError(
                f"S3D halves its input: {frames} frames of {height} × {width} pixels, at least {MIN_FRAMES} of "
                f"{MIN_PIXELS} × {MIN_PIXELS} are needed; raise `frames`, `height` or `width` of `clips`"
            )
        return super().forward(clips)


class _Backbone(nn.Module):
    """torchvision's network with `width` in place of 64 channels; its state dict has the same names."""

    def __init__(self, classes: int, width: int, momentum: float, dropout: float):
        super().__init__()
        norm = partial(nn.BatchNorm3d, eps=0.001, momentum=momentum)
        first, second = width, _scaled_channels(192, width)
        blocks, channels = _blocks(second, width, norm)
        self.features = nn.Sequential(
            TemporalSeparableConv(3, first, 7, 2, 3, norm),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            Conv3dNormActivation(first, first, kernel_size=1, stride=1, norm_layer=norm),
            TemporalSeparableConv(first, second, 3, 1, 1, norm),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            *blocks[0],
            nn.MaxPool3d(3, stride=2, padding=1),
            *blocks[1],
            nn.MaxPool3d(2, stride=2),
            *blocks[2],
        )
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Conv3d(channels, classes, kernel_size=1))

    def forward(self, clips: Tensor) -> Tensor:
        features = self.features(clips)
        kernel = [min(sizes) for sizes in zip(POOLED, features.shape[2:], strict=True)]
        return self.classifier(functional.avg_pool3d(features, kernel, stride=1)).mean(dim=(2, 3, 4))


def _blocks(channels: int, width: int, norm: partial) -> tuple[list[list[nn.Module]], int]:
    """The Inception blocks of each stage, and the channels of the last one's output."""
    stages: list[list[nn.Module]] = []
    for stage in STAGES:
        stages.append([])
        for widths in stage:
            scaled = [_scaled_channels(value, width) for value in widths]
            stages[-1].append(SepInceptionBlock3D(channels, *scaled, norm))
            channels = scaled[0] + scaled[2] + scaled[4] + scaled[5]
    return stages, channels


def _scaled_channels(channels: int, width: int) -> int:
    return max(1, round(channels * width / 64))


def build(classes: int, *, width: int = 64, momentum: float = 0.001, dropout: float = 0.2) -> nn.Module:
    """S3D for a number of classes.

    Args:
        width: channels of the first convolution; 64 is the full network, which takes torchvision's weights.
        momentum: of batch normalisation's running statistics; from scratch 0.001 needs 1000s of steps, 0.1 about 100.
        dropout: share of features dropped before the classifier while training.
    """
    return S3D(classes, width, momentum, dropout)
