"""Clips that show the scene of another clip, by the steps of brightness in a few small grey frames of each."""

from collections.abc import Iterator, Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np

from stepaudit.clips import decoding
from stepaudit.clips.geometry import Geometry
from stepaudit.errors import BadVideoError

SIDE, FRAMES = 16, 8  # pixels of a small frame, and frames that are compared
NOISE = 2.0  # grey levels; a smaller step of brightness counts as none
MIN_STEPS_SHARE = 1 / 3  # share of neighbouring pixels with a step; flatter frames look all alike
ALIKE = 0.65  # likeness; of 12,561 pairs of UCF-101 clips it finds 5 of the 52 of one source, and no other
READ, DECODED = 48, 4 * SIDE  # frames that are read of a video, and pixels that they are scaled to first
SECONDS = 10.0  # for each video
BLOCK = 64  # clips compared at once
MAX_FRAME_PAIRS = 2_000_000_000  # pairs of frames


def small_frames(frames: np.ndarray) -> np.ndarray:
    """At most `FRAMES` frames, evenly spread, in grey, uint8 [n, SIDE, SIDE].

    Args:
        frames: uint8, [T, H, W, 3].
    """
    chosen = frames[np.arange(FRAMES) * len(frames) // FRAMES] if len(frames) > FRAMES else frames
    grey = chosen.mean(axis=3, dtype=np.float32)
    for axis in (1, 2):
        edges = np.arange(SIDE) * grey.shape[axis] // SIDE
        pixels = np.diff(edges, append=grey.shape[axis]).clip(1)
        grey = np.add.reduceat(grey, edges, axis) / np.expand_dims(pixels, (0, 3 - axis))
    return grey.round().astype(np.uint8)


def fingerprint(small: np.ndarray) -> np.ndarray:
    """Signs of the steps between neighbouring pixels, of length 1, or 0 if there are few, float32 [..., n, D].

    The product of two frames is their likeness: 1 if all steps go the same way, whatever brightness and contrast.

    Args:
        small: uint8, [..., n, SIDE, SIDE].
    """
    steps = [np.diff(small.astype(np.float32), axis=axis) for axis in (-1, -2)]
    flat = np.concatenate([step.reshape(*small.shape[:-2], -1) for step in steps], axis=-1)
    signs = np.where(np.abs(flat) > NOISE, np.sign(flat), 0)
    count = np.count_nonzero(signs, axis=-1, keepdims=True)
    return np.where(count >= MIN_STEPS_SHARE * signs.shape[-1], signs / np.sqrt(count.clip(1)), 0).astype(np.float32)


def likeness(tested: np.ndarray, trained: np.ndarray) -> Iterator[np.ndarray]:
    """Greatest likeness of a frame of a clip to one of another, float32 [n, M] for each `BLOCK` of tested clips.

    Of very many clips fewer frames are compared, so that the time stays below a minute.

    Args:
        tested: fingerprints, [N, n, D].
        trained: [M, n, D].
    """
    apart = ceil(sqrt(len(tested) * len(trained) * tested.shape[1] * trained.shape[1] / MAX_FRAME_PAIRS))
    by_frame = np.ascontiguousarray(trained[:, :: max(1, apart)].swapaxes(0, 1))
    for first in range(0, len(tested), BLOCK):
        clips = tested[first : first + BLOCK, :: max(1, apart)]
        rows = clips.reshape(-1, clips.shape[-1])
        greatest = rows @ by_frame[0].T
        for frames in by_frame[1:]:
            np.maximum(greatest, rows @ frames.T, out=greatest)
        yield greatest.reshape(*clips.shape[:2], -1).max(axis=1)


def pairs(tested: Sequence[Path], trained: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each test video that shows the scene of a training video, with the training video most like it."""
    prints = [
        [(path, one) for path in paths if (one := _video_fingerprint(path)) is not None] for paths in (tested, trained)
    ]
    if not all(prints):
        return []
    greatest = np.concatenate([*likeness(*(np.stack([one for _, one in each]) for each in prints))])
    return [
        (prints[0][number][0], prints[1][greatest[number].argmax()][0])
        for number in np.flatnonzero(greatest.max(axis=1) >= ALIKE)
    ]


def _video_fingerprint(path: Path) -> np.ndarray | None:
    """Fingerprint of the beginning of a video, [FRAMES, D]; None if it does not decode."""
    try:
        size = decoding.source_size(path, seconds=SECONDS)
        with decoding.decoded(path, Geometry(*size, DECODED, DECODED), stop=READ, seconds=SECONDS) as frames:
            chosen = [number * len(frames) // FRAMES for number in range(FRAMES)]
            return fingerprint(small_frames(frames[chosen]))
    except (BadVideoError, OSError):
        return None
