"""MC3-18, a residual network that convolves over space and time in its first stage only. Tran et al. 2018."""

from torch import nn
from torchvision.models.video.resnet import Conv3DNoTemporal, Conv3DSimple

from stepaudit.models._video_resnet import VideoResNet18, stem_3d

ranges = {"width": (1, 4_096)}


def build(classes: int, *, width: int = 64) -> nn.Module:
    """MC3-18 for a number of classes. All frames are kept up to the last pooling.

    Args:
        width: channels of the first stage; 64 is the full network, which takes torchvision's weights.
    """
    return VideoResNet18(classes, width, stem_3d(width), [Conv3DSimple, *[Conv3DNoTemporal] * 3])
