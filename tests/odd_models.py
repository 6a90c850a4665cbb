"""Models that a configuration may name, `odd_models:…`, and that go wrong in a known way."""

import torch
from torch import Tensor, nn

from stepaudit.adapters import Adapter


class Brightness(nn.Module):
    """Logits that are the clip's brightness times fixed weights. Nothing to train, nothing to normalise."""

    def __init__(self, classes: int):
        super().__init__()
        self.weights = nn.Parameter(torch.linspace(-1, 1, classes))

    def forward(self, clips: Tensor) -> Tensor:
        return clips.mean(dim=(1, 2, 3, 4))[:, None] * self.weights


class NanAbove(Brightness):
    """NaN for clips that are brighter than a threshold, on average over their first frame."""

    def __init__(self, classes: int, threshold: float):
        super().__init__(classes)
        self.threshold = threshold

    def forward(self, clips: Tensor) -> Tensor:
        bright = clips[:, :, 0].mean(dim=(1, 2, 3)) > self.threshold
        return super().forward(clips) + torch.where(bright, float("nan"), 0.0)[:, None]


class SteepAtZero(Brightness):
    """Finite logits whose gradient is infinite: the square root of something that is 0."""

    def forward(self, clips: Tensor) -> Tensor:
        return super().forward(clips) + (0 * clips.sum(dim=(1, 2, 3, 4), keepdim=False)).sqrt()[:, None] * self.weights


class TwoHeads(Brightness):
    """Returns two outputs."""

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        logits = super().forward(clips)
        return logits, logits


class Sure(Brightness):
    """Returns probabilities."""

    def forward(self, clips: Tensor) -> Tensor:
        return super().forward(clips).softmax(dim=1)


def blind(classes: int) -> nn.Module:
    """A model without a convolution."""
    return Brightness(classes)


def nan_above(classes: int, *, threshold: float = -1.0) -> nn.Module:
    """A model that answers NaN for bright clips."""
    return NanAbove(classes, threshold)


def steep(classes: int) -> nn.Module:
    """A model whose gradient is not finite."""
    return SteepAtZero(classes)


def broken(classes: int) -> nn.Module:
    """A model with a bug."""
    return nn.Linear(5, classes)


def two_heads(classes: int) -> nn.Module:
    """A model of two outputs."""
    return TwoHeads(classes)


def first_head(classes: int) -> nn.Module:
    """The first output of a model of two."""
    return Adapter(TwoHeads(classes), take=0)


def sure(classes: int, *, told: bool = False) -> nn.Module:
    """A model that returns probabilities, and says so or not."""
    return Adapter(Sure(classes), gives="probabilities") if told else Sure(classes)


def other_classes(classes: int) -> nn.Module:
    """A model of a fixed number of classes, whatever it is asked for."""
    return Brightness(400)


class FixedDropout(Brightness):
    """Drops half of its logits at random, in evaluation mode as well."""

    def forward(self, clips: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(clips), 0.5)


class WithoutGradient(Brightness):
    """Its brightness is computed without gradients."""

    def forward(self, clips: Tensor) -> Tensor:
        with torch.no_grad():
            brightness = clips.mean(dim=(1, 2, 3, 4))
        return brightness[:, None] * self.weights


def dropping(classes: int) -> nn.Module:
    """A model whose dropout stays on."""
    return FixedDropout(classes)


def cut_off(classes: int) -> nn.Module:
    """A model that no gradient reaches the clips of."""
    return WithoutGradient(classes)
