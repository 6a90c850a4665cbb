"""Models that a configuration may name, `odd_models:…`, and that go wrong in a known way."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

from stepaudit.adapters import Adapter, BlackBox


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


def loaded_at_once(classes: int) -> nn.Module:
    """A network that loads weights as it is built, as many do with those that they were trained from."""
    net = Brightness(classes)
    with torch.device("cpu"):
        net.load_state_dict({"weights": torch.zeros(classes)})
    return net


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


class OneValue(Brightness):
    """One value for each clip, the logit of class 1."""

    def forward(self, clips: Tensor) -> Tensor:
        return 8 * (super().forward(clips)[:, 1:] - 0.4)


class BothValues(OneValue):
    """The same as two logits."""

    def forward(self, clips: Tensor) -> Tensor:
        value = super().forward(clips)
        return torch.cat([-value / 2, value / 2], dim=1)


def one_logit(classes: int) -> nn.Module:
    """A network of one value, as it is."""
    return OneValue(2)


def detector(classes: int) -> nn.Module:
    """A network of one value, adapted."""
    return Adapter(OneValue(classes), gives="logit")


def both(classes: int) -> nn.Module:
    """The same answers without an adapter."""
    return BothValues(classes)


def black_box(classes: int, *, file: str | None = None) -> nn.Module:
    """Probabilities by NumPy alone, from clips with the channels last: the same as those of `Sure`.

    Args:
        file: not read.
    """

    def answer(clips: np.ndarray) -> np.ndarray:
        scores = np.exp(clips.mean(axis=(1, 2, 3, 4))[:, None] * np.linspace(-1, 1, classes, dtype=np.float32))
        return scores / scores.sum(axis=1, keepdims=True)

    return Adapter(BlackBox(answer), layout="NTHWC", gives="probabilities")


class Listed(nn.Module):
    """Its convolution stands in a list, so that it is neither trained nor saved."""

    def __init__(self, classes: int):
        super().__init__()
        self.hidden = [nn.Conv3d(3, 4, 3)]
        self.last = nn.Linear(4, classes)

    def forward(self, clips: Tensor) -> Tensor:
        return self.last(self.hidden[0](clips).mean(dim=(2, 3, 4)))


class Projected(Brightness):
    """Its logits go through a random matrix that is no buffer."""

    def __init__(self, classes: int):
        super().__init__(classes)
        self.matrix = torch.randn(classes, classes)

    def forward(self, clips: Tensor) -> Tensor:
        return super().forward(clips) @ self.matrix


class Registered(Listed):
    """The same, with its convolution among its modules."""

    def __init__(self, classes: int):
        super().__init__(classes)
        self.hidden = nn.ModuleList(self.hidden)


class Lazy(nn.Sequential):
    """Its size is not known before the first clip."""

    def __init__(self, classes: int):
        super().__init__(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.LazyLinear(classes))


def listed(classes: int) -> nn.Module:
    """A model whose weights are not all its own."""
    return Listed(classes)


def projected(classes: int) -> nn.Module:
    """A model with a random tensor that is not saved."""
    return Projected(classes)


def registered(classes: int) -> nn.Module:
    """A model whose weights are all its own."""
    return Registered(classes)


def lazy(classes: int) -> nn.Module:
    """A model with a lazy layer."""
    return Lazy(classes)


def still(classes: int) -> nn.Module:
    """A model without a weight that can be trained."""
    return Brightness(classes).requires_grad_(False)


class Named(Brightness):
    """Holds the names of its classes as networks of transformers do."""

    def __init__(self, classes: int, names: list[str]):
        super().__init__(classes)
        self.config = SimpleNamespace(id2label=dict(enumerate(names)))


def named(classes: int, *, names: list[str] = ()) -> nn.Module:
    """A model that names its classes."""
    return Named(classes, names)
