"""The contract of models: an adapter for networks with another input or output, and checks of their logits.

A model takes clips [N, 3, T, H, W] in [0, 1] and returns logits [N, K], whose softmax is the class probability.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.errors import UsageError
from stepaudit.layers import arranged, patches

AXES = "NCTHW"
TOLERANCE = 1e-5  # of a sum of probabilities in float32
EXACT = 1e-12  # added to a squared distance, so that its logarithm is finite
ROUNDED = 4e-3  # of a sum of probabilities that were rounded to bfloat16 or float16
ADVICE = "wrap the model in stepaudit.adapters.Adapter (config/MODELS.md)"


class Adapter(nn.Module):
    """A network with another input or output as a model of stepaudit. Clips [N, 3, T, H, W] to logits [N, K].

    Clips come in the number format of its weights, such as float16, and logits in float32.

    Args:
        model: your network.
        layout: order of the axes that it takes: `NTCHW` has the frames before the channels, `NTHWC` the channels last.
        frames: how many it takes, chosen (or repeated) evenly; default: those of the clip.
        pathways: frames of each clip in a list that it takes, such as (8, 32) for SlowFast; chosen as SlowFast does,
            evenly from the first frame to the last.
        size: rows and columns that it takes, resampled bilinearly; default: those of the clip.
        scale: its white, such as 255; its black is 0.
        mean: subtracted from each channel, in the model's own values (after `scale`).
        std: each channel is divided by it, in the same values.
        take: which of several outputs: an index, a key or an attribute.
        column: which of K values of each clip, to audit one label of a network of several labels: with `gives` of one
            value, the label is class 1, and its absence class 0.
        gives: `probabilities` if it ends in a softmax; `logit` or `probability` if it gives one value for each clip,
            the logit, or the sigmoid of it, of class 1 against class 0; `value` for the value itself, [N, 1].
        activation_layer: name of the module of its last convolution, such as `layer4`; default: the model's own
            `activation_layer`, if it has one.
        patch: frames, rows and columns of a patch, if that layer gives tokens [N, L, C] of a transformer: frame by
            frame, row by row, perhaps behind a class token.

    Raises:
        UsageError: an argument does not fit the model; also in `forward`, where it is called.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: nn.Module,
        *,
        layout: str = AXES,
        frames: int | None = None,
        pathways: Sequence[int] | None = None,
        size: tuple[int, int] | None = None,
        scale: float = 1.0,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        take: int | str | None = None,
        column: int | None = None,
        gives: Literal["logits", "probabilities", "logit", "probability", "value"] = "logits",
        activation_layer: str | None = None,
        patch: tuple[int, int, int] | None = None,
    ):
        super().__init__()
        if sorted(layout) != sorted(AXES):
            raise UsageError(f"layout '{layout}': give each of N, C, T, H and W once, such as NTCHW")
        if gives not in OUTPUTS:
            raise UsageError(f"gives '{gives}': one of {', '.join(map(repr, OUTPUTS))}")
        self.model = model
        self.order = [AXES.index(axis) for axis in layout]
        self.frames, self.pathways, self.size, self.scale = frames, pathways, size, scale
        self.take, self.column, self.gives = take, column, gives
        self.layer = _require_module(activation_layer, model)
        self.patch = patch
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1, 1), persistent=False)

    @property
    def activation_layer(self) -> nn.Module | None:
        """The last convolution, if it is known."""
        return self.model.get_submodule(self.layer) if self.layer else getattr(self.model, "activation_layer", None)

    @property
    def activation_grid(self) -> Callable[[Tensor, Sequence[int]], Tensor] | None:
        """Function that puts the layer's tokens into [N, C, t, h, w], for clips of a size; None if it gives maps."""
        own = getattr(self.model, "activation_grid", None)
        if own is None and self.patch is None:
            return None
        return lambda tokens, size: (own or self._tokens_on_grid)(tokens, self._size_within(size))

    @property
    def rollout(self) -> Callable[[Sequence[Tensor], Sequence[int]], Tensor] | None:
        """The network's own function that follows attention back to its patches, if it has one."""
        own = getattr(self.model, "rollout", None)
        return own and (lambda weights, size: own(weights, self._size_within(size)))

    def _tokens_on_grid(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        return arranged(tokens, patches(size, self.patch or ()))

    def _size_within(self, size: Sequence[int]) -> tuple[int, ...]:
        """Size of the clips that the network gets."""
        return (self.frames or size[0], *(self.size or size[1:]))

    def forward(self, clips: Tensor) -> Tensor:
        resampled = resize(choose_frames(clips, self.frames), self.size)
        values = ((resampled * self.scale - self.mean) / self.std).to(_precision(self.model))
        if self.pathways is None:
            output = self.model(self._ordered(values))
        else:
            output = self.model([self._ordered(_evenly_spaced_frames(values, count)) for count in self.pathways])
        name = type(self.model).__name__
        output = output if self.take is None else _take_part(output, self.take, name)
        output = output if self.column is None else _column(output, self.column, name)
        output = OUTPUTS[self.gives](output, name)
        return output.float() if isinstance(output, Tensor) and output.is_floating_point() else output

    def _ordered(self, clips: Tensor) -> Tensor:
        return clips.permute(self.order).contiguous()  # `view` in the model needs it


class BlackBox(nn.Module):
    """A function of NumPy clips as a model: an ONNX session, a Keras network, a server. No gradient passes through it.

    Args:
        answer: clips, float32 and as an `Adapter` around it arranges them, to scores [N, K]; or a list or dictionary of
            several outputs, of which the adapter takes one. It gets a list of arrays where the adapter makes pathways.
        content: what decides its answers, such as the bytes of its file. A checksum of it goes into the checkpoint, so
            that rows are made again when it changes.
        at_once: clips in a call, such as 1 for a file exported with that batch size; default: all.
    """

    content: Tensor

    def __init__(self, answer: Callable[[Any], Any], *, content: bytes = b"", at_once: int | None = None):
        super().__init__()
        if at_once is not None and at_once < 1:
            raise UsageError(f"at_once={at_once}: give 1 or more clips in a call, or leave it out")
        self.answer, self.at_once = answer, at_once
        self.register_buffer("content", torch.tensor(list(sha256(content).digest()), dtype=torch.uint8))

    def forward(self, clips: Tensor | Sequence[Tensor]) -> Any:
        pathways = [clips] if isinstance(clips, Tensor) else list(clips)
        parts = zip(*(pathway.split(self.at_once or len(pathway)) for pathway in pathways), strict=True)
        outputs = [self._call_with_arrays(part, alone=isinstance(clips, Tensor)) for part in parts]
        return _join_outputs(outputs, pathways[0].device)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Unlike other modules it refuses weights of another content: its answers do not come from them."""
        stored = state_dict.get(f"{prefix}content")
        if stored is not None and not torch.equal(stored.to(self.content), self.content):
            raise UsageError(
                "a black box's `content` is not that of the checkpoint; name its file in the model's `options`, so "
                "that a change is seen, and delete the checkpoint"
            )
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _call_with_arrays(self, part: Sequence[Tensor], alone: bool) -> Any:
        arrays = [clips.detach().cpu().numpy() for clips in part]
        return self.answer(arrays[0] if alone else arrays)


def _join_outputs(outputs: Sequence[Any], device: torch.device) -> Any:
    """Outputs of several calls as tensors, joined along the clips; lists and dictionaries of them likewise."""
    first = outputs[0]
    if isinstance(first, Mapping):
        return {key: _join_outputs([output[key] for output in outputs], device) for key in first}
    if isinstance(first, list | tuple) and any(isinstance(each, numpy.ndarray) for each in first):
        return [_join_outputs(each, device) for each in zip(*outputs, strict=True)]
    try:
        return torch.cat([torch.from_numpy(numpy.array(output)) for output in outputs]).to(device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"a black box answers {described(first)}, no scores [N, K] as numbers ({error})") from error


def _precision(model: nn.Module) -> torch.dtype:
    kinds = (parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
    return next(kinds, torch.float32)


def in_python(model: nn.Module) -> nn.Module:
    """The model, in an adapter if it is TorchScript, which takes no hooks."""
    return Adapter(model) if isinstance(model, torch.jit.ScriptModule) else model


def choose_frames(clips: Tensor, count: int | None) -> Tensor:
    """The frame in the middle of each of `count` equal parts: [N, 3, T, H, W] to [N, 3, count, H, W].

    More than T repeat frames; None keeps all.
    """
    frames = clips.shape[2]
    if count is None or count == frames:
        return clips
    places = (torch.arange(count, device=clips.device) + 0.5) * frames / count
    return clips.index_select(2, places.long())


def _evenly_spaced_frames(clips: Tensor, count: int) -> Tensor:
    """Frames at equal steps from the first to the last, rounded down: [N, 3, T, H, W] to [N, 3, count, H, W]."""
    return clips.index_select(2, torch.linspace(0, clips.shape[2] - 1, count, device=clips.device).long())


def resize(clips: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Frames resampled bilinearly, with antialiasing: [N, 3, T, H, W] to [N, 3, T, *size]."""
    if size is None or tuple(size) == tuple(clips.shape[-2:]):
        return clips
    images = functional.interpolate(clips.flatten(1, 2), size=tuple(size), mode="bilinear", antialias=True)
    return images.unflatten(1, clips.shape[1:3])


def _require_module(name: str | None, model: nn.Module) -> str | None:
    modules = dict(model.named_modules())
    if name is not None and name not in modules:
        raise UsageError(f"activation_layer: {type(model).__name__} has no module '{name}'; {readable(model)}")
    return name


def readable(model: nn.Module) -> str:
    """The last layers that methods can read, for error messages: convolutions, and normalisations of tokens."""
    kinds = {"convolution": nn.Conv2d | nn.Conv3d, "normalisation of tokens": nn.LayerNorm}
    by_kind = {
        kind: [name for name, module in model.named_modules() if isinstance(module, of)] for kind, of in kinds.items()
    }
    hints = [f"its last {kind} is '{names[-1]}'" for kind, names in by_kind.items() if names]
    return ", ".join(hints) or "it has no convolution to name"


def _take_part(output: Any, take: int | str, name: str) -> Any:
    """One of several outputs."""
    try:
        if isinstance(output, Tensor):
            raise TypeError("a single output")  # an index would take one of its rows
        return getattr(output, take) if isinstance(take, str) and not isinstance(output, Mapping) else output[take]
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise UsageError(f"take={take!r}: {name} returns {described(output)}; name one of these, or none") from error


def _column(output: Any, column: int, name: str) -> Tensor:
    """One of the values of each clip, [N, 1]."""
    if not isinstance(output, Tensor) or output.ndim != 2 or not 0 <= column < output.shape[1]:
        raise UsageError(f"column={column}: {name} returns {described(output)}; give one of its columns, from 0")
    return output[:, column : column + 1]


def _log_probabilities(probabilities: Any, name: str) -> Any:
    """Logits whose softmax is the probabilities; 0 becomes the least number whose logarithm is finite."""
    if not isinstance(probabilities, Tensor) or probabilities.ndim != 2 or not probabilities.is_floating_point():
        return probabilities  # `check_logits` says what is wrong with it
    if not (sums_to_one(probabilities) | ~probabilities.isfinite().all(dim=1)).all():
        raise UsageError(
            f'gives="probabilities": {name} returns rows that do not sum to 1; of separate sigmoids return the logits, '
            "and set `gives: sigmoid` of the model in the configuration; if these are logits, leave `gives` out"
        )
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()


def _single_values(output: Any, name: str) -> Tensor:
    """One value a clip, [N, 1]."""
    if not isinstance(output, Tensor) or output.numel() != len(output) or not output.is_floating_point():
        raise UsageError(f"gives one value for each clip: {name} returns {described(output)}; leave `gives` out")
    return output.reshape(-1, 1)


def _two_logits(output: Any, name: str) -> Tensor:
    """Logits [N, 2] from one value a clip: the softmax of class 1 is its sigmoid."""
    values = _single_values(output, name)
    return torch.cat([torch.zeros_like(values), values], dim=1)


def _two_log_probabilities(output: Any, name: str) -> Tensor:
    """Logits [N, 2] whose softmax of class 1 is the one probability of each clip."""
    probabilities = _two_logits(output, name)[:, 1]
    if ((probabilities < 0) | (probabilities > 1)).any():
        raise UsageError(
            f'gives="probability": {name} returns values outside [0, 1]; if these are logits, gives="logit"'
        )
    both = torch.stack([1 - probabilities, probabilities], dim=1)
    return both.clamp(min=torch.finfo(both.dtype).tiny).log()


OUTPUTS: dict[str, Callable[[Any, str], Any]] = {
    "logits": lambda output, _name: output,
    "probabilities": _log_probabilities,
    "logit": _two_logits,
    "probability": _two_log_probabilities,
    "value": _single_values,
}
# By what a model `gives` in the configuration, what an adapter around it is given.
ADAPTED: dict[str, Literal["logit", "value"]] = {"logit": "logit", "regression": "value"}


class Close(Adapter):
    """A regression as two logits: class 1 is that its answer stays what it was, with the probability 1 / (1 + (d/t)²).

    d is the distance from that answer and t the tolerance, so that the probability is 1 at the answer, one half at the
    tolerance, and one fifth at twice the tolerance.

    Args:
        model: clips to values [N, 1].
        answer: what it was.
        tolerance: in the same unit.
    """

    def __init__(self, model: nn.Module, answer: float, tolerance: float):
        super().__init__(model)
        self.answer, self.tolerance = answer, tolerance

    def forward(self, clips: Tensor) -> Tensor:
        distance = (self.model(clips) - self.answer) / self.tolerance
        logit = -(distance**2 + EXACT).log()
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


def logits_of(model: nn.Module, clips: Tensor, classes: int, gives: str = "softmax") -> Tensor:
    """Checked logits of a model. Its own errors get a note with the shape of the clips.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        classes: K; of a regression 1.
        gives: as in the configuration.

    Returns:
        Logits [N, K], which may not be finite.

    Raises:
        UsageError: its output is something else.
    """
    try:
        output = model(clips)
    except Exception as error:
        error.add_note(failed(model, clips))
        raise
    check_logits(output, len(clips), classes, type(model).__name__, gives)
    return output


def failed(model: nn.Module, clips: Tensor) -> str:
    """Note for an error of a model: the clips that it was given, and the next step."""
    return (
        f"{type(model).__name__} was given clips of shape {list(clips.shape)}; if it takes another length or size, "
        f"set `clips` of the model in the configuration, or {ADVICE}"
    )


def check_logits(output: Any, count: int, classes: int, name: str, gives: str = "softmax") -> None:
    """Checks that an output is a float for each of `count` clips and each class, and no probability.

    Args:
        gives: as in the configuration; labels with a sigmoid each need not be several, or sum to anything.

    Raises:
        UsageError: it is not; the text names the next step.
    """
    if not isinstance(output, Tensor):
        raise UsageError(f"{name} returns {described(output)}, not logits [N, K]; {ADVICE} and say which to `take`")
    shape = list(output.shape)
    if gives == "softmax" and classes == 1:
        raise UsageError(f"{name} has one class, whose softmax is 1 for any clip; a class is explained against others")
    if gives == "softmax" and shape in ([count], [count, 1]):
        raise UsageError(
            f"{name} returns one value for each clip, as binary classifiers do, whose softmax is 1 for any clip; set "
            "`gives: logit` of the model, or `gives: regression` and its `tolerance`; outside of an audit "
            f'{ADVICE} with gives="logit", or gives="probability" if it ends in a sigmoid'
        )
    if output.ndim != 2 or len(output) != count:
        raise UsageError(
            f"{name} returns shape {shape} for {count} clips, not [{count}, {classes}]: a row for each clip, a column "
            "for each class; average over other axes, such as frames or views, in the model's `forward`"
        )
    if gives == "logit" and classes != 2:
        raise UsageError(
            f"{name} gives one logit, of the second of two classes; the data set has {classes}: have a logit for each, "
            "and leave `gives` out (or `gives: sigmoid` where a clip has several labels)"
        )
    if shape[1] != classes:
        raise UsageError(
            f"{name} returns {shape[1]} values for each clip of a data set with {classes} classes; give its last layer "
            "as many outputs as the first argument of `build` says"
        )
    if not output.is_floating_point():
        raise UsageError(f"{name} returns {output.dtype}, not logits; leave argmax and rounding out of its `forward`")
    if gives == "softmax" and sums_to_one(output).all():
        raise UsageError(
            f"{name} returns probabilities, not logits: its rows are not negative and sum to 1; leave its softmax out, "
            f'or {ADVICE} with gives="probabilities"'
        )


def sums_to_one(rows: Tensor) -> Tensor:
    """[N], bool: rows [K] that are probabilities, not negative with a sum of 1."""
    rounded = torch.stack([(rows == rows.to(kind)).all(dim=1) for kind in (torch.bfloat16, torch.float16)]).any(dim=0)
    tolerance = torch.where(rounded, ROUNDED, TOLERANCE)  # a wide one would take logits near 0 and 1 for probabilities
    return ((rows.float().sum(dim=1) - 1).abs() <= tolerance) & (rows >= 0).all(dim=1)


def described(output: Any) -> str:
    """Type and content of a model's output, for error messages."""
    if isinstance(output, Mapping):
        return f"a {type(output).__name__} of {', '.join(map(repr, output))}"
    if isinstance(output, Sequence):
        shapes = ", ".join(
            str(list(part.shape)) if isinstance(part, Tensor) else type(part).__name__ for part in output
        )
        return f"a {type(output).__name__} of {shapes}"
    if isinstance(output, Tensor):
        return f"one tensor {list(output.shape)}"
    return f"a {type(output).__name__}"
