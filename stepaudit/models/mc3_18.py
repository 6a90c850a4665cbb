"""MC3-18, a residual network that convolves over space and time in its first stage only. Tran et al. 2018."""

from typing import ClassVar

from torch import nn
from torchvision.models.video.resnet import Conv3DNoTemporal, Conv3DSimple

from stepaudit.models._video_resnet import VideoResNet18, stem_3d


class MC3(VideoResNet18):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K]; all T frames are kept up to the last pooling."""

    weights: ClassVar[str] = "MC3_18_Weights.KINETICS400_V1"

    def __init__(self, classes: int, width: int):
        super().__init__(classes, width, stem_3d(width), [Conv3DSimple, *[Conv3DNoTemporal] * 3])


def build(classes: int, *, width: int = 64) -> nn.Module:
    """MC3-18 for a number of classes.

    Args:
        width: channels of the first stage; 64 is the full network, which takes torchvision's weights.
    """
    return MC3(classes, width)
