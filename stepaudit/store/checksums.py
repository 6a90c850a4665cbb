"""SHA-256 checksums of files.

The table `runs` has the checksum of every other file. A file of `runs` carries its own, in the metadata in its footer.
"""

import hashlib
from pathlib import Path

KEY, PREFIX, BLANK = b"stepaudit_sha256", b"sha256 of this file: ", b"0" * 64


def sha256(path: Path) -> str:
    """Checksum of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sign(path: Path) -> None:
    """Fill in the checksum of a file that holds `PREFIX + BLANK`: the one that it has with the blank."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest().encode()
    path.write_bytes(content.replace(PREFIX + BLANK, PREFIX + digest))


def is_signed(path: Path) -> bool | None:
    """True if a file has the checksum in its metadata; None without one."""
    before, prefix, rest = path.read_bytes().rpartition(PREFIX)
    if not prefix:
        return None
    digest = hashlib.sha256(before + prefix + BLANK + rest[len(BLANK) :]).hexdigest().encode()
    return rest.startswith(digest)
