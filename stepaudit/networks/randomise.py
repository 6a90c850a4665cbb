"""Cascading weight randomisation: new random weights in a trained model's layers, from the output down.

A map that explains the model must change with them. Adebayo et al. 2018, "Sanity checks for saliency maps".
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from stepaudit.errors import UsageError
from stepaudit.layers import frozen


def other_seed(seed: int) -> int:
    """Seed for the new weights, since the audit's own seed would give the initial weights of the training."""
    return seed + 2**32


def cascade(model: nn.Module, fresh: nn.Module, share: float, clips: Tensor, *, batch_size: int = 16) -> list[str]:
    """Give the layers nearest to the output the weights of a freshly built model, in place.

    With the same fresh model a larger share contains the random layers of a smaller one. Trained statistics of batch
    normalisation would let activations vanish or explode, so that the new layers get those of the clips.

    Args:
        fresh: the same network with other weights.
        share: of the layers, in (0, 1]; at least one.
        clips: [N, 3, T, H, W] as uint8, for the order of the layers and for statistics.
        batch_size: clips in a forward pass.

    Returns:
        Names of the new layers, from input to output.

    Raises:
        UsageError: the fresh model has the same weights there.
    """
    names = layers(model, _to_float(clips[:1], model))
    chosen = names[len(names) - max(1, round(share * len(names))) :]
    new = {key: value for key, value in fresh.state_dict().items() if key.rpartition(".")[0] in chosen}
    old = model.state_dict()
    if all(torch.equal(value.to(old[key].device), old[key]) for key, value in new.items()):
        raise UsageError(
            f"{type(model).__name__} is built with the same weights every time, so that none are random; let its "
            "`build` draw random ones, and give trained ones as `weights` or `checkpoint`"
        )
    model.load_state_dict(new, strict=False)
    _take_statistics(model, [model.get_submodule(name) for name in chosen], clips, batch_size)
    return chosen


def layers(model: nn.Module, clips: Tensor) -> list[str]:
    """Names of the modules with weights or running statistics of their own, in the order of their first outputs.

    A module that is not called itself, because its parent uses its weights, comes with its parent.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
    """
    called: dict[str, int] = {}
    hooks = [module.register_forward_hook(_order_recorder(called, name)) for name, module in model.named_modules()]
    try:
        with frozen(model), torch.no_grad():
            model(clips)
    finally:
        for hook in hooks:
            hook.remove()
    holding = [name for name, module in model.named_modules() if _is_layer(module)]
    return sorted(holding, key=lambda name: called[_nearest(name, called)])


def _order_recorder(called: dict[str, int], name: str) -> Callable[[nn.Module, tuple, object], None]:
    """A forward hook that notes the place of a module in the order of first calls."""

    def note(_module: nn.Module, _inputs: tuple, _output: object) -> None:
        called.setdefault(name, len(called))

    return note


def _is_layer(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False)) or _has_statistics(module)


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.running_mean is not None


def _nearest(name: str, called: dict[str, int]) -> str:
    """Innermost called module around a module; the model itself is always called."""
    while name not in called:
        name = name.rpartition(".")[0]
    return name


def _take_statistics(model: nn.Module, chosen: list[nn.Module], clips: Tensor, batch_size: int) -> None:
    """Recompute the batch norms' statistics among the chosen layers: means over batches of equal size.

    Args:
        clips: [N, 3, T, H, W], uint8.
    """
    norms = [module for module in chosen if isinstance(module, _BatchNorm) and _has_statistics(module)]
    momenta = [norm.momentum for norm in norms]
    if not norms:
        return
    try:
        with frozen(model), torch.no_grad():
            for norm in norms:
                norm.reset_running_stats()
                norm.train().momentum = None  # the mean over all batches
            for part in clips.tensor_split(-(-len(clips) // batch_size)):
                model(_to_float(part, model))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _to_float(clips: Tensor, model: nn.Module) -> Tensor:
    return clips.to(next(model.parameters()).device).float() / 255
