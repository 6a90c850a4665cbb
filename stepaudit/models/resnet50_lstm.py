"""ResNet50LSTM, a CNN-RNN: ResNet-50 to its pooled features, then one LSTM over the frames. He et al. 2016."""

from typing import ClassVar

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from stepaudit.errors import UsageError
from stepaudit.models._relu_lstm import FrameLSTM, ReLULSTMCell

ranges = {"width": (1, 4_096), "depths": (1, 1_000), "hidden": (1, 65_536), "dropout": (0, 1)}


class ResNet50LSTM(FrameLSTM):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K]: the log of the mean over time of each step's softmax."""

    backbone: "_Backbone"
    input_size: ClassVar[tuple[int, int, int]] = (16, 224, 224)

    def __init__(self, classes: int, width: int, depths: tuple[int, ...], hidden: int, dropout: float):
        backbone = _Backbone(width, depths)
        super().__init__(backbone, ReLULSTMCell(backbone.inplanes, hidden), classes, dropout)

    @property
    def activation_layer(self) -> nn.Module:
        """The last residual stage. [N·T, C, h, w]."""
        return self.backbone.layer4


class _Backbone(ResNet):
    """ResNet-50 to its pooling, with `width` in place of 64 channels. Its state dict is part of torchvision's."""

    def __init__(self, width: int, depths: tuple[int, ...]):
        nn.Module.__init__(self)
        self._norm_layer, self.groups, self.base_width, self.dilation = nn.BatchNorm2d, 1, 64, 1
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(Bottleneck, width, depths[0])
        self.layer2 = self._make_layer(Bottleneck, 2 * width, depths[1], stride=2)
        self.layer3 = self._make_layer(Bottleneck, 4 * width, depths[2], stride=2)
        self.layer4 = self._make_layer(Bottleneck, 8 * width, depths[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Identity()  # torchvision's forward ends with it
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] to features [N, 32 width]."""
        return super().forward(images)


def build(
    classes: int,
    *,
    width: int = 64,
    depths: tuple[int, ...] = (3, 4, 6, 3),
    hidden: int = 256,
    dropout: float = 0.5,
) -> nn.Module:
    """ResNet50LSTM for a number of classes.

    Args:
        width: channels of the first convolution; 64 is ResNet-50, which takes torchvision's weights.
        depths: blocks in each of the four stages.
        hidden: units of the LSTM.
        dropout: share of features dropped after the LSTM while training.

    Raises:
        UsageError: not four stages of at least one block.
    """
    if len(depths) != 4 or min(depths) < 1:
        raise UsageError(f"resnet50_lstm: depths {list(depths)}; give four numbers from 1 on, such as [3, 4, 6, 3]")
    return ResNet50LSTM(classes, width, depths, hidden, dropout)
