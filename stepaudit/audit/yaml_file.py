"""Reads YAML that may come from anywhere: plain values, and no more of them than a configuration can have.

YAML repeats by name what was written once, so that a few lines can stand for billions of values; PyYAML builds them
cheaply, as references, and everything that walks through them afterwards never ends. They are counted beforehand.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from stepaudit.errors import UsageError

MAX_BYTES = 2**20  # bytes: a configuration of a hundred models has 20,000
MAX_VALUES = 50_000  # of a file, repeated ones included
MAX_DEPTH = 32  # sections in sections; a configuration has six
MAX_NUMBER_LENGTH = 40  # characters
LIMIT = 2**63


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # of libyaml where it is
    """PyYAML's safe loader, with numbers that fit into 64 bits."""


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    number = loader.construct_yaml_int(_require_short(node))
    if abs(number) >= LIMIT:
        raise yaml.constructor.ConstructorError(None, None, "too large a number", node.start_mark)
    return number


def _number(loader: _Loader, node: yaml.ScalarNode) -> float:
    return loader.construct_yaml_float(_require_short(node))


def _require_short(node: yaml.ScalarNode) -> yaml.ScalarNode:
    """The node. Raises an error for numbers that are too long, or that YAML reads in base 8 or 60."""
    if len(node.value) > MAX_NUMBER_LENGTH:  # the time that `1:1:1:…`, a number of base 60, takes grows with its square
        raise yaml.constructor.ConstructorError(None, None, "too long a number", node.start_mark)
    if re.match(r"[-+]?0[\d_]|.*:", node.value):
        problem = (
            f"YAML reads {node.value} as another number, in base {60 if ':' in node.value else 8}; put it in quotes"
        )
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    return node


def _section(loader: _Loader, node: yaml.MappingNode) -> Iterator[dict]:
    """Mapping without duplicate keys; keys that `<<` merges into it may be overridden."""
    keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    for key, _ in node.value:
        if keys.count(key.value) > 1:
            problem = f"the key '{key.value:.100}' stands twice in this section; remove one"
            raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
    yield from loader.construct_yaml_map(node)


_Loader.add_constructor("tag:yaml.org,2002:map", _section)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def read(path: Path) -> Any:
    """The value of a YAML file. Raises UsageError if it cannot be read, or holds more than plain values."""
    if path.exists() and not path.is_file():
        raise UsageError(
            f"{path}: cannot be read (no plain file); name a configuration file, such as config/config.yaml"
        )
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"{path}: cannot be read ({reason}); name a configuration file, such as config/config.yaml"
        ) from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path}: larger than {MAX_BYTES // 2**20} MB; name a configuration file")
    return parse(content, str(path))


def parse(content: bytes | str, origin: str) -> Any:
    """The value of a YAML text. Raises UsageError if it is not valid, or holds more than plain values."""
    try:
        text = content.decode() if isinstance(content, bytes) else content
        _limit_events(text, origin)
        value = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # ValueError: a date without such a day, for one
        raise UsageError(f"{origin}: no YAML ({str(error)[:1000]})") from error
    check(value, origin)
    return value


def check(value: Any, origin: str) -> None:
    """Raises UsageError for too many values, or one that JSON cannot hold."""
    _count_values(value, origin, 0, {})


def _count_values(value: Any, origin: str, depth: int, known: dict[int, int]) -> int:
    """Number of values in a nested value; an alias counts at each use, but is walked through once."""
    if depth > MAX_DEPTH:
        raise UsageError(f"{origin}: more than {MAX_DEPTH} sections in each other, or one in itself; write it out")
    if not isinstance(value, list | tuple | dict):
        _check_scalar(value, origin)
        return 1
    if id(value) not in known:
        inner = list(value.values()) if isinstance(value, dict) else value
        if isinstance(value, dict):
            _check_keys(value, origin)
        known[id(value)] = 1 + sum(_count_values(each, origin, depth + 1, known) for each in inner)
    if known[id(value)] > MAX_VALUES:
        raise UsageError(
            f"{origin}: more than {MAX_VALUES} values (each use of an alias counts); remove aliases, or split the file"
        )
    return known[id(value)]


def _check_keys(section: dict, origin: str) -> None:
    for key in section:
        if not isinstance(key, str | int | float | None):
            raise UsageError(f"{origin}: the key {key!r:.80} is no text; put it in quotes")
        _check_scalar(key, origin)


def _check_scalar(value: Any, origin: str) -> None:
    if isinstance(value, bytes | set):
        raise UsageError(f"{origin}: {value!r:.80} is no plain value; write a text, a number, a list or a section")
    if isinstance(value, str) and ("\0" in value or not _is_unicode(value)):
        raise UsageError(f"{origin}: {value!r:.80} holds a character that no text file and no path can have")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _limit_events(text: str, origin: str) -> None:
    """Raises UsageError for too many values, before they are constructed: merged sections (`<<`) are copied."""
    open_sections: list[list] = [[None, 0]]  # the name of each, and its values so far
    known: dict[str | None, int] = {}
    for event in yaml.parse(text, _Loader):
        values = 0
        if isinstance(event, yaml.AliasEvent):
            values = known.get(event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            known[event.anchor] = MAX_VALUES  # if it stands in itself
            open_sections.append([event.anchor, 1])
        elif isinstance(event, yaml.CollectionEndEvent):
            name, values = open_sections.pop()
            known[name] = values
        elif isinstance(event, yaml.ScalarEvent):
            known[event.anchor], values = 1, 1
        open_sections[-1][1] += values
        if open_sections[-1][1] > MAX_VALUES or len(open_sections) > MAX_DEPTH:
            raise UsageError(
                f"{origin}: more than {MAX_VALUES} values, repeated ones included, or {MAX_DEPTH} sections in each "
                "other"
            )
