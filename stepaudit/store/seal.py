"""A Parquet file that can tell whether any of its bits has changed: it carries the SHA-256 of all its other bytes.

The checksums of Parquet's pages leave out the pages' headers and the footer; a seal leaves out nothing. It stands right
before the footer, where readers of Parquet, who follow the footer's offsets, do not look.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

MARK, DIGITS = b"stepaudit seal: ", 64
LENGTH = len(MARK) + DIGITS
TAIL, LARGEST_FOOTER, CHUNK = 8, 1 << 28, 1 << 20  # bytes; a file's last eight are the footer's length and `PAR1`


def close(path: Path) -> str:
    """Seals a Parquet file and returns its seal. Raises ValueError if it is none."""
    with path.open("r+b") as file:
        start = _footer(file)
        if start is None:
            raise ValueError(f"{path}: no Parquet file")
        digest = _sha256(file, None)
        file.seek(start)
        footer = file.read()
        file.seek(start)
        file.write(MARK + digest.encode() + footer)
    return digest


def read(path: Path) -> str | None:
    """The seal that a file carries; None if it has none."""
    with path.open("rb") as file:
        place = _place(file)
        if place is None:
            return None
        file.seek(place + len(MARK))
        return file.read(DIGITS).decode("ascii", errors="replace")


def computed(path: Path) -> str:
    """The seal that a file should carry: the SHA-256 of its bytes without the seal, if it has one."""
    with path.open("rb") as file:
        return _sha256(file, _place(file))


def _place(file: BinaryIO) -> int | None:
    """Where the seal begins."""
    start = _footer(file)
    if start is None or start < LENGTH:
        return None
    file.seek(start - LENGTH)
    return start - LENGTH if file.read(len(MARK)) == MARK else None


def _footer(file: BinaryIO) -> int | None:
    """Where the footer begins; None if this cannot be a Parquet file."""
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    start = size - TAIL - int.from_bytes(tail[:4], "little")
    return start if tail[4:] == b"PAR1" and max(4, size - LARGEST_FOOTER) <= start else None


def _sha256(file: BinaryIO, seal: int | None) -> str:
    """SHA-256 of a file without its seal."""
    digest = hashlib.sha256()
    file.seek(0)
    if seal is not None:
        _take(file, digest, seal)
        file.seek(seal + LENGTH)
    _take(file, digest, None)
    return digest.hexdigest()


def _take(file: BinaryIO, digest: "hashlib._Hash", count: int | None) -> None:
    """Adds the next `count` bytes of a file to a digest, or all that are left."""
    while chunk := file.read(CHUNK if count is None else min(CHUNK, count)):
        digest.update(chunk)
        count = None if count is None else count - len(chunk)
