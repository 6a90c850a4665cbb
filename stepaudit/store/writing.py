"""Atomic writing of files, and explanations of disks that are full or cannot be written."""

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
def written(path: Path, temporary: Path | None = None) -> Iterator[Path]:
    """Temporary file that replaces `path` at the end of the block, and is removed after an error.

    A link at either name is replaced, never written through.

    Args:
        temporary: its name; by default `.<name>.tmp` beside `path`, for a file that only one process writes at a time.

    Raises:
        StorageError: the disk is full, or cannot be written.
    """
    temporary = temporary or path.with_name(f".{path.name}.tmp")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # left by a writer that was killed, or a link
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, see `written`; several processes may do so at once."""
    with written(path, own_name(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def own_name(path: Path) -> Path:
    """Temporary name of a file, different in every process of this machine."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise StorageError for errors of the disk while a file is written."""
    try:
        yield
    except Exception as error:
        if text := problem(error, path.parent):
            raise StorageError(text) from error
        raise


def problem(error: BaseException, folder: Path | None = None) -> str | None:
    """Sentence about a full or closed disk; None for other errors.

    Args:
        folder: that was written to, if known.
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
    """Sentence about the folder's disk; without a folder, about the disks of this folder and of temporary files."""
    if folder is None:
        places = f"{error}; {_free(Path.cwd())} here, {_free(Path(tempfile.gettempdir()))} for temporary files"
        return f"a disk is full: {places}; make space and run again"
    return f"{folder}: the disk is full ({_free(folder)}); make space and run again, what is finished is kept"


def _free(folder: Path) -> str:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 1e6:.0f} MB are free"
