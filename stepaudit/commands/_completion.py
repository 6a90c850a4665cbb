"""What a shell completes: names of the configuration, or of the audit, that stands on the command line already.

It answers while somebody waits, and nobody sees its errors: YAML alone is read, and what fails completes to nothing.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stepaudit.audit import registry, yaml_file
from stepaudit.errors import UsageError

SAVED = "config.yaml"  # of an audit, in its folder
PLACES = ("config", "results", "path")  # arguments that name a configuration or an audit


def names(section: str, parameters: Mapping[str, Any], rest: Iterable[str], incomplete: str) -> list[str]:
    """Entries of a section (`models`, `methods`, …) that begin like what is typed, the last of a list `a,b`.

    Args:
        parameters: values of the command's arguments.
        rest: words that are no argument's yet: an option that waits for its value keeps typer from reading on.
    """
    given = [*(parameters.get(place) for place in PLACES), *rest]
    files = [_file(Path(name)) for name in given if name]
    return _continued(next((_section(section, file) for file in files if file.is_file()), []), incomplete)


def registered(kind: str, incomplete: str) -> list[str]:
    """Components of a kind that begin like what is typed, the last of a list `a,b`."""
    return _continued(registry.names(kind), incomplete)


def kinds(incomplete: str) -> list[str]:
    """Kinds of components that begin like what is typed."""
    return _continued(list(registry.FUNCTIONS), incomplete)


def _file(path: Path) -> Path:
    return path / SAVED if path.is_dir() else path


def _section(section: str, file: Path) -> list[str]:
    try:
        entries = yaml_file.read(file)[section]
    except (UsageError, KeyError, TypeError):
        return []
    return [name for name, entry in entries.items() if entry is not False] if isinstance(entries, dict) else []


def _continued(known: list[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in known if name.startswith(last)]
