"""Outputs of a network that was trained on more classes than the data set has: which of them, in which order.

The data set's classes come first, so that its targets are the network's; with `outputs: all` the others follow.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stepaudit.audit import registry
from stepaudit.audit.sections import Model
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.networks.class_order import plain
from stepaudit.networks.weight_files import classes_in


def own_classes(entry: Model) -> list[str] | None:
    """Names of a network's own classes in the order of its outputs; None if the configuration asks for no choice.

    Raises:
        UsageError: they are not known.
    """
    if entry.outputs is None:
        return None
    names = _names_from_option(entry.classes) if entry.classes else _names_from_weights(entry)
    if not names:
        raise UsageError(
            f"`outputs: {entry.outputs}`: the network of '{entry.use}' does not name its classes; set `classes` to a "
            "file with a name a line, or to torchvision's weights of these classes, R3D_18_Weights.KINETICS400_V1"
        )
    return names


def names(entry: Model, classes: Sequence[str], own: Sequence[str] | None) -> list[str]:
    """Names of a model's outputs in order, for the data set's classes.

    Args:
        own: what `own_classes` gives.
    """
    if entry.outputs != "all" or own is None:
        return list(classes)
    ours = {plain(name) for name in classes}
    return [*classes, *(name for name in own if plain(name) not in ours)]


def selected(model: nn.Module, own: Sequence[str] | None, chosen: Sequence[str]) -> nn.Module:
    """The same model, whose logits are those of the chosen ones of its own classes, in their order.

    Raises:
        UsageError: it has no class of a name, or several.
    """
    if own is not None:
        model.register_forward_hook(partial(_select_columns, [_index_of_class(name, own) for name in chosen]))
    return model


def _select_columns(places: list[int], _model: nn.Module, _inputs: Any, output: Any) -> Any:
    return output[:, places] if isinstance(output, Tensor) and output.ndim == 2 else output


def _index_of_class(name: str, own: Sequence[str]) -> int:
    places = [place for place, each in enumerate(own) if plain(each) == plain(name)]
    if not places:
        nearest = did_you_mean(name, list(own)).partition(" (known")[0]
        raise UsageError(
            f"the network has no class '{name}' among its {len(own)}{nearest}; rename the data set's class"
        )
    if len(places) > 1:
        raise UsageError(f"the network has {len(places)} classes '{name}'; name its classes apart")
    return places[0]


def _names_from_option(text: str) -> list[str]:
    """Names in a file, or those of torchvision's weights."""
    if not Path(text).is_file():
        return _torchvision_classes(text) or []
    lines = Path(text).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _names_from_weights(entry: Model) -> list[str] | None:
    """Names that the weights of a model carry."""
    if entry.weights and Path(entry.weights).is_file():
        return classes_in(Path(entry.weights)) if Path(entry.weights).suffix != ".safetensors" else None
    if entry.weights:
        return _torchvision_classes(entry.weights)
    companion = registry.find("models", entry.use).companion("class_names")
    return companion(**entry.options) if companion else None


def _torchvision_classes(weights: str) -> list[str] | None:
    from torchvision.models import get_weight

    try:
        return list(get_weight(weights).meta["categories"])
    except (KeyError, ValueError, AttributeError):
        return None
