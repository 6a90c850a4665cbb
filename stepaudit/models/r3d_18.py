"""R3D-18, a residual network of 3-D convolutions. Tran et al. 2018."""

from typing import ClassVar

from torch import nn
from torchvision.models.video.resnet import Conv3DSimple

from stepaudit.models._video_resnet import VideoResNet18, stem_3d


class R3D(VideoResNet18):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K]; T a multiple of 8 keeps all frames equal."""

    weights: ClassVar[str] = "R3D_18_Weights.KINETICS400_V1"

    def __init__(self, classes: int, width: int):
        super().__init__(classes, width, stem_3d(width), [Conv3DSimple] * 4)


def build(classes: int, *, width: int = 64) -> nn.Module:
    """R3D-18 for a number of classes.

    Args:
        width: channels of the first stage; 64 is the full network, which takes torchvision's weights.
    """
    return R3D(classes, width)
