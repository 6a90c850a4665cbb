"""The layer of a network that methods read, chosen by its name."""

from difflib import get_close_matches

from torch import nn

from stepaudit.adapters import readable
from stepaudit.errors import UsageError

SHOWN = 4  # names in an error


def reading(model: nn.Module, name: str | None) -> nn.Module:
    """The same model, whose `activation_layer` is its module of this name, or of a name that ends so.

    Args:
        name: such as `blocks.4`; None changes nothing.

    Raises:
        UsageError: there is no such module, or several; the text names candidates.
    """
    if name is None:
        return model
    place, kind = _full_name(model, name), type(model)
    read = property(lambda self: self.get_submodule(place), doc="The module that was asked for.")
    # A class of its own: a module that is set as an attribute would be a second part, and a property cannot be set.
    model.__class__ = type(kind.__name__, (kind,), {"activation_layer": read, "__module__": kind.__module__})
    return model


def _full_name(model: nn.Module, name: str) -> str:
    """Full name of the module that is meant."""
    known = [each for each, _ in model.named_modules() if each]
    matches = [name] if name in known else [each for each in known if each.endswith(f".{name}")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        some = ", ".join(matches[:SHOWN])
        raise UsageError(
            f"layer '{name}': {type(model).__name__} has {len(matches)}, such as {some}; give a whole name"
        )
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise UsageError(f"layer '{name}': {type(model).__name__} has no such module; {hint}{readable(model)}")
