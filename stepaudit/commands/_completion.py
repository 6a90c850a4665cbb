"""Shell completion: names in the configuration or audit on the command line, and names of components.

Somebody waits for it and nobody sees its errors: only the YAML is read, and a failure completes to nothing.
"""

from pathlib import Path

import typer

from stepaudit.audit import registry, yaml_file
from stepaudit.errors import UsageError

SAVED = "config.yaml"  # of an audit, in its folder
PLACES = ("config", "results", "path")  # arguments that name a configuration or an audit


def names(section: str, context: typer.Context, incomplete: str, *, registered: bool = False) -> list[str]:
    """Names that complete a word, or the last of a list `a,b`.

    Args:
        section: `models`, `methods` or `datasets`.
        context: of the command; an option that waits for its value keeps typer from reading all arguments.
        registered: names of all components, not the entries of the section.
    """
    words = [*(context.params.get(place) for place in PLACES), *context.args]
    files = [path / SAVED if path.is_dir() else path for path in map(Path, filter(None, words))]
    file = next((file for file in files if file.is_file()), None)
    candidates = registry.names(section) if registered else _entries(section, file) if file else []
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in candidates if name.startswith(last)]


def _entries(section: str, file: Path) -> list[str]:
    try:
        entries = yaml_file.read(file)[section]
    except (UsageError, KeyError, TypeError):
        return []
    return [name for name, entry in entries.items() if entry is not False] if isinstance(entries, dict) else []
