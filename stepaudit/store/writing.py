"""Disks that are full or cannot be written: one sentence that names the folder, and nothing half written."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stepaudit.errors import StorageError

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A temporary name for a file, which takes its own when all of it is written; else nothing is left.

    Raises:
        StorageError: the disk is full, or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """While a file is written: what its disk refuses is told as a StorageError, and no temporary file is left."""
    try:
        yield
    except BaseException as error:
        with suppress(OSError):
            path.with_name(f".{path.name}.tmp").unlink(missing_ok=True)
        if isinstance(error, Exception) and (text := problem(error, path.parent)):
            raise StorageError(text) from error
        raise


def problem(error: BaseException, folder: Path | None = None) -> str | None:
    """What is wrong with the disk, in a sentence; None if it is something else.

    Args:
        folder: that was written to, if that is known.
    """
    number = getattr(error, "errno", None)
    name = getattr(error, "filename", None)
    if folder is None and isinstance(name, str | os.PathLike):
        folder = Path(name).parent
    if number in FULL or os.strerror(errno.ENOSPC) in str(error):  # Arrow, safetensors and ffmpeg only say so
        return _full(error, folder)
    if isinstance(error, OSError) and number in CLOSED:
        place = folder or "the results folder"
        return f"{place}: cannot be written ({error.strerror}); give yourself the right to, or choose another `results`"
    return None


def _full(error: BaseException, folder: Path | None) -> str:
    """The disk of the folder; where that is not known, all that may be meant."""
    if folder is None:
        places = f"{error}; {_free(Path.cwd())} here, {_free(Path(tempfile.gettempdir()))} for temporary files"
        return f"a disk is full: {places}; make space and run again"
    return f"{folder}: the disk is full ({_free(folder)}); make space and run again, what is finished is kept"


def _free(folder: Path) -> str:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 1e6:.0f} MB are free"
