"""Videos whose frames carry their own number, as eight bars of light and dark, so that a test can read it back."""

from pathlib import Path

import numpy as np

from stepaudit.clips.encoding import encode

BITS = 8


def numbered_frames(count: int, height: int = 96, width: int = 128) -> np.ndarray:
    """uint8 [count, H, W, 3]: bit b of a frame's number is the brightness of the b-th horizontal bar."""
    bits = np.arange(count)[:, None] >> np.arange(BITS) & 1
    bars = np.repeat(np.where(bits, 220, 30).astype(np.uint8), height // BITS, axis=1)
    return np.broadcast_to(bars[:, :, None, None], (count, height, width, 3))


def write_numbered(path: Path, count: int, rate: str = "25", height: int = 96, width: int = 128) -> Path:
    """Encodes them, and returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(numbered_frames(count, height, width), path, rate)
    return path


def read_numbers(frames: np.ndarray) -> list[int]:
    """The numbers that frames of any size carry."""
    count, height = frames.shape[:2]
    bars = frames[:, : height // BITS * BITS].reshape(count, BITS, -1).mean(axis=2)
    return [int(number) for number in ((bars > 125) << np.arange(BITS)).sum(axis=1)]
