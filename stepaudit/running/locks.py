"""Lock files that one process holds at a time. A lock ends with its process, however that ends, and is not inherited.

Unlike the package filelock, a lock names its holder, can be removed with its folder, and is granted with a warning on
file systems without locks.
"""

import errno
import fcntl
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path

from stepaudit.store import writing

TAKEN = (errno.EWOULDBLOCK, errno.EACCES)
UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # some file systems of clusters have no locks

log = logging.getLogger(__name__)
_held: dict[Path, int] = {}  # descriptors of the locks of this process, which may take a lock twice


def take(path: Path) -> bool:
    """Take a lock. Returns False if another process has it."""
    path = path.absolute()
    if path in _held and _is_at(_held[path], path):
        return True
    while True:
        writing.make_folder(path.parent)
        try:
            file = writing.opened(path)
        except FileNotFoundError:
            continue  # its holder has just removed the folder
        if not _take_lock(file, path):
            os.close(file)
            return False
        if _is_at(file, path):
            break
        os.close(file)  # its holder has just removed the file: whoever comes next would make another
    os.ftruncate(file, 0)
    os.write(file, _process_name().encode())
    _held[path] = file
    return True


def holder(path: Path) -> str:
    """Holder of a lock, in words."""
    try:
        return path.read_text(encoding="utf-8", errors="replace") or "another process"
    except OSError:
        return "another process"


def give_back(path: Path, *, remove: bool = False) -> None:
    """Release a lock of this process, if it has it."""
    path = path.absolute()
    if (file := _held.pop(path, None)) is not None:
        if remove:  # while it is held, so that nobody else's is removed
            writing.remove(path)
        os.close(file)


def _take_lock(file: int, path: Path) -> bool:
    """True if the lock was taken, or the file system has no locks; False if another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in UNKNOWN:
            log.warning("%s: this file system has no locks; let no two jobs make the same files at once", path.parent)
            return True
        if error.errno in TAKEN:
            return False
        raise
    return True


def _is_at(file: int, path: Path) -> bool:
    """True if an open file still lies at a path."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False


def _close_in_child() -> None:
    """Close a forked process's copies of the locks: a worker that outlives its job would hold them on."""
    while _held:
        os.close(_held.popitem()[1])


os.register_at_fork(after_in_child=_close_in_child)


def _process_name() -> str:
    job = os.environ.get("SLURM_JOB_ID")
    return f"process {os.getpid()} on {socket.gethostname()}" + (f", Slurm job {job}" if job else "")
