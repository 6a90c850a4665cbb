"""Commands, arguments and options of the command line, read from their signatures and help texts."""

import inspect
import pkgutil
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from typer.models import ArgumentInfo, ParameterInfo

APP = "stepaudit.cli:app"  # by name: no module imports the command line
WORDS = {int: "whole number", float: "number", str: "text", Path: "path", bool: "flag"}


@dataclass(frozen=True)
class Command:
    """A command: the words that it is typed with, its function, and its help text on one line."""

    name: str
    function: Callable[..., Any]
    summary: str

    def usage(self) -> str:
        """Shortest call: arguments (optional ones in brackets) and required options."""
        words = [self.name]
        for option, _, info, default in _parameters(self.function):
            required = default is inspect.Parameter.empty
            if isinstance(info, ArgumentInfo):
                words.append(option.upper() if required else f"[{option.upper()}]")
            elif required:
                words.append(f"{_spellings(option, info)[0]} …")
        return " ".join(words)

    def section(self) -> str:
        """Help text, usage, and the table of arguments and options, in Markdown."""
        lines = [["argument or option", "value", "default", "meaning"], ["---"] * 4, *rows(self.function)]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        return f"{self.summary}\n\n```text\n{self.usage()}\n```\n\n{table}"


def app() -> Any:
    """The command line, a `typer.Typer`."""
    return pkgutil.resolve_name(APP)


def commands(group: typer.Typer, prefix: str = "stepaudit") -> Iterator[tuple[str, Command]]:
    """All commands by name, those of groups included, in the order of the source."""
    for info in group.registered_commands:
        function = info.callback
        assert function is not None
        name = f"{prefix} {info.name or function.__name__.replace('_', '-')}"
        yield name, Command(name, function, " ".join((info.help or function.__doc__ or "").split()))
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from commands(inner.typer_instance, f"{prefix} {inner.name}")


def rows(function: Callable[..., Any]) -> Iterator[list[str]]:
    """Name, value, default and meaning of each argument and option of a command."""
    for name, kind, info, default in _parameters(function):
        shown = name.upper() if isinstance(info, ArgumentInfo) else " ".join(_spellings(name, info))
        yield [f"`{shown}`", _value(kind, info), _default(kind, default), (info.help or "").replace("|", "\\|")]


def _parameters(function: Callable[..., Any]) -> Iterator[tuple[str, Any, ParameterInfo, Any]]:
    """Name, type, description and default of each argument and option."""
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if get_origin(parameter.annotation) is Annotated:
            kind, info = get_args(parameter.annotation)[:2]
            yield name, kind, info, parameter.default


def _spellings(name: str, info: ParameterInfo) -> list[str]:
    """Spellings of an option; typer keeps the first one in the place of a default."""
    declared = (info.default, *(info.param_decls or ()))
    return [each for each in declared if isinstance(each, str) and each.startswith("-")] or [
        f"--{name.replace('_', '-')}"
    ]


def _value(kind: Any, info: ParameterInfo) -> str:
    """A type in words."""
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is list:
        return f"{_value(get_args(kind)[0], info)}, may be repeated"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return " and ".join(_value(part, info) for part in get_args(kind))
    return WORDS[kind] + (f" ≥ {info.min}" if info.min is not None else "")


def _default(kind: Any, default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "*required*"
    if kind is bool:
        return "on" if default else "off"
    empty = default is None or not any(default) if isinstance(default, tuple) else default in (None, "")
    return "none" if empty else f"`{default}`"
