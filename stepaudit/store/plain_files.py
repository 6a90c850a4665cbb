"""An audit consists of plain files and folders: what is read or written below its folder lies there."""

import errno
import os
from pathlib import Path
from typing import TypeVar

from stepaudit.errors import UsageError

VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)  # of running jobs; readers say what may not be read
PathLike = TypeVar("PathLike", str, Path)
STEP = (
    "put the folder itself there, or choose `results` on the other disk: an audit consists of plain files and folders"
)


def require_plain(folder: Path) -> None:
    """Raise UsageError for a link, a pipe or a device anywhere below a folder; the folder itself may be a link."""
    waiting = [str(folder)]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False) and os.path.lexists(entry.path):
                        raise UsageError(f"{entry.path}: {_kind(entry)}; {STEP}")
        except OSError as error:
            if error.errno not in VANISHED:
                raise UsageError(f"{place[:200]}: cannot be read ({error.strerror}); remove it") from error


def require_inside(folder: Path, *paths: Path) -> None:
    """Raise UsageError unless each path below a folder leads there through folders alone, which need not exist yet."""
    real = folder.resolve()
    for path in paths:
        if ".." in path.relative_to(folder).parts or path.resolve() != real / path.relative_to(folder):
            raise UsageError(f"{path}: leads through a link out of {folder}; put a folder in its place")


def at_home(path: PathLike) -> PathLike:
    """A path with a leading `~` expanded.

    Raises:
        UsageError: the home folder is not known.
    """
    if not str(path).startswith("~"):
        return path
    try:
        return type(path)(Path(path).expanduser())
    except RuntimeError:
        raise UsageError(f"no home folder is known for '{path}'; write the folder out") from None


def _kind(entry: os.DirEntry) -> str:
    return "a link" if entry.is_symlink() else "a pipe, a device or the like"


def disguise(path: Path) -> str:
    """Sentence on a file that stands in the place of another, with the next step; empty for all other files."""
    if not path.is_file():  # a pipe never ends
        return ""
    try:
        with path.open("rb") as file:
            start = file.read(256).lstrip().lower()
    except OSError:
        return ""
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file itself; fetch it, `git lfs pull`"
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is a web page, not the file itself; download it again, perhaps signed in"
    return ""
