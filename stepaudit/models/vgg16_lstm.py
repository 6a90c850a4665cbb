"""VGG16LSTM, a CNN-RNN: VGG16 to its layer fc7, then one LSTM over the frames. Bargal et al. 2018."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.vgg import make_layers

from stepaudit.errors import UsageError
from stepaudit.models._normalise import Normalise

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STAGES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # of VGG16: channels in widths, convolutions
SMALLEST = 2 ** len(STAGES)  # pixels of which the poolings leave one


class VGG16LSTM(nn.Module):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K]: the log of the mean over time of each step's softmax."""

    def __init__(
        self, classes: int, width: int, features: int, hidden: int, batch_norm: bool, pooled: int, dropout: float
    ):
        super().__init__()
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.backbone = _Backbone(width, features, batch_norm, pooled, dropout)
        self.lstm = ReLULSTMCell(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden, classes)

    @property
    def activation_layer(self) -> nn.Module:
        """conv5: the last convolution's activation, before the pooling. [N·T, C, h, w]."""
        return self.backbone.features[-2]

    @property
    def head(self) -> str | None:
        """None: the backbone ends before any layer that depends on the classes."""
        return None

    def forward(self, clips: Tensor) -> Tensor:
        count, _, frames = clips.shape[:3]
        images = self.normalise(clips).transpose(1, 2).flatten(0, 1)
        steps = self.backbone(images).unflatten(0, (count, frames)).unbind(1)
        hidden = cell = steps[0].new_zeros(count, self.lstm.hidden)
        log_probabilities = []
        for step in steps:
            # The paper's section 4.1.1: gradients do not flow through the recurrent state.
            hidden, cell = self.lstm(step, hidden.detach(), cell.detach())
            log_probabilities.append(functional.log_softmax(self.fc(self.dropout(hidden)), dim=1))
        return torch.stack(log_probabilities).logsumexp(dim=0) - torch.tensor(float(frames)).log()


class ReLULSTMCell(nn.Module):
    """An LSTM step with ReLU in place of both tanh. Inputs [N, features], hidden and cell [N, hidden]."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(features, 4 * hidden)
        self.from_hidden = nn.Linear(hidden, 4 * hidden)

    def forward(self, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.from_input(inputs) + self.from_hidden(hidden)
        enter, forget, candidate, leave = gates.chunk(4, dim=1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.relu()
        return leave.sigmoid() * cell.relu(), cell


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
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if min(height, width) < SMALLEST:
            raise UsageError(
                f"VGG16 halves its input five times: {height} × {width} pixels, at least {SMALLEST} are needed"
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
