"""R(2+1)D-18, a 3D-CNN whose convolutions are split into space and time. Tran et al. 2018."""

from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, VideoResNet

from stepaudit.models._normalise import Normalise

KINETICS_MEAN, KINETICS_STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)


class R2Plus1D(nn.Module):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K]; T a multiple of 8 keeps all frames equal."""

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.normalise = Normalise(KINETICS_MEAN, KINETICS_STD)
        self.backbone = _Backbone(classes, width)

    @property
    def activation_layer(self) -> nn.Module:
        """The last residual stage."""
        return self.backbone.layer4

    @property
    def head(self) -> str:
        """Prefix, within `backbone`, of the parameters that depend on the classes."""
        return "fc."

    def forward(self, clips: Tensor) -> Tensor:
        return self.backbone(self.normalise(clips))


class _Backbone(VideoResNet):
    """torchvision's network with `width` in place of 64 channels; its state dict has the same names."""

    def __init__(self, classes: int, width: int):
        nn.Module.__init__(self)
        self.inplanes = width
        self.stem = _stem(width)
        self.layer1 = self._make_layer(BasicBlock, Conv2Plus1D, width, 2, stride=1)
        self.layer2 = self._make_layer(BasicBlock, Conv2Plus1D, 2 * width, 2, stride=2)
        self.layer3 = self._make_layer(BasicBlock, Conv2Plus1D, 4 * width, 2, stride=2)
        self.layer4 = self._make_layer(BasicBlock, Conv2Plus1D, 8 * width, 2, stride=2)
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(8 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _stem(width: int) -> nn.Sequential:
    middle = max(1, round(45 * width / 64))
    return nn.Sequential(
        nn.Conv3d(3, middle, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(inplace=True),
        nn.Conv3d(middle, width, kernel_size=(3, 1, 1), stride=1, padding=(1, 0, 0), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
    )


def build(classes: int, *, width: int = 64) -> nn.Module:
    """R(2+1)D-18 for a number of classes.

    Args:
        width: channels of the first stage; 64 is the full network, which takes torchvision's weights.
    """
    return R2Plus1D(classes, width)
