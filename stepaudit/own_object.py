"""A network of the user's own, named as `module:object`."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from stepaudit import registry, training
from stepaudit.errors import UsageError


def built(name: str, classes: Sequence[str] | None) -> nn.Module:
    """The network of `module:object`: the object itself, or what it gives as a function.

    Args:
        classes: names of the classes, whose number the function gets if it takes one.

    Raises:
        UsageError: there is no such object, it is no network and gives none, or it takes something else.
    """
    found = registry.find("models", name).load()
    with training.seeded(0):
        net = found if isinstance(found, nn.Module) else _called(found, name, classes)
    if not isinstance(net, nn.Module):
        raise UsageError(
            f"model '{name}' is a {type(net).__name__}; name a torch.nn.Module, or a function that gives one"
        )
    return net.eval()


def class_names(text: str) -> list[str]:
    """Names of classes: their places if only their number is given, or the lines of a file."""
    if text.isdecimal() and int(text) > 0:
        return [str(index) for index in range(int(text))]
    try:
        lines = Path(text).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--classes {text}: neither a number nor a readable file with a name a line") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise UsageError(f"--classes {text}: it holds no name")
    return names


def _called(function: Callable, name: str, classes: Sequence[str] | None) -> nn.Module:
    """What a function gives that takes nothing, or the number of classes."""
    try:
        needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    except (TypeError, ValueError) as error:
        raise UsageError(f"model '{name}' is a {type(function).__name__}, no function that gives a model") from error
    needed = [p for p in needed if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not needed:
        return function()
    if len(needed) > 1:
        asked = ", ".join(parameter.name for parameter in needed)
        raise UsageError(f"model '{name}' needs {asked}; name a function that takes the number of classes, or nothing")
    if classes is None:
        raise UsageError(f"model '{name}' takes the number of classes; say it, `--classes 24`, or give a file of names")
    return function(len(classes))
