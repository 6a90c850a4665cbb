"""R3D-18, a residual network of 3-D convolutions. Tran et al. 2018."""

from torch import nn
from torchvision.models.video.resnet import Conv3DSimple

from stepaudit.models._video_resnet import VideoResNet18, stem_3d

ranges = {"width": (1, 4_096)}


def build(classes: int, *, width: int = 64) -> nn.Module:
    """R3D-18 for a number of classes. Clips whose length is a multiple of 8 keep all frames equal.

    Args:
        width: channels of the first stage; 64 is the full network, which takes torchvision's weights.
    """
    return VideoResNet18(classes, width, stem_3d(width), [Conv3DSimple] * 4)
