"""Encoding of frames as a video file, with the same bytes for the same frames."""

import subprocess
from functools import cache
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np

from stepaudit.clips.decoding import ffmpeg_binary
from stepaudit.errors import UsageError
from stepaudit.store import writing

X264 = {"vcodec": "libx264", "pix_fmt": "yuv420p", "preset": "veryfast"}
SAME_BYTES = {"threads": 1, "fflags": "+bitexact", "flags:v": "+bitexact", "map_metadata": -1}


def encoder() -> str:
    """An ffmpeg that writes H.264: the one of `decoding.ffmpeg_binary`, or, if that cannot, the one of imageio-ffmpeg.

    Raises:
        UsageError: neither can.
    """
    reasons = {}
    for binary in (ffmpeg_binary, imageio_ffmpeg.get_ffmpeg_exe):
        try:
            name = binary()
        except RuntimeError as error:  # this wheel of imageio-ffmpeg has none
            reasons["imageio-ffmpeg"] = str(error)
            continue
        if not (reason := _encoding_error(name)):
            return name
        reasons[name] = reason
    tried = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise UsageError(f"no ffmpeg here writes H.264 ({tried}); put one with libx264 on the PATH")


@cache
def _encoding_error(binary: str) -> str:
    """Error of an ffmpeg that is to write a frame as H.264; empty if it can."""
    frame = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s="16x16", r=25)
    command = frame.output("pipe:", format="null", **X264).global_args("-loglevel", "error").compile(cmd=binary)
    try:
        done = subprocess.run(command, input=bytes(16 * 16 * 3), capture_output=True, check=False)
    except OSError as error:
        return str(error)
    text = done.stderr.decode(errors="replace").strip()[-200:] or f"status {done.returncode}"
    return text if done.returncode else ""


def encode(frames: np.ndarray, path: Path, rate: str | int, *, crf: int = 16) -> None:
    """Write H.264 in an .mp4 whose header stands in front.

    Args:
        frames: uint8 RGB, [n, H, W, 3].
        rate: frames a second, such as '25' or '30000/1001'.
        crf: constant rate factor of x264; less is finer.

    Raises:
        UsageError: this ffmpeg has no H.264 encoder.
        StorageError: the disk is full, or cannot be written.
    """
    height, width = frames.shape[1:3]
    # Several jobs may make the same video at once.
    with writing.written(path, writing.own_name(path)) as temporary:
        command = (
            ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=rate)
            .output(f"file:{temporary}", format="mp4", movflags="+faststart", crf=crf, **X264, **SAME_BYTES)
            .global_args("-y", "-hide_banner", "-loglevel", "error")
            .compile(cmd=encoder())
        )
        done = subprocess.run(command, input=np.ascontiguousarray(frames).data, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip()
            raise UsageError(
                f"{path}: {encoder()} cannot encode it ({reason}); put another ffmpeg with libx264 on the PATH, "
                "or none, so that the one of imageio-ffmpeg is used"
            )
