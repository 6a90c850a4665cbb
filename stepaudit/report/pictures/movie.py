"""Frames as files to look at: an H.264 video, an animated WebP or GIF."""

import base64
import html
import io
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from stepaudit.clips import encoding
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store import writing
from stepaudit.store.plain_files import at_home

FRAMES_A_SECOND = 4.0  # of a clip of 16 frames: four seconds
VIDEO_RATE = 24  # of the file, since some players drop slow videos
ANIMATIONS = {".webp": {"quality": 80, "method": 4}, ".gif": {}}
SUFFIXES = (".mp4", *ANIMATIONS)


def save(frames: np.ndarray, path: str | Path, *, rate: float = FRAMES_A_SECOND) -> Path:
    """Write frames in the format of the file's name: `.mp4`, `.webp` or `.gif`; under a temporary name first.

    Args:
        frames: uint8 RGB, [F, H, W, 3].
        rate: frames a second.

    Returns:
        The path.

    Raises:
        UsageError: another ending, no such folder, or an ffmpeg without an H.264 encoder.
    """
    path = at_home(Path(path))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: no kind of picture that moves '{suffix}'{did_you_mean(suffix, list(SUFFIXES))}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder '{path.parent}'; make it first")
    if suffix in ANIMATIONS:
        with writing.written(path, writing.own_name(path)) as temporary:
            _animate(frames, temporary, suffix, rate)
    else:
        encoding.encode(_pad_to_even(frames)[_shown_frames(len(frames), rate)], path, VIDEO_RATE, crf=18)
    return path


def as_html(frames: np.ndarray, caption: str) -> str:
    """Frames, uint8 RGB [F, H, W, 3], as an HTML figure that loads nothing, for notebooks."""
    file = io.BytesIO()
    _animate(frames, file, ".webp", FRAMES_A_SECOND)
    source = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    text = html.escape(caption)
    return f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def _animate(frames: np.ndarray, file: Path | IO[bytes], suffix: str, rate: float) -> None:
    first, *rest = map(Image.fromarray, frames)
    timing = {"duration": round(1000 / rate), "loop": 0}
    first.save(file, suffix[1:], save_all=True, append_images=rest, **timing, **ANIMATIONS[suffix])


def _shown_frames(frames: int, rate: float) -> np.ndarray:
    """For each frame of the film, the index of the clip's frame that it shows."""
    count = max(1, round(frames * VIDEO_RATE / rate))
    return np.arange(count) * frames // count


def _pad_to_even(frames: np.ndarray) -> np.ndarray:
    """Frames of even height and width, as H.264 requires; the last row or column is repeated if needed."""
    return np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
