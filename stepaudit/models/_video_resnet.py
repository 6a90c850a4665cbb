"""18-layer video residual networks of any width, under torchvision's names. Tran et al. 2018."""

from collections.abc import Sequence
from typing import ClassVar

from torch import nn
from torchvision.models.video.resnet import BasicBlock, VideoResNet

from stepaudit.models._normalise import KINETICS, Normalised


class VideoResNet18(Normalised):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K].

    Args:
        stem: gives `width` channels.
        convolutions: kind of convolution in each of the four stages.
    """

    backbone: "_Backbone"
    input_size: ClassVar[tuple[int, int, int]] = (16, 112, 112)
    head: ClassVar[str] = "fc."

    def __init__(self, classes: int, width: int, stem: nn.Module, convolutions: Sequence[type[nn.Module]]):
        super().__init__(_Backbone(classes, width, stem, convolutions), *KINETICS)

    @property
    def activation_layer(self) -> nn.Module:
        """The last residual stage."""
        return self.backbone.layer4


class _Backbone(VideoResNet):
    """torchvision's network with `width` in place of 64 channels; its state dict has the same names."""

    def __init__(self, classes: int, width: int, stem: nn.Module, convolutions: Sequence[type[nn.Module]]):
        nn.Module.__init__(self)
        self.inplanes = width
        self.stem = stem
        self.layer1 = self._make_layer(BasicBlock, convolutions[0], width, 2, stride=1)
        self.layer2 = self._make_layer(BasicBlock, convolutions[1], 2 * width, 2, stride=2)
        self.layer3 = self._make_layer(BasicBlock, convolutions[2], 4 * width, 2, stride=2)
        self.layer4 = self._make_layer(BasicBlock, convolutions[3], 8 * width, 2, stride=2)
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(8 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def stem_3d(width: int) -> nn.Sequential:
    """The first layer as one 3-D convolution."""
    return nn.Sequential(
        nn.Conv3d(3, width, kernel_size=(3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
    )


def stem_2plus1d(width: int) -> nn.Sequential:
    """The first layer split into a convolution over space and one over time."""
    middle = max(1, round(45 * width / 64))
    return nn.Sequential(
        nn.Conv3d(3, middle, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(inplace=True),
        nn.Conv3d(middle, width, kernel_size=(3, 1, 1), stride=1, padding=(1, 0, 0), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
    )
