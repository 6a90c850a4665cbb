"""Frames as files to look at: an H.264 video, an animated WebP or GIF."""

import os
import subprocess
from pathlib import Path

import ffmpeg
import numpy as np
from PIL import Image

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.video import ffmpeg_binary

FRAMES_A_SECOND = 4.0  # of a clip of 16 frames: four seconds
VIDEO_RATE = 24  # of the file, since some players drop slow videos
X264 = {"vcodec": "libx264", "pix_fmt": "yuv420p", "preset": "veryfast", "crf": 18}
SAME_BYTES = {"threads": 1, "fflags": "+bitexact", "flags:v": "+bitexact", "map_metadata": -1}
ANIMATIONS = {".webp": {"quality": 80, "method": 4}, ".gif": {}}
SUFFIXES = (".mp4", *ANIMATIONS)


def save(frames: np.ndarray, path: str | Path, *, rate: float = FRAMES_A_SECOND) -> Path:
    """Writes frames as the file's name says: `.mp4`, `.webp` or `.gif`; under a temporary name first.

    Args:
        frames: uint8 RGB, [F, H, W, 3].
        rate: frames a second.

    Returns:
        The path.

    Raises:
        UsageError: another ending, no such folder, or an ffmpeg without an H.264 encoder.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: no kind of picture that moves '{suffix}'{did_you_mean(suffix, list(SUFFIXES))}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder '{path.parent}'; make it first")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if suffix in ANIMATIONS:
            _animate(frames, temporary, suffix, rate)
        else:
            _encode(frames, temporary, path, rate)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _animate(frames: np.ndarray, temporary: Path, suffix: str, rate: float) -> None:
    first, *rest = map(Image.fromarray, frames)
    timing = {"duration": round(1000 / rate), "loop": 0}
    first.save(temporary, suffix[1:], save_all=True, append_images=rest, **timing, **ANIMATIONS[suffix])


def _encode(frames: np.ndarray, temporary: Path, path: Path, rate: float) -> None:
    """H.264 in an .mp4 whose header stands in front, the same bytes for the same frames."""
    shown = _even(frames)[_places(len(frames), rate)]
    height, width = shown.shape[1:3]
    command = (
        ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=VIDEO_RATE)
        .output(f"file:{temporary}", format="mp4", movflags="+faststart", **X264, **SAME_BYTES)
        .global_args("-y", "-hide_banner", "-loglevel", "error")
        .compile(cmd=ffmpeg_binary())
    )
    done = subprocess.run(command, input=np.ascontiguousarray(shown).data, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise UsageError(
            f"{path}: {ffmpeg_binary()} cannot encode it ({reason}); put an ffmpeg with libx264 on the PATH, "
            "or none, so that the one of imageio-ffmpeg is used"
        )


def _places(frames: int, rate: float) -> np.ndarray:
    """Which frame each frame of the file shows."""
    count = max(1, round(frames * VIDEO_RATE / rate))
    return np.arange(count) * frames // count


def _even(frames: np.ndarray) -> np.ndarray:
    """Frames of an even height and width, which H.264 needs; an edge is repeated where it takes one more."""
    return np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
