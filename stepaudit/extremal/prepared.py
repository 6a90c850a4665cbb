"""A model made fast for many passes without training: batch norms folded away, and on a CPU 3-D convolutions as 2-D."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stepaudit.layers import frozen, rounding

CONVOLUTIONS, BATCH_NORMS = (nn.Conv2d, nn.Conv3d), (nn.BatchNorm2d, nn.BatchNorm3d)
# What a forward may raise when its parts are not quite those it was written for.
FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError)
Place = tuple[nn.Module, str]  # a module and the name of its child


@contextmanager
def prepared(model: nn.Module, example: Tensor) -> Iterator[nn.Module]:
    """The model with batch norms folded away, and `channels_last`; its own parts are put back, also after an error.

    Batch norms behind convolutions of a Sequential are folded into them, exactly but for the order of rounding. Parts
    with hooks, shared parts and subclasses stay as they are; so does a model whose logits would change, because its
    `forward` does more with its parts than their places show.

    Args:
        model: in evaluation mode.
        example: clips [N, 3, T, H, W] to compare outputs on.
    """
    with _unless_logits_change(model, example, _batch_norms_folded, _convolutions_channels_last):
        yield model


@contextmanager
def channels_last(model: nn.Module, example: Tensor) -> Iterator[nn.Module]:
    """The model with convolutions that are faster on a CPU and share its parameters; also to train it.

    Convolutions over space alone or time alone (those of R(2+1)D) become 2-D convolutions over channels-last frames,
    and 2-D ones work on channels-last pictures. On other devices, or if the model then fails (a `view` of what is no
    longer in order), nothing is changed.

    Args:
        example: clips [N, 3, T, H, W] to compare outputs on.
    """
    with _unless_logits_change(model, example, _convolutions_channels_last):
        yield model


@contextmanager
def _unless_logits_change(model: nn.Module, example: Tensor, *changes: Callable) -> Iterator[None]:
    """The model under these changes, or as it is if they change its logits by more than rounding."""
    with ExitStack() as stack:
        with frozen(model), torch.no_grad():
            own = model(example)
            for change in changes:
                stack.enter_context(change(model))
            if not _same_logits(model, example, own):
                stack.close()
        yield


def _same_logits(model: nn.Module, example: Tensor, own: Tensor) -> bool:
    """True if the model still runs and its logits on the example differ from `own` by no more than rounding."""
    try:
        logits = model(example)
    except torch.OutOfMemoryError:
        raise
    except FAILURES:
        return False
    tolerance = rounding(model) * own.nan_to_num(0, 0, 0).abs().max().item()
    return torch.allclose(logits, own, rtol=0, atol=tolerance, equal_nan=True)


@contextmanager
def _batch_norms_folded(model: nn.Module) -> Iterator[None]:
    """The model with batch norms folded into the convolutions before them, until the end of the block."""
    with _restored_afterwards() as swap:
        for convolution, norm in _folds(model):
            kinds = cast(nn.Conv3d, _child(convolution)), cast(nn.BatchNorm3d, _child(norm))  # or 2-D; so says `_folds`
            swap(convolution, fuse_conv_bn_eval(*kinds))
            swap(norm, nn.Identity())
        yield


@contextmanager
def _convolutions_channels_last(model: nn.Module) -> Iterator[None]:
    """The model with its convolutions in channels-last form, if it is on a CPU, until the end of the block."""
    with _restored_afterwards() as swap:
        if next((parameter.device.type for parameter in model.parameters()), None) == "cpu":
            for place in _module_places(model, CONVOLUTIONS):
                if faster := _channels_last(_child(place)):
                    swap(place, faster)
        yield


@contextmanager
def _restored_afterwards() -> Iterator[Callable[[Place, nn.Module], None]]:
    """A function that replaces the module at a place; all originals are put back at the end."""
    own: list[tuple[Place, nn.Module]] = []

    def swap(place: Place, module: nn.Module) -> None:
        own.append((place, _child(place)))
        place[0]._modules[place[1]] = module

    try:
        yield swap
    finally:
        for place, module in reversed(own):
            place[0]._modules[place[1]] = module


def _child(place: Place) -> nn.Module:
    return place[0].get_submodule(place[1])


def _module_places(model: nn.Module, kinds: tuple[type, ...]) -> list[Place]:
    """Places of modules of exactly these kinds that have no hooks and only one place."""
    places = [(parent, name) for parent in model.modules() for name, child in parent._modules.items() if child]
    count = Counter(id(_child(place)) for place in places)
    return [place for place in places if _is_plain(_child(place), kinds) and count[id(_child(place))] == 1]


def _is_plain(module: nn.Module, kinds: tuple[type, ...]) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return type(module) in kinds and not any(hooks)


def _folds(model: nn.Module) -> list[tuple[Place, Place]]:
    """Convolutions with the batch norms right behind them in a Sequential, or behind one that ends with them."""
    convolutions, norms = _module_places(model, CONVOLUTIONS), _module_places(model, BATCH_NORMS)
    pairs = []
    for parent in filter(_runs_in_order, model.modules()):
        names = list(parent._modules)
        for before, after in pairwise(names):
            place = _output_place((parent, before))
            norm = (parent, after)
            if place in convolutions and norm in norms and _child(norm).track_running_stats:
                pairs.append((place, norm))
    return pairs


def _output_place(place: Place) -> Place:
    """The place of the last module within nested Sequentials, which computes this place's output."""
    while _runs_in_order(child := _child(place)) and child._modules:
        place = (child, list(child._modules)[-1])
    return place


def _runs_in_order(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _channels_last(convolution: nn.Module) -> nn.Module | None:
    """The same convolution on channels-last frames; None where there is no faster form."""
    if isinstance(convolution, nn.Conv2d):
        return _Images(convolution) if convolution.padding_mode == "zeros" else None
    if not isinstance(convolution, nn.Conv3d) or isinstance(convolution.padding, str):
        return None
    if convolution.groups > 1 or convolution.padding_mode != "zeros":
        return None
    axes = zip(convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation, strict=True)
    time, *space = [axis == (1, 1, 0, 1) for axis in axes]  # whether nothing happens along an axis
    return _Frames(convolution, over_space=time) if time or all(space) else None


class _Images(nn.Module):
    """A 2-D convolution on channels-last pictures [N, C, H, W]."""

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        self.convolution = convolution

    def forward(self, images: Tensor) -> Tensor:
        own = self.convolution
        images, weight = (values.contiguous(memory_format=torch.channels_last) for values in (images, own.weight))
        return functional.conv2d(images, weight, own.bias, own.stride, own.padding, own.dilation, own.groups)


class _Frames(nn.Module):
    """A 3-D convolution that spans only space, or only time, as a 2-D one. [N, C, T, H, W].

    In channels-last memory a clip is, without copying, a row of frames [N·T, C, H, W] or a picture [N, C, T, H·W].
    """

    def __init__(self, convolution: nn.Conv3d, over_space: bool):
        super().__init__()
        self.convolution, self.over_space = convolution, over_space
        axes = slice(1, 3) if over_space else slice(0, 2)  # over time the second axis is H·W, where nothing happens
        self.stride, self.padding = convolution.stride[axes], convolution.padding[axes]
        self.dilation = convolution.dilation[axes]

    def forward(self, clips: Tensor) -> Tensor:
        own = self.convolution
        weight = own.weight[:, :, 0] if self.over_space else own.weight[..., 0]
        last = clips.permute(0, 2, 3, 4, 1).contiguous()  # [N, T, H, W, C]
        pictures = last.flatten(0, 1) if self.over_space else last.flatten(2, 3)
        weight = weight.contiguous(memory_format=torch.channels_last)
        pictures = pictures.permute(0, 3, 1, 2)
        convolved = functional.conv2d(pictures, weight, own.bias, self.stride, self.padding, self.dilation)
        convolved = convolved.permute(0, 2, 3, 1)
        count, height, width = len(clips), *clips.shape[-2:]
        convolved = convolved.unflatten(0, (count, -1)) if self.over_space else convolved.unflatten(2, (height, width))
        return convolved.permute(0, 4, 1, 2, 3)
