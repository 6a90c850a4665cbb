"""Models: freezing, reading activations, probabilities, number formats, costs. Blur of frames, pixels inside boxes."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from stepaudit.errors import NotApplicableError, UsageError

TUBELET = 0.25  # of the clip's frames: a tubelet's length, unless it is chosen
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """The model, isolated, in evaluation mode, without parameter gradients; all is restored, also after an error."""
    training = {module: module.training for module in model.modules()}
    trainable = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        with isolated(model):
            yield model.eval().requires_grad_(False)
    finally:
        for module, mode in training.items():
            module.training = mode
        for parameter, mode in trainable.items():
            parameter.requires_grad_(mode)


@contextmanager
def without_data() -> Iterator[None]:
    """Networks that are built within have shapes and no values, whatever weights they load as they are built."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter", category=UserWarning)
        yield


def pass_costs(model: nn.Module, clips: Tensor) -> tuple[int, int]:
    """Floating point operations of a forward pass, and numbers that it writes: outputs of its steps but for views."""
    with FlopCounterMode(display=False) as operations, _WrittenNumbers() as written, torch.no_grad():
        model(clips)
    return operations.get_total_flops(), written.count


class _WrittenNumbers(TorchDispatchMode):
    """Counts the numbers that PyTorch's operations write."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        aliases = (returned.alias_info for returned in func._schema.returns)
        if not any(alias is not None and not alias.is_write for alias in aliases):  # else a view
            outputs = made if isinstance(made, tuple | list) else [made]
            self.count += sum(each.numel() for each in outputs if isinstance(each, Tensor))
        return made


@contextmanager
def isolated(model: nn.Module) -> Iterator[nn.Module]:
    """The model on copies of its inputs; see `isolate`. It is restored, also after an error."""
    handles = isolate(model)
    try:
        yield model
    finally:
        for handle in handles:
            handle.remove()


def isolate(model: nn.Module) -> list[RemovableHandle]:
    """Let the model work on copies of its inputs and give copies of its output, in float32 or a wider type.

    A network that normalises in place (`clips.sub_(mean)`) then leaves its caller's clips as they are, and one that
    fills the same tensor at every call leaves its earlier outputs as they are.

    Returns:
        Handles of the hooks that do it; none if the model is isolated already.

    Raises:
        UsageError: the model is TorchScript, which takes no hooks.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise UsageError("a TorchScript network takes no hooks; wrap it, `stepaudit.adapters.Adapter(model)`")
    if _copied_inputs in model._forward_pre_hooks.values():
        return []
    return [
        model.register_forward_pre_hook(_copied_inputs, prepend=True),
        model.register_forward_hook(_copied_output),
    ]


def _copied_inputs(_module: nn.Module, inputs: tuple) -> tuple:
    return tuple(each.clone() if isinstance(each, Tensor) else each for each in inputs)


def _copied_output(_module: nn.Module, _inputs: tuple, output: Any) -> Any:
    """A copy of a tensor, halves of a float as float32; `adapters.check_logits` judges all else."""
    if not isinstance(output, Tensor):
        return output
    return output.float() if output.dtype in (torch.float16, torch.bfloat16) else output.clone()


@contextmanager
def ordinary_mode() -> Iterator[None]:
    """Float32 without autocasting, outside of `torch.inference_mode`, whatever a caller has set."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with (
            torch.inference_mode(mode=False),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
        ):
            yield
    finally:
        torch.set_default_dtype(dtype)


@contextmanager
def without_gradient(model: nn.Module) -> Iterator[nn.Module]:
    """The model cut off from the clips' gradients, so that `gradient` raises an error."""
    handle = model.register_forward_pre_hook(lambda _module, inputs: tuple(each.detach() for each in inputs))
    try:
        yield model
    finally:
        handle.remove()


def gradient(values: Tensor, inputs: Tensor) -> Tensor:
    """Gradient of the sum of values to inputs, of their shape.

    Raises:
        NotApplicableError: the values do not depend on the inputs in a way that PyTorch can differentiate.
    """
    slope = None
    if values.requires_grad:
        (slope,) = torch.autograd.grad(values, inputs, torch.ones_like(values), allow_unused=True)
    if slope is None:
        raise NotApplicableError(
            "no gradient reaches the clip: the model cuts it off (`torch.no_grad`, `detach`, rounding); use methods "
            "that need no gradient, such as rise or occlusion, or let the model compute with gradients"
        )
    return slope


def reaches_clips(model: nn.Module, clips: Tensor) -> bool:
    """True if PyTorch can differentiate the model's logits to the clips."""
    inputs = clips.detach().requires_grad_()
    try:
        with torch.enable_grad():
            gradient(model(inputs).sum(), inputs)
    except NotApplicableError:
        return False
    return True


@contextmanager
def hooked(layer: nn.Module, hook: Callable[[nn.Module, Any, Any], Any]) -> Iterator[None]:
    """The layer with a forward hook; it is removed at the end, also after an error."""
    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def recorded(layer: nn.Module) -> Iterator[list[Tensor]]:
    """A list of the layer's outputs, one for each of its calls so far; gradients can be taken to them.

    The model continues with copies, because it may change them in place, as `nn.ReLU(inplace=True)` does.
    """
    outputs: list[Tensor] = []

    def record(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, Tensor):
            needs_leaf = torch.is_grad_enabled() and not output.requires_grad and output.is_floating_point()
            outputs.append(output.detach().requires_grad_() if needs_leaf else output)
            return outputs[-1].clone()
        raise NotApplicableError(f"the layer that is read gives a {type(output).__name__}, not one tensor")

    with hooked(layer, record):
        yield outputs


def patches(size: Sequence[int], patch: Sequence[int]) -> tuple[int, ...]:
    """Grid of a clip of `size` [T, H, W] in patches; a partial patch counts."""
    return tuple(-(-pixels // side) for pixels, side in zip(size, patch, strict=True))


def arranged(tokens: Tensor, grid: Sequence[int], order: str = "THW") -> Tensor:
    """Tokens [N, L, C] of a grid, perhaps behind a class token, as [N, C, t, h, w] without it.

    Args:
        order: `HWT` if the tokens of a place follow each other in time.

    Raises:
        NotApplicableError: there are not as many.
    """
    leading = tokens.shape[1] - prod(grid) if tokens.ndim == 3 else -1
    if leading not in (0, 1):
        raise NotApplicableError(
            f"the layer that is read gives {list(tokens.shape)}, not the {' × '.join(map(str, grid))} tokens of the "
            "clip, with or without a class token"
        )
    sides = dict(zip("THW", grid, strict=True))
    values = tokens[:, leading:].transpose(1, 2).unflatten(2, [sides[axis] for axis in order])
    return values.permute(0, 1, *(2 + order.index(axis) for axis in "THW"))


def target_log_probability(model: nn.Module, clips: Tensor, targets: Tensor) -> Tensor:
    """log Φ_c of each clip's target.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.

    Returns:
        [N], at most 0.
    """
    return functional.log_softmax(model(clips), dim=1).gather(1, targets[:, None])[:, 0]


def answers(outputs: Tensor, gives: str) -> Tensor:
    """Answers of a model, from its outputs [N, K]: probabilities of classes or of labels, or the value of a regression.

    Args:
        gives: as `gives` of a model in the configuration.
    """
    if gives == "regression":
        return outputs
    return outputs.sigmoid() if gives == "sigmoid" else outputs.softmax(dim=1)


def probability_and_rank(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax probability of each target, and its rank: 1 + the number of more probable classes.

    Args:
        logits: [N, K].
        targets: [N].

    Returns:
        [N] and [N].
    """
    own = logits.gather(1, targets[:, None])
    probability = logits.softmax(dim=1).gather(1, targets[:, None])[:, 0]
    return probability, 1 + (logits > own).sum(dim=1)


def gaussian_blur(frames: Tensor, sigma: float) -> Tensor:
    """Blurs each frame with a Gaussian, cut off at 3σ; the border goes on outside of the frame.

    Args:
        frames: [..., H, W].
        sigma: pixels; 0 returns the frames.
    """
    if sigma == 0:
        return frames
    down, across = (_blur_matrix(size, sigma).to(frames) for size in frames.shape[-2:])
    return down @ frames @ across.T


def _blur_matrix(size: int, sigma: float) -> Tensor:
    """Weights of the pixels (columns) in each blurred pixel (rows) along a side, [size, size].

    For a wide Gaussian the product with it is several times faster than a convolution.
    """
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-(offsets.float() ** 2) / (2 * sigma**2))
    source = (torch.arange(size)[:, None] + offsets).clamp(0, size - 1)
    return torch.zeros(size, size).scatter_add_(1, source, (weights / weights.sum()).expand(source.shape))


def covered(boxes: list[Box], shape: Sequence[int]) -> Tensor:
    """[H, W], bool: pixels whose centre lies in a box."""
    ys, xs = torch.arange(shape[0])[:, None] + 0.5, torch.arange(shape[1])[None] + 0.5
    inside = torch.zeros(shape, dtype=torch.bool)
    for x0, y0, x1, y1 in boxes:
        inside |= (xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1)
    return inside


def computing_in(model: nn.Module, precision: str) -> nn.Module:
    """The same model, set to compute its convolutions and matrix products in a number format.

    Its logits come out as float32, and so does what methods read at its `activation_layer`, which they weigh and add
    up. Only the `forward` of these two instances changes: class, parts, parameters and hooks are as they were, and a
    copy computes likewise.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K], with float32 parameters.
        precision: `float32` changes nothing; `bfloat16`.
    """
    if precision == "float32":
        return model
    layer = getattr(model, "activation_layer", None)
    if isinstance(layer, nn.Module):
        layer.forward = partial(_in_float32, layer.forward)
    model.forward = partial(_autocast, model.forward, getattr(torch, precision))
    return model


def rounding(model: nn.Module) -> float:
    """Tolerance between two orders of computing a model's logits, as a share of the greatest logit."""
    forward = model.forward
    return 0.25 if isinstance(forward, partial) and forward.func is _autocast else 1e-3


def _autocast(forward: Callable[[Tensor], Any], dtype: torch.dtype, clips: Tensor) -> Any:
    with torch.autocast(clips.device.type, dtype=dtype):
        return _in_float32(forward, clips)


def _in_float32(forward: Callable[..., Any], *inputs: Any) -> Any:
    """A bfloat16 output as float32; any other output unchanged, for `adapters.check_logits` to judge."""
    output = forward(*inputs)
    return output.float() if isinstance(output, Tensor) and output.dtype == torch.bfloat16 else output
