"""SHA-256 checksums of files.

The table `runs` has the checksum of every other file. A file of `runs` carries its own, in the metadata in its footer.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from stepaudit.store import writing

KEY, PREFIX, BLANK = b"stepaudit_sha256", b"sha256 of this file: ", b"0" * 64
WHOLE, BLOCKS, BLOCK = 64 * 2**20, 64, 2**20  # bytes; a larger file is read in part by `content`


def sha256(path: Path) -> str:
    """Checksum of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content(path: Path) -> str:
    """Checksum that shows if a file was replaced; of a large file, its size and blocks all over it are read."""
    size = path.stat().st_size
    if size <= WHOLE:
        return sha256(path)
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for block in range(BLOCKS):
            file.seek(block * (size - BLOCK) // (BLOCKS - 1))
            digest.update(file.read(BLOCK))
    return digest.hexdigest()


def write_list(path: Path, files: Iterable[Path]) -> None:
    """List of the checksums of files in the same folder, or below it, as `sha256sum` writes and checks it."""
    lines = [f"{sha256(file)}  {file.relative_to(path.parent).as_posix()}\n" for file in files]
    writing.write_text(path, "".join(lines))


def read_list(path: Path) -> dict[str, str]:
    """Checksums of such a list, by name."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def embed(path: Path) -> None:
    """Fill in the checksum of a file that holds `PREFIX + BLANK`: the one that it has with the blank."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest().encode()
    writing.write_bytes(path, content.replace(PREFIX + BLANK, PREFIX + digest))


def matches_embedded(path: Path) -> bool | None:
    """True if a file has the checksum in its metadata; None without one."""
    before, prefix, rest = path.read_bytes().rpartition(PREFIX)
    if not prefix:
        return None
    digest = hashlib.sha256(before + prefix + BLANK + rest[len(BLANK) :]).hexdigest().encode()
    return rest.startswith(digest)
