"""Finished work of a job, kept beside its output so that the job can resume after any interruption.

A file counts only if the ledger has its checksum: what was half written, cut off or changed since is not there.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from stepaudit.errors import UsageError
from stepaudit.running import locks
from stepaudit.store import writing
from stepaudit.store.checksums import sha256

FINGERPRINT, LEDGER, LOCK = "fingerprint", "ledger", "lock"
NOTES = ("under-way", "hung")  # of `watchdog`, which calls did not end

log = logging.getLogger(__name__)


def folder_of(output: Path) -> Path:
    """Folder of the finished work of a job until its output is written."""
    return output.with_name(f".{output.name}.parts")


class Ledger:
    """Named files beside an output that is being made, by one process at a time.

    Args:
        output: the file that is made of them.
        fingerprint: describes everything that decides them; those with another one are thrown away.

    Raises:
        UsageError: another process is making the same output.
        StorageError: the disk is full, or cannot be written.
    """

    def __init__(self, output: Path, fingerprint: str):
        self.output, self.folder = output, folder_of(output)
        with writing.explained(output):
            self._lock()
            writing.remove(output.with_name(f".{output.name}.tmp"))  # of a writer that was killed
            self._drop_other_fingerprint(fingerprint)
            self._sound = self._sound_files(_read(self.folder / LEDGER))
            self._forget_the_rest()

    def __contains__(self, name: str) -> bool:
        return name in self._sound

    def path(self, name: str) -> Path:
        """The file of this name."""
        return self.folder / name

    def put(self, name: str, write: Callable[[Path], None]) -> None:
        """Keeps a file that `write` writes under the path that it is given."""
        with writing.written(self.path(name)) as temporary:
            write(temporary)
            digest = sha256(temporary)
        writing.append(self.path(LEDGER), f"{name} {digest}\n")
        self._sound[name] = digest

    def drop(self, name: str) -> None:
        """Forgets a file."""
        self._sound.pop(name, None)
        writing.remove(self.path(name))

    def remove(self) -> None:
        """Removes all of it, when the output is written, and lets others make the output."""
        remove(self.output)

    def _lock(self) -> None:
        lock = self.folder / LOCK
        if not locks.take(lock):
            raise UsageError(
                f"{self.output}: {locks.holder(lock)} is making it at this moment; wait until that has ended, or stop "
                "it, and run again"
            )

    def _drop_other_fingerprint(self, fingerprint: str) -> None:
        if _read(self.folder / FINGERPRINT) != fingerprint:
            self._remove_all_but(LOCK)
            writing.write_text(self.folder / FINGERPRINT, fingerprint)

    def _sound_files(self, ledger: str) -> dict[str, str]:
        """Names and checksums of the files that are as they were written."""
        entries = dict(line.split() for line in ledger.splitlines() if len(line.split()) == 2)
        sound = {}
        for name, digest in entries.items():
            if self.path(name).is_file() and _is_sound(self.path(name), digest):
                sound[name] = digest
            elif self.path(name).exists():
                log.warning("%s: damaged; it is made again", self.path(name))
        return sound

    def _forget_the_rest(self) -> None:
        """Removes damaged files, and rewrites the ledger, whose last line may be incomplete."""
        self._remove_all_but(LOCK, FINGERPRINT, *self._sound, *NOTES)
        writing.write_text(self.path(LEDGER), "".join(f"{name} {digest}\n" for name, digest in self._sound.items()))

    def _remove_all_but(self, *names: str) -> None:
        for path in self.folder.iterdir():
            if path.name not in names:
                writing.remove(path)


def remove(output: Path) -> None:
    """Removes the finished work beside an output, if there is any."""
    folder = folder_of(output)
    if not folder.exists():
        return
    for path in folder.iterdir():
        if path.name != LOCK:
            writing.remove(path)
    locks.give_back(folder / LOCK, remove=True)
    if not writing.remove_empty(folder):  # another process has begun to make the output
        log.debug("%s: not empty", folder)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _is_sound(path: Path, digest: str) -> bool:
    try:
        return sha256(path) == digest
    except OSError:  # a disk that cannot read it any more
        return False
