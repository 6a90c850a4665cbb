"""Models of the user's own: what they take and give, told in one call.

A model is handed clips [N, 3, T, H, W] in [0, 1], and logits [N, K] are read, whose softmax is the class probability.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.answers import described, sums_to_one
from stepaudit.errors import UsageError

AXES = "NCTHW"


class Adapter(nn.Module):
    """A model that takes or gives something else, as a model of stepaudit. Clips [N, 3, T, H, W] to logits [N, K].

    Args:
        model: your network.
        layout: order of the axes that it takes: `NTCHW` has the frames before the channels, `NTHWC` the channels last.
        frames: how many it takes, chosen (or repeated) evenly; default: those of the clip.
        size: rows and columns that it takes, resampled bilinearly; default: those of the clip.
        scale: its white, such as 255; its black is 0.
        mean: subtracted from each channel, in the model's own values (after `scale`).
        std: each channel is divided by it, in the same values.
        take: which of several outputs: an index, a key or an attribute.
        gives: `probabilities` if it ends in a softmax.
        activation_layer: name of the module of its last convolution, such as `layer4`; default: the model's own
            `activation_layer`, if it has one.

    Raises:
        UsageError: an argument does not fit the model; also in `forward`, where it is called.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layout: str = AXES,
        frames: int | None = None,
        size: tuple[int, int] | None = None,
        scale: float = 1.0,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        take: int | str | None = None,
        gives: Literal["logits", "probabilities"] = "logits",
        activation_layer: str | None = None,
    ):
        super().__init__()
        if sorted(layout) != sorted(AXES):
            raise UsageError(f"layout '{layout}': give each of N, C, T, H and W once, such as NTCHW")
        if gives not in ("logits", "probabilities"):
            raise UsageError(f"gives '{gives}': either 'logits' or 'probabilities'")
        self.model = model
        self.order = [AXES.index(axis) for axis in layout]
        self.frames, self.size, self.scale = frames, size, scale
        self.take, self.gives, self.layer = take, gives, _existing(activation_layer, model)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1, 1), persistent=False)

    @property
    def activation_layer(self) -> nn.Module | None:
        """The last convolution, if it is known."""
        return self.model.get_submodule(self.layer) if self.layer else getattr(self.model, "activation_layer", None)

    def forward(self, clips: Tensor) -> Tensor:
        resampled = resize(choose_frames(clips, self.frames), self.size)
        values = (resampled * self.scale - self.mean) / self.std
        output = self.model(values.permute(self.order).contiguous())  # `view` in the model needs it
        if self.take is not None:
            output = _taken(output, self.take, type(self.model).__name__)
        return _log(output, type(self.model).__name__) if self.gives == "probabilities" else output


def choose_frames(clips: Tensor, count: int | None) -> Tensor:
    """The frame in the middle of each of `count` equal parts: [N, 3, T, H, W] to [N, 3, count, H, W]."""
    frames = clips.shape[2]
    if count is None or count == frames:
        return clips
    places = (torch.arange(count, device=clips.device) + 0.5) * frames / count
    return clips.index_select(2, places.long())


def resize(clips: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Frames resampled bilinearly, with antialiasing: [N, 3, T, H, W] to [N, 3, T, *size]."""
    if size is None or tuple(size) == tuple(clips.shape[-2:]):
        return clips
    images = functional.interpolate(clips.flatten(1, 2), size=tuple(size), mode="bilinear", antialias=True)
    return images.unflatten(1, clips.shape[1:3])


def _existing(name: str | None, model: nn.Module) -> str | None:
    modules = dict(model.named_modules())
    if name is not None and name not in modules:
        convolutions = [known for known, module in modules.items() if isinstance(module, nn.Conv2d | nn.Conv3d)]
        hint = f"its last convolution is '{convolutions[-1]}'" if convolutions else "it has no convolution to name"
        raise UsageError(f"activation_layer: {type(model).__name__} has no module '{name}'; {hint}")
    return name


def _taken(output: Any, take: int | str, name: str) -> Any:
    """One of several outputs."""
    try:
        if isinstance(output, Tensor):
            raise TypeError("a single output")  # an index would take one of its rows
        return getattr(output, take) if isinstance(take, str) and not isinstance(output, Mapping) else output[take]
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise UsageError(f"take={take!r}: {name} returns {described(output)}; name one of these, or none") from error


def _log(probabilities: Any, name: str) -> Any:
    """Logits whose softmax is the probabilities; 0 becomes the least number whose logarithm is finite."""
    if not isinstance(probabilities, Tensor) or probabilities.ndim != 2 or not probabilities.is_floating_point():
        return probabilities  # whatever is wrong with it, the check of the answer says it
    if not (sums_to_one(probabilities) | ~probabilities.isfinite().all(dim=1)).all():
        raise UsageError(
            f'gives="probabilities": {name} returns rows that do not sum to 1; put a softmax in the place of separate '
            "sigmoids, because a class is explained against the others; if these are logits, leave `gives` out"
        )
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
