"""Seeking to a late segment of a video, if its packets prove that decoding from there gives the same frames."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

CONTAINERS = "mov,matroska"  # their packets have true times, one for each frame
CODECS = ("h264", "hevc", "vp9", "av1")  # frames after a key frame are made of nothing before it
MARGIN = 0.14  # seconds: ffmpeg seeks 3/23 s before the time that it is given
PACKET = re.compile(rb"^(\d), +(-?\d+), +(-?\d+),[^,]*,[^,]*,[^,\n]*(?:, F=0x(\w+))?", re.MULTILINE)


@dataclass(frozen=True)
class Packets:
    """Packets of a video, in decoding order. Times are in ticks of `tick` seconds.

    Args:
        shown: time of the frame, int64 [n]; no two are the same.
        decoded: time of decoding, int64 [n].
        keys: bool [n], whether a decoder may begin there.
    """

    tick: Fraction
    shown: np.ndarray
    decoded: np.ndarray
    keys: np.ndarray


@dataclass(frozen=True)
class Window:
    """`count` frames, shown in [first, last) or from `first` on, and where to seek for them; seconds."""

    seek: float
    first: float
    last: float | None
    count: int


def packets(listing: bytes) -> Packets | None:
    """Packets of a listing, or None if they do not prove which frame is which.

    Args:
        listing: by ffmpeg's `framecrc`: stream 0 has all packets, stream 1 those with an IDR picture, if it is H.264.
    """
    codec = re.search(rb"^#codec_id 0: (\w+)", listing, re.MULTILINE)
    tick = re.search(rb"^#tb 0: (\d+)/(\d+)", listing, re.MULTILINE)
    rows = PACKET.findall(listing)
    every = [row for row in rows if row[0] == b"0"]
    if not (codec and tick and every) or codec[1].decode() not in CODECS:
        return None
    if not {row[3] for row in every} <= {b"", b"0"}:  # to be discarded, or damaged
        return None
    decoded, shown = (np.array([int(row[column]) for row in every]) for column in (1, 2))
    keys = np.array([not row[3] for row in every])
    if codec[1] == b"h264":  # a key packet may only begin a gradual refresh
        keys &= np.isin(shown, [int(row[2]) for row in rows if row[0] == b"1"])
    lowest = np.iinfo(np.int64).min
    unclear = len(np.unique(shown)) < len(shown) or min(shown.min(), decoded.min()) == lowest
    if unclear or not keys[0] or shown.argmin() > 0:
        return None
    return Packets(Fraction(int(tick[1]), int(tick[2])), shown, decoded, keys)


def times(packets: Packets) -> np.ndarray:
    """Seconds at which each frame is shown, ascending, float64 [n]."""
    return np.sort(packets.shown) * float(packets.tick)


def together(packets: Packets, spans: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Spans joined, in order, so that no frame is decoded for two of them: where one can be decoded from a key frame
    behind all before it, the next begins.

    Args:
        spans: (start, stop) of each, half-open.
        most: frames that a joined one may have.
    """
    shown = np.sort(packets.shown)
    keys = np.searchsorted(shown, np.sort(packets.shown[packets.keys]))
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        key = int(keys[max(0, int(np.searchsorted(keys, start, side="right")) - 1)])
        if joined and key < joined[-1][1] and max(stop, joined[-1][1]) - joined[-1][0] <= most:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined


def window(packets: Packets, start: int, stop: int | None) -> Window | None:
    """The window of the frames [start, stop); None if there are none, or no key frame but the first lies before."""
    times = np.sort(packets.shown)
    if not 0 < start < len(times):
        return None
    earliest = int((packets.shown >= times[start]).argmax())
    before = np.flatnonzero(packets.keys[: earliest + 1] & (packets.shown[: earliest + 1] <= times[start]))
    if before[-1] == 0:
        return None
    stop = len(times) if stop is None else min(stop, len(times))
    later = np.flatnonzero(packets.keys[before[-1] + 1 :])
    tick = float(packets.tick)
    seek = max(times[start] * tick, packets.shown[before[-1]] * tick + MARGIN)
    if len(later):
        seek = min(seek, float(packets.decoded[before[-1] + 1 + later[0]] - 1) * tick)
    last = _just_before(times, stop) * tick if stop < len(times) else None
    return Window(float(seek), _just_before(times, start) * tick, last, stop - start)


def _just_before(times: np.ndarray, frame: int) -> float:
    """A time between a frame and the one before it, nearer to the frame, so that rounding does no harm."""
    return float(times[frame]) - float(times[frame] - times[frame - 1]) / 4
