"""The folder of exported files: safe file names, no links that lead out of it, no half-written files."""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stepaudit.errors import UsageError
from stepaudit.store import writing
from stepaudit.store.plain_files import require_inside
from stepaudit.store.tables import as_json

SLUG_LENGTH = 60


def slug(text: str) -> str:
    """A text as a part of a file's name: letters, digits, `.`, `_`, `+` and `-`, a letter or digit in front."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text)[:SLUG_LENGTH].strip("-._+") or "unnamed"


def unique_slug(text: str) -> str:
    """The slug of a text; if it differs from the text, with a hash of that."""
    short = slug(text)
    return short if short == text else f"{short}-{digest(text)}"


def digest(value: object) -> str:
    """Ten hexadecimal digits of a value's SHA-256."""
    return hashlib.sha256(as_json(value).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class OutputFolder:
    """A folder to write into, and its subfolder of unfinished files."""

    folder: Path
    working: Path

    @contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """A temporary path, moved to this name within the folder when the block ends.

        Raises:
            UsageError: the name leads out of the folder.
            StorageError: the disk is full, or cannot be written.
        """
        path = self.folder / name
        require_inside(self.folder, path.parent)
        with writing.written(path, self.working / path.name) as temporary:
            yield temporary


@contextmanager
def output_folder(folder: Path, *, force: bool = False) -> Iterator[OutputFolder]:
    """A folder to write into; unfinished files are removed at the end.

    Args:
        folder: new or empty; with `force` it may hold files, which are replaced by those of the same name.

    Raises:
        UsageError: the folder is not empty, or is a file.
        StorageError: it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: a file; name a folder with --out")
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder}: not empty; name a new folder, or replace its files with --force")
    with writing.explained(folder):
        writing.make_folder(folder)
        unfinished = tempfile.TemporaryDirectory(dir=folder, prefix=".writing-")
    with unfinished as working:
        yield OutputFolder(folder, Path(working))
