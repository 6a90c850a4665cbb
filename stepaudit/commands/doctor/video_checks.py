"""Checks of ffmpeg: its version, and that it decodes and encodes H.264."""

import subprocess
import tempfile
from base64 import b64decode
from pathlib import Path

import numpy as np

from stepaudit.clips import decoding, encoding
from stepaudit.clips.geometry import Geometry
from stepaudit.commands.doctor.findings import Finding, fine, problem, warning
from stepaudit.errors import BadVideoError, StorageError, UsageError
from stepaudit.store import writing

SECONDS = 30
GREYS = (40, 90, 140, 190)  # of the four frames of the clip
SIDE = 32  # pixels of a frame
TOLERANCE = 4  # grey levels
CLIP = b64decode(  # four grey frames of 32 × 32, a bare H.264 stream
    "AAAAAWdkAAqscgRJaEAAAAMAQAAADIPEiWEYAAAAAWjoQ4EMsiwAAAFliIEABX/+99S3zLLoOfrYLhj+j/kAAAABQZoITYhX/+Xk4ZjwlAe1SfYw"
    "sPAAAAABAZ4QJyFfFdEAAAABQZoQa/AgZMphCv/jQ/+f2P/A+ZJwvCUfYsRP"
)
ADVICE = (
    "put an ffmpeg with H.264 on the PATH, or none, so that the one of imageio-ffmpeg is used "
    "(`pip install --force-reinstall imageio-ffmpeg`)"
)


def ffmpeg() -> Finding:
    """Check that ffmpeg decodes H.264."""
    try:
        binary = decoding.ffmpeg_binary()
        output = subprocess.run(
            [binary, "-version"], capture_output=True, text=True, timeout=SECONDS, check=True
        ).stdout
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder, "clip.h264")
            writing.write_bytes(clip, CLIP)
            trouble = _decoding_error(clip)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return problem("ffmpeg", f"there is none that works ({error})", ADVICE)
    if trouble:
        return problem("ffmpeg", f"{binary} does not decode H.264: {trouble}", ADVICE)
    words = output.split()  # begins with `ffmpeg version 7.1`
    return fine("ffmpeg", f"ffmpeg {words[2] if len(words) > 2 else ''}, {binary}; decodes H.264")


def encoder() -> Finding:
    """Check that ffmpeg encodes H.264, for generated videos and those of `stepaudit explain`."""
    frames = np.stack([np.full((SIDE, SIDE, 3), grey, np.uint8) for grey in GREYS])
    try:
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder, "clip.mp4")
            encoding.encode(frames, clip, 25)
            trouble = _decoding_error(clip)
    except (OSError, RuntimeError, UsageError, StorageError) as error:
        trouble = str(error)
    if trouble:
        text = f"H.264 cannot be written ({trouble}): no generated videos, no overlay videos"
        return warning("encoder", text, ADVICE.replace("H.264", "libx264"))
    return fine("encoder", f"{encoding.encoder()} writes H.264")


def _decoding_error(clip: Path) -> str:
    """The error of the clip of four grey frames after decoding; empty if there is none."""
    try:
        height, width = decoding.source_size(clip, seconds=SECONDS)
        with decoding.decoded(clip, Geometry(height, width, SIDE, SIDE), seconds=SECONDS) as frames:
            greys = [float(np.mean(frames[[index]])) for index in range(len(frames))]
    except BadVideoError as error:
        return str(error)
    if len(greys) != len(GREYS):
        return f"{len(greys)} of {len(GREYS)} frames of a small clip"
    worst = max(abs(grey - expected) for grey, expected in zip(greys, GREYS, strict=True))
    return f"frames are off by {worst:.0f} grey levels" if worst > TOLERANCE else ""
