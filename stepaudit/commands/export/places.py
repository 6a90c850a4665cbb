"""Where exported files go: names that no clip can choose, a folder that nothing leads out of, and whole files."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stepaudit.errors import UsageError
from stepaudit.store import writing
from stepaudit.store.tables import as_json

WORKING = ".writing"  # inside the folder: what is not whole yet
MOST_SIGNS = 60  # of a name that was given


def slug(text: str) -> str:
    """A text as a part of a file's name: letters, digits, `.`, `_`, `+` and `-`, a letter or digit in front."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text)[:MOST_SIGNS].strip("-._+") or "unnamed"


def unique_slug(text: str) -> str:
    """The slug of a text, with a hash behind it if it is not the text."""
    found = slug(text)
    return found if found == text else f"{found}-{digest(text)}"


def digest(value: object) -> str:
    """Ten hexadecimal digits that no other value has."""
    return hashlib.sha256(as_json(value).encode()).hexdigest()[:10]


class Place:
    """A folder to write into.

    Args:
        folder: new or empty; with `force` whatever it is, and files that it holds are replaced.
        force: whether to.

    Raises:
        UsageError: the folder holds something, or is none.
        StorageError: it cannot be written.
    """

    def __init__(self, folder: Path, *, force: bool = False):
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: a file; name a folder with --out")
        if not force and folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder}: not empty; name a new folder, or replace its files with --force")
        self.folder, self._working = folder, folder / WORKING
        with writing.explained(self._working):
            folder.mkdir(parents=True, exist_ok=True)
            if self._working.is_symlink():
                self._working.unlink()
            shutil.rmtree(self._working, ignore_errors=True)
            self._working.mkdir()

    def close(self) -> None:
        """Removes what was not finished."""
        shutil.rmtree(self._working, ignore_errors=True)

    @contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """A path to write to. What was written is then moved to its name within the folder, and replaces what is there.

        Raises:
            UsageError: the name leads out of the folder.
            StorageError: the disk is full, or cannot be written.
        """
        path = self.folder / name
        with writing.written(path, self._working / path.name) as temporary:
            if not path.parent.resolve().is_relative_to(self.folder.resolve()):
                raise UsageError(f"{path.parent}: leads out of {self.folder}; remove that link")
            yield temporary


@contextmanager
def place(folder: Path, *, force: bool = False) -> Iterator[Place]:
    """A folder to write into, without anything unfinished in it at the end. Arguments and errors as for `Place`."""
    made = Place(folder, force=force)
    try:
        yield made
    finally:
        made.close()
