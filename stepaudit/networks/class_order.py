"""The order of a network's outputs, by the class names that it or its file of weights carries."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from stepaudit.adapters import Adapter
from stepaudit.errors import UsageError

KEYS = ("class_to_idx", "idx_to_class", "classes", "class_names", "CLASSES", "id2label", "label2id", "categories")
DEPTH = 3  # sections within each other, as `meta`, `dataset_meta`, `classes`


def names_in(content: Any, depth: int = DEPTH) -> list[str] | None:
    """Class names in the order of the outputs, from nested dictionaries such as a checkpoint; None if it has none.

    They may stand in a list, or in a dictionary from names to places or from places to names.
    """
    if not isinstance(content, Mapping) or not depth:
        return None
    named = (_names_in_order(content[key]) for key in KEYS if key in content)
    inner = (names_in(value, depth - 1) for value in content.values() if isinstance(value, Mapping))
    return next((names for names in (*named, *inner) if names), None)


def names_of(model: nn.Module) -> list[str] | None:
    """Class names in the order of the outputs, as a network holds them in an attribute or in `config`."""
    net = model.model if isinstance(model, Adapter) else model
    for holder in (net, getattr(net, "config", None)):
        if names := names_in({key: getattr(holder, key, None) for key in KEYS}):
            return names
    return None


def require(names: Sequence[str] | None, classes: Sequence[str], origin: str) -> None:
    """Raise UsageError if names are the classes in another order; capitals and signs between words do not count."""
    ours, theirs = list(map(plain, classes)), list(map(plain, names or ()))
    if theirs == ours or sorted(theirs) != sorted(ours) or len(set(ours)) < len(ours) or names is None:
        return
    place = next(place for place, name in enumerate(theirs) if name != ours[place])
    raise UsageError(
        f"{origin} for the data set's classes in another order: its output {place} is '{names[place]}', and "
        f"'{classes[place]}' in the data set, whose classes are sorted by name; sort the rows of the last layer, or "
        "train the model"
    )


def doubt(names: Sequence[str] | None, classes: Sequence[str]) -> str:
    """A note on classes whose order a network that was trained elsewhere may not share; empty if there is none."""
    if names is not None and len(names) == len(classes) and set(map(plain, names)) != set(map(plain, classes)):
        return (
            f"it names its classes {', '.join(names[:3])}, …, and the data set {', '.join(classes[:3])}, …; see that "
            "they stand in the same order"
        )
    if names is None and all(map(str.isdecimal, classes)) and (wrong := _first_unsorted(classes)) is not None:
        return (
            f"the data set's classes are numbers sorted as text: output {wrong} is for class '{classes[wrong]}'; see "
            f"that the network's outputs are in this order, or name the classes {'0' * (len(classes[-1]) - 1)}1, …"
        )
    return ""


def _first_unsorted(classes: Sequence[str]) -> int | None:
    numbers = list(map(int, classes))
    return next((place for place, number in enumerate(sorted(numbers)) if number != numbers[place]), None)


def _names_in_order(names: Any) -> list[str] | None:
    """Names of a list, or of a dictionary from names to places or the reverse, in order; None if it is none."""
    if isinstance(names, Mapping):
        pairs = [(name, place) if isinstance(place, int) else (place, name) for name, place in names.items()]
        places = {str(place): str(name) for name, place in pairs}
        if set(places) != set(map(str, range(len(pairs)))):
            return None
        names = [places[str(place)] for place in range(len(pairs))]
    if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
        return list(names)
    return None


def plain(name: str) -> str:
    """A name without capitals and without signs between words."""
    return "".join(sign for sign in name.casefold() if sign.isalnum()) or name
