"""R(2+1)D-18, a 3D-CNN whose convolutions are split into space and time. Tran et al. 2018."""

from torch import nn
from torchvision.models.video.resnet import Conv2Plus1D

from stepaudit.models._video_resnet import VideoResNet18, stem_2plus1d

ranges = {"width": (1, 4_096)}


def build(classes: int, *, width: int = 64) -> nn.Module:
    """R(2+1)D-18 for a number of classes. Clips whose length is a multiple of 8 keep all frames equal.

    Args:
        width: channels of the first stage; 64 is the full network, which takes torchvision's weights.
    """
    return VideoResNet18(classes, width, stem_2plus1d(width), [Conv2Plus1D] * 4)
