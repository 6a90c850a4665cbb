"""VGG16LSTM, a CNN-RNN: VGG16 to its layer fc7, then one LSTM over the frames. Bargal et al. 2018."""

from typing import ClassVar

from torch import Tensor, nn
from torchvision.models.vgg import make_layers

from stepaudit.errors import UsageError
from stepaudit.models._relu_lstm import FrameLSTM, ReLULSTMCell

ranges = {
    "width": (1, 4_096),
    "features": (1, 65_536),
    "hidden": (1, 65_536),
    "pooled": (1, 64),
    "dropout": (0, 1),
}
STAGES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # of VGG16: channels in widths, convolutions
MIN_PIXELS = 2 ** len(STAGES)  # pixels of which the poolings leave one


class VGG16LSTM(FrameLSTM):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K]: the log of the mean over time of each step's softmax."""

    backbone: "_Backbone"
    input_size: ClassVar[tuple[int, int, int]] = (16, 224, 224)

    def __init__(
        self, classes: int, width: int, features: int, hidden: int, batch_norm: bool, pooled: int, dropout: float
    ):
        backbone = _Backbone(width, features, batch_norm, pooled, dropout)
        super().__init__(backbone, ReLULSTMCell(features, hidden), classes, dropout)

    @property
    def activation_layer(self) -> nn.Module:
        """conv5: the last convolution's activation, before the pooling. [N·T, C, h, w]."""
        return self.backbone.features[-2]


class _Backbone(nn.Module):
    """VGG16 to fc7. Images [N, 3, H, W] to [N, features]. At full width its state dict is part of torchvision's."""

    def __init__(self, width: int, features: int, batch_norm: bool, pooled: int, dropout: float):
        super().__init__()
        layers = [part for share, convolutions in STAGES for part in [share * width] * convolutions + ["M"]]
        self.features = make_layers(layers, batch_norm=batch_norm)
        self.avgpool = nn.AdaptiveAvgPool2d((pooled, pooled))
        self.classifier = nn.Sequential(
            nn.Linear(8 * width * pooled**2, features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(features, features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if min(height, width) < MIN_PIXELS:
            raise UsageError(
                f"VGG16 halves its input five times: {height} × {width} pixels, at least {MIN_PIXELS} are needed"
            )
        return self.classifier(self.avgpool(self.features(images)).flatten(1))


def build(
    classes: int,
    *,
    width: int = 64,
    features: int = 4096,
    hidden: int = 256,
    batch_norm: bool = False,
    pooled: int = 7,
    dropout: float = 0.5,
) -> nn.Module:
    """VGG16LSTM for a number of classes.

    Args:
        width: channels of the first convolutions; 64 is VGG16, which takes torchvision's weights.
        features: size of the fully connected layers fc6 and fc7.
        hidden: units of the LSTM.
        batch_norm: the variant with batch normalisation, which trains from scratch where the plain one does not.
        pooled: the last activation is pooled to this many rows and columns.
        dropout: share of features dropped after fc6, fc7 and the LSTM while training.
    """
    return VGG16LSTM(classes, width, features, hidden, batch_norm, pooled, dropout)
