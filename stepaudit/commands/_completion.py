"""Shell completion: names in the configuration or audit on the command line, and names of components.

Somebody waits for it and nobody sees its errors: only the YAML is read, and a failure completes to nothing.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stepaudit.audit import registry, yaml_file
from stepaudit.errors import UsageError

SAVED = "config.yaml"  # of an audit, in its folder
PLACES = ("config", "results", "path")  # arguments that name a configuration or an audit


def names(section: str, parameters: Mapping[str, Any], rest: Iterable[str], incomplete: str) -> list[str]:
    """Entries of a section (`models`, `methods`, …) that complete a word, or the last of a list `a,b`.

    Args:
        parameters: values of the command's arguments.
        rest: words that are no argument's yet: an option that waits for its value keeps typer from reading on.
    """
    words = [*(parameters.get(place) for place in PLACES), *rest]
    paths = [Path(word) for word in words if word]
    files = [path / SAVED if path.is_dir() else path for path in paths]
    return _completed(next((_entries(section, file) for file in files if file.is_file()), []), incomplete)


def registered(kind: str | None, incomplete: str) -> list[str]:
    """Components of a kind (without one, the kinds) that complete a word, or the last of a list `a,b`."""
    return _completed(registry.names(kind) if kind else list(registry.FUNCTIONS), incomplete)


def _entries(section: str, file: Path) -> list[str]:
    try:
        entries = yaml_file.read(file)[section]
    except (UsageError, KeyError, TypeError):
        return []
    return [name for name, entry in entries.items() if entry is not False] if isinstance(entries, dict) else []


def _completed(candidates: list[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in candidates if name.startswith(last)]
