"""Writing and removing of files: the only place that does either, atomically and never through a link."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

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
        make_folder(path.parent)
        temporary.unlink(missing_ok=True)  # left by a writer that was killed, or a link
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


@contextmanager
def text_file(path: Path) -> Iterator[IO[str]]:
    """Open text file, UTF-8, that replaces `path` at the end of the block, see `written`."""
    with written(path) as temporary, temporary.open("x", encoding="utf-8", newline="") as file:
        yield file


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, see `written`; several processes may do so at once."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file, see `written`; several processes may do so at once."""
    write_with(path, lambda file: file.write(content))


def write_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file by a function of the open file, see `written`; several processes may do so at once."""
    with written(path, own_name(path)) as temporary, temporary.open("xb") as file:
        write(file)


def new_file(text: str, suffix: str) -> Path:
    """Write a text file, UTF-8, of a new name in the folder of temporary files. Returns its path."""
    number, path = tempfile.mkstemp(prefix="stepaudit-", suffix=suffix)
    with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return Path(path)


def append(path: Path, text: str) -> None:
    """Append text, UTF-8, to a file. Raises StorageError, also for a link."""
    with explained(path), os.fdopen(opened(path), "a", encoding="utf-8") as file:
        file.write(text)


def opened(path: Path) -> int:
    """Descriptor of a file that is read and written in place, and made if it is missing.

    Raises:
        StorageError: a link, a folder or a device lies there.
        OSError: it cannot be opened.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise StorageError(f"{path}: no plain file; stepaudit writes through no link; remove it and run again")
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.open(path, flags, 0o666)


def emptied(path: Path) -> IO[bytes]:
    """Empty file to write in place without a buffer, see `opened`."""
    file = os.fdopen(opened(path), "wb", buffering=0)
    file.truncate(0)
    return file


def move(path: Path, place: Path) -> None:
    """Move a file to a name on the same disk, where it replaces another file or a link."""
    path.replace(place)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it, where they are missing."""
    path.mkdir(mode, parents=True, exist_ok=True)


def remove(path: Path) -> None:
    """Remove a file, a link itself, or a folder with all that lies in it; nothing if there is none of them."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_empty(folder: Path) -> bool:
    """Remove a folder unless something lies in it. Returns True if it is gone."""
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


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
        return _disk_full_text(error, folder)
    if isinstance(error, OSError) and number in CLOSED:
        place = folder or "the results folder"
        return f"{place}: cannot be written ({error.strerror}); give yourself the right to, or choose another `results`"
    return None


def _disk_full_text(error: BaseException, folder: Path | None) -> str:
    """Sentence about the folder's disk; without a folder, about the disks of this folder and of temporary files."""
    if folder is None:
        places = f"{error}; {_free(Path.cwd())} here, {_free(Path(tempfile.gettempdir()))} for temporary files"
        return f"a disk is full: {places}; make space and run again"
    return f"{folder}: the disk is full ({_free(folder)}); make space and run again, what is finished is kept"


def _free(folder: Path) -> str:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 1e6:.0f} MB are free"
