"""Files or folders of EPIC-KITCHENS-55 by a template such as `videos/{participant}/{video}.MP4`."""

import re
from dataclasses import dataclass
from pathlib import Path

from stepaudit.datasets._epic import Action
from stepaudit.errors import UsageError

FIELDS = {"participant": r"P\d+", "video": r"P\d+_\d+", "uid": r"\d+"}


@dataclass(frozen=True)
class Files:
    """Existing files or folders of a template, by the fields `needed`."""

    root: Path
    template: str
    needed: tuple[str, ...]
    paths: dict[tuple[str, ...], Path]

    def __contains__(self, action: Action) -> bool:
        return self._key(action) in self.paths

    def path(self, action: Action) -> Path:
        """Path of an action's pictures, even if they are not there."""
        named = self.template.format(**{name: getattr(action, name) for name in FIELDS})
        return self.paths.get(self._key(action), self.root / named)

    def _key(self, action: Action) -> tuple[str, ...]:
        return tuple(getattr(action, name) for name in self.needed)


def find(root: Path, template: str, needed: tuple[str, ...]) -> Files:
    """Find the files of a template: a path below `root` with {participant}, {video}, {uid}, and * for the rest.

    Raises:
        UsageError: the template lacks a field that is needed, or has an unknown one, or nothing is there.
    """
    fields = set(re.findall(r"{(.*?)}", template))
    if not set(needed) <= fields <= set(FIELDS):
        must, may = (", ".join(f"{{{name}}}" for name in names) for names in (needed, FIELDS))
        raise UsageError(f"option `files`: '{template}' must name {must} for this `media`, and may name {may} alone")
    paths = {
        tuple(match[name] for name in needed): path
        for path in _matching(root, template)
        if (match := re.fullmatch(_pattern(template), path.relative_to(root).as_posix()))
    }
    if not paths:
        raise UsageError(f"{root / template}: nothing there; set `root`, `media` and `files` to what you have")
    return Files(root, template, needed, paths)


def _matching(root: Path, template: str) -> list[Path]:
    try:
        template.format(**dict.fromkeys(FIELDS, ""))
        paths = sorted(root.glob(re.sub(r"{\w+}", "*", template)))
        for path in paths:
            str(path).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{root}: a name in it is no UTF-8, {error.object!r}; rename the file") from error
    except (OSError, ValueError, NotImplementedError) as error:
        raise UsageError(f"option `files`: '{template}' cannot be looked for below `root` ({error})") from error
    return paths


def _pattern(template: str) -> str:
    """Regular expression of the template. A field that stands twice must have the same value."""
    parts, seen = re.split(r"({\w+}|\*)", template), set[str]()
    for index, part in enumerate(parts):
        name = part.strip("{}")
        if part == "*":
            parts[index] = "[^/]*"
        elif part.startswith("{"):
            parts[index] = f"(?P={name})" if name in seen else f"(?P<{name}>{FIELDS[name]})"
            seen.add(name)
        else:
            parts[index] = re.escape(part)
    return "".join(parts)
