"""Files that end before the end that their own header gives, which ffmpeg may pass over in silence."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")  # of the boxes that an MP4 or QuickTime file begins with
HEAD = 2**16  # bytes in which AVI and FLV files say how long they are
PIECES = ((188, 0), (192, 4))  # bytes of a packet of a transport stream, and where it holds a 'G'
MAX_HEADER_BYTES = 2**28  # bytes of a header that is read; that of ten hours takes some 20 MB
MAX_BOXES = 100_000  # of the outermost ones; a fragmented MP4 of ten hours has some ten thousand


def is_cut_short(path: Path) -> bool:
    """True if an MP4, QuickTime, AVI, FLV or transport stream ends before its last picture. False for other containers.

    Where the places of the pictures are not listed, as in a fragmented MP4, an AVI and an FLV file, it is cut short if
    anything is missing, be it sound. A fragmented MP4 without an index (`sidx`) and a transport stream say nothing of
    their length: cut off between two fragments or packets they pass for whole.
    """
    try:
        with path.open("rb") as file:
            size, start = os.fstat(file.fileno()).st_size, file.read(HEAD)
            if start[4:8] in FIRST:
                return _mp4_end(file, size) > size
    except OSError:
        return False
    if start[:4] == b"RIFF":
        return _avi_end(start) > size
    if start[:3] == b"FLV":
        return _flv_end(start) > size
    return any(size % length for length, place in PIECES if start[place::length][:4] == b"GGGG")


def _avi_end(start: bytes) -> int:
    """End of the first list of frames; 0 if its size was never filled in."""
    place, length = start.find(b"movi") - 4, 0
    if place > 0:
        length = int.from_bytes(start[place : place + 4], "little")
    return 0 if length in (0, 2**32 - 1) else place + 4 + length


def _flv_end(start: bytes) -> float:
    """The size of the file by its metadata; 0 if they do not give it."""
    place = start.find(b"\0\x08filesize\0")
    return struct.unpack_from(">d", start, place + 11)[0] if 0 < place < len(start) - 19 else 0


def _mp4_end(file: IO[bytes], size: int) -> int:
    """End of the last picture, if there is media to the end of the file or beyond; 0 if nothing is known."""
    header, media_end, fragments_end = _layout(file, size)
    if fragments_end > size:
        return fragments_end
    if header is None or media_end is None:
        return 0
    pictures_end = _pictures_end(header)
    return media_end if pictures_end is None else pictures_end


def _layout(file: IO[bytes], size: int) -> tuple[bytes | None, int | None, int]:
    """The header, where a piece of media ends that reaches to the end of the file or beyond, and where fragments end.

    The first two are None if there are none such, the last one is 0 if no index lists fragments.
    """
    header, media_end, fragments_end, place = None, None, 0, 0
    for _ in range(MAX_BOXES):
        if place + 8 > size:
            break
        file.seek(place)
        start = file.read(16)
        length, kind = int.from_bytes(start[:4]), start[4:8]
        if place == 0 and kind not in FIRST:
            break
        lead = 16 if length == 1 else 8
        length = {0: size - place, 1: int.from_bytes(start[8:])}.get(length, length)
        if kind == b"moov" and length < MAX_HEADER_BYTES:
            file.seek(place + lead)
            header = file.read(length - lead)
        if kind == b"sidx" and length < MAX_HEADER_BYTES:
            file.seek(place + lead)
            fragments_end = max(fragments_end, place + length + _fragment_bytes(file.read(length - lead)))
        if kind == b"mdat" and place + length >= size:
            media_end = place + length
        if kind == b"moof" and place + length >= size:  # its media is not there
            fragments_end = max(fragments_end, place + length + 1)
        place += max(length, lead)
    return header, media_end, fragments_end


def _fragment_bytes(index: bytes) -> int:
    """Bytes of all fragments that an index lists, from the end of the index; 0 if it is damaged."""
    try:
        first, count, start = (*struct.unpack_from(">I2xH", index, 16), 24)
        if index[0]:  # 64-bit numbers
            first, count, start = (*struct.unpack_from(">Q2xH", index, 20), 32)
        sizes = np.frombuffer(index, ">u4", 3 * count, start)[::3] & 0x7FFFFFFF
    except (struct.error, ValueError, IndexError):
        return 0
    return first + int(sizes.sum(dtype=np.int64))


def _pictures_end(header: bytes) -> int | None:
    """End of the last picture of the first video track, in bytes from the start; None if that is not listed."""
    for track in (content for kind, content in _mp4_boxes(header) if kind == b"trak"):
        media = _box(track, b"mdia")
        if _box(media, b"hdlr")[8:12] == b"vide":
            table = _box(_box(media, b"minf"), b"stbl")
            try:
                offsets = _offsets(table)
                return int((offsets + _chunk_sizes(table, len(offsets))).max())
            except (struct.error, ValueError, IndexError):
                return None
    return None


def _offsets(table: bytes) -> np.ndarray:
    """Offsets of the chunks of pictures, int64."""
    kind, wide = (">u4", _box(table, b"stco")) if _box(table, b"stco") else (">u8", _box(table, b"co64"))
    return np.frombuffer(wide, kind, int(struct.unpack_from(">I", wide, 4)[0]), 8).astype(np.int64)


def _chunk_sizes(table: bytes, chunks: int) -> np.ndarray:
    """Bytes of each chunk, int64."""
    runs, sizes = _box(table, b"stsc"), _box(table, b"stsz")
    first, each = np.frombuffer(runs, ">u4", 3 * struct.unpack_from(">I", runs, 4)[0], 8).reshape(-1, 3).T[:2]
    begins = np.minimum(first.astype(np.int64), chunks + 1)
    pictures: np.ndarray = np.repeat(each.astype(np.int64), np.diff(begins, append=chunks + 1))
    same, count = struct.unpack_from(">II", sizes, 4)
    if same:
        return pictures * same
    total: np.ndarray = np.append(0, np.cumsum(np.frombuffer(sizes, ">u4", count, 12), dtype=np.int64))
    return np.diff(total[np.append(0, np.cumsum(pictures)).clip(max=count)])


def _box(content: bytes, kind: bytes) -> bytes:
    """Content of the first box of a kind; empty if there is none."""
    return next((inner for name, inner in _mp4_boxes(content) if name == kind), b"")


def _mp4_boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box of an MP4 file, or of a box; it stops at a damaged one."""
    place = 0
    while place + 8 <= len(content):
        length = int.from_bytes(content[place : place + 4])
        if length < 8:
            return
        yield content[place + 4 : place + 8], content[place + 8 : place + length]
        place += length
