"""The reference of the command line, made from the commands' own signatures and help texts."""

import inspect
import pkgutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from typer.models import ArgumentInfo, CommandInfo, ParameterInfo

APP = "stepaudit.cli:app"  # by name, since nothing but the user imports the command line
WORDS = {int: "whole number", float: "number", str: "text", Path: "path", bool: "flag"}
Row = list[str]


def app() -> typer.Typer:
    """The command line."""
    return pkgutil.resolve_name(APP)


def commands(of: typer.Typer, before: str = "stepaudit") -> Iterator[tuple[str, CommandInfo]]:
    """Each command by the words that it is called with, those of groups too, in the order of the source."""
    for info in of.registered_commands:
        yield f"{before} {info.name or info.callback.__name__.replace('_', '-')}", info
    for group in of.registered_groups:
        yield from commands(group.typer_instance, f"{before} {group.name}")


def usage(name: str, info: CommandInfo) -> str:
    """How a command is called at least: its arguments, those in brackets may be left out, and what it requires."""
    words = [name]
    for option, _, about, default in _parameters(info.callback):
        required = default is inspect.Parameter.empty
        if isinstance(about, ArgumentInfo):
            words.append(option.upper() if required else f"[{option.upper()}]")
        elif required:
            words.append(f"{_spellings(option, about)[0]} …")
    return " ".join(words)


def rows(function: Any) -> Iterator[Row]:
    """A row for each argument and option of a command: its name, value, default and meaning."""
    for name, kind, about, default in _parameters(function):
        shown = name.upper() if isinstance(about, ArgumentInfo) else " ".join(_spellings(name, about))
        yield [f"`{shown}`", _value(kind, about), _default(kind, default), (about.help or "").replace("|", "\\|")]


def _parameters(function: Any) -> Iterator[tuple[str, Any, ParameterInfo, Any]]:
    """Name, type, description and default of each argument and option."""
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if get_origin(parameter.annotation) is Annotated:
            kind, about = get_args(parameter.annotation)[:2]
            yield name, kind, about, parameter.default


def _spellings(name: str, about: ParameterInfo) -> list[str]:
    """The first spelling that `typer.Option` is given stands where it also takes a default."""
    stated = (about.default, *(about.param_decls or ()))
    given = [each for each in stated if isinstance(each, str) and each.startswith("-")]
    return given or [f"--{name.replace('_', '-')}"]


def _value(kind: Any, about: ParameterInfo) -> str:
    """A type in words."""
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is list:
        return f"{_value(get_args(kind)[0], about)}, may be repeated"
    if get_origin(kind) is tuple:
        return " and ".join(_value(part, about) for part in get_args(kind))
    return WORDS[kind] + (f" ≥ {about.min}" if about.min is not None else "")


def _default(kind: Any, default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "*required*"
    if kind is bool:
        return "on" if default else "off"
    empty = default is None or not any(default) if isinstance(default, tuple) else default in (None, "")
    return "none" if empty else f"`{default}`"
