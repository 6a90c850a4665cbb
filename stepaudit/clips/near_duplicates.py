"""Test videos that show what a training video shows, by a few small frames of each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stepaudit.clips import decoding
from stepaudit.clips.geometry import Geometry
from stepaudit.errors import BadVideoError

SIDE = 16  # pixels of a frame
READ, STEP = 48, 12  # frames that are read of a video, and the distance of those that are compared
SECONDS = 10.0  # for each video
CONTRAST = 10.0  # grey levels, standard deviation: darker and flatter frames look all alike
ALIKE = 0.985  # correlation: of 159 UCF-101 clips it finds four pairs, each of them one scene


def fingerprint(frames: np.ndarray) -> np.ndarray:
    """Frames of mean 0 and length 1, or 0 if they have little contrast, [n, SIDE × SIDE × 3].

    Args:
        frames: uint8, [n, SIDE, SIDE, 3].
    """
    flat = frames.reshape(len(frames), -1).astype(np.float32)
    centred = flat - flat.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.where(flat.std(1, keepdims=True) > CONTRAST, centred / np.maximum(length, 1e-6), 0)


def pairs(tested: Sequence[Path], trained: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each test video that shows the scene of a training video, with the training video most like it."""
    of_training = [(path, prints) for path in trained if (prints := _of_video(path)) is not None]
    result = []
    for path in tested:
        prints = _of_video(path)
        if prints is not None and of_training:
            alike, other = max(((prints @ others.T).max(), str(name)) for name, others in of_training)
            if alike >= ALIKE:
                result.append((path, Path(other)))
    return result


def _of_video(path: Path) -> np.ndarray | None:
    try:
        size = decoding.source_size(path, seconds=SECONDS)
        with decoding.decoded(path, Geometry(*size, SIDE, SIDE), stop=READ, seconds=SECONDS) as frames:
            return fingerprint(frames[list(range(0, len(frames), STEP))])
    except (BadVideoError, OSError):
        return None
