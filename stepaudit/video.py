"""Frames of a video, or of a folder of numbered pictures, scaled and counted by decoding them: headers lie."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import ENOSPC
from functools import cache
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import BinaryIO, Protocol

import ffmpeg
import imageio_ffmpeg
import numpy as np
from PIL import Image

from stepaudit.errors import BadVideoError
from stepaudit.geometry import Geometry

STILLS = frozenset({".png", ".jpg", ".jpeg"})
CONTAINERS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,h264,hevc,m4v"
SCALER = "bilinear+accurate_rnd+full_chroma_int+bitexact"
SECONDS = 600.0
STOPPED = (255, -SIGKILL, -SIGTERM)  # what ffmpeg ends with when it, or the machine, is told to stop


class Frames(Protocol):
    """A sequence of frames that is read from disk where it is indexed."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Sequence[int]) -> np.ndarray:
        """uint8 RGB, [len(indices), H, W, 3]."""
        ...


@cache
def ffmpeg_binary() -> str:
    """Path of the ffmpeg that does all decoding and encoding: the system's, else the one in imageio-ffmpeg's wheel."""
    return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def source_size(path: Path, *, seconds: float = SECONDS) -> tuple[int, int]:
    """Height and width of the first frame, in pixels: a video's as a player shows it, upright; a picture's as stored.

    Raises:
        BadVideoError: no frame decodes, or not within `seconds`.
    """
    if path.is_dir():
        with _picture(_stills(path)[0]) as image:
            return image.height, image.width
    first = {"format": "image2pipe", "vcodec": "ppm", "pix_fmt": "rgb24", "frames:v": 1}
    command = _source(path)["V:0"].output("pipe:", **first)
    with tempfile.TemporaryFile() as picture:
        error = _run(command, path, picture, seconds)
        picture.seek(0)
        header = re.match(rb"P6\s(\d+)\s(\d+)\s", picture.read(64))
    if header is None:
        raise BadVideoError(f"{path.name}: no frame decodes ({error})")
    return int(header[2]), int(header[1])


@contextmanager
def decoded(
    path: Path, geometry: Geometry, *, start: int = 0, stop: int | None = None, seconds: float = SECONDS
) -> Iterator[Frames]:
    """The frames of [start, stop), as many as there are, in one pass; frame i is source frame start + i.

    They wait in a temporary file, scaled, so that memory does not grow with the video.

    Args:
        geometry: made from `source_size(path)`.
        stop: None means the end of the video.

    Raises:
        BadVideoError: no frame decodes, or not all within `seconds`.
    """
    if path.is_dir():
        yield _Pictures(_stills(path)[start:stop], geometry)
        return
    with tempfile.TemporaryFile() as spool:
        error = _run(_scaled(path, geometry, start, stop), path, spool, seconds)
        frame = (geometry.height, geometry.width, 3)
        count = spool.seek(0, 2) // int(np.prod(frame))
        if count == 0:
            raise BadVideoError(f"{path.name}: no frame decodes from frame {start} on ({error})")
        yield np.memmap(spool, np.uint8, "r", shape=(count, *frame))


class _Pictures:
    """Frames of a folder, scaled like a video's."""

    def __init__(self, files: list[Path], geometry: Geometry):
        self.files, self.geometry = files, geometry

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, indices: Sequence[int]) -> np.ndarray:
        return np.stack([self._read(self.files[index]) for index in indices])

    def _read(self, file: Path) -> np.ndarray:
        to = self.geometry
        with _picture(file) as image:
            if image.size != (to.source_width, to.source_height):
                sizes = f"{image.width}×{image.height}, the first is {to.source_width}×{to.source_height}"
                raise BadVideoError(f"{file.parent.name}/{file.name}: {sizes}")
            scaled = image.convert("RGB").resize((to.scaled_width, to.scaled_height), Image.Resampling.BILINEAR)
        return np.asarray(scaled)[to.top : to.top + to.height, to.left : to.left + to.width]


def _stills(folder: Path) -> list[Path]:
    files = [file for file in folder.iterdir() if file.suffix.lower() in STILLS and not file.name.startswith(".")]
    if not files:
        raise BadVideoError(f"{folder.name}: no {', '.join(sorted(STILLS))} files")
    return sorted(files, key=lambda file: _natural(file.name))


def _natural(name: str) -> list[int | str]:
    """A key that sorts 'frame10' behind 'frame9'."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


@contextmanager
def _picture(file: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(file) as image:
            image.load()
            yield image
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadVideoError(f"{file.parent.name}/{file.name}: no readable picture") from error


def _source(path: Path):
    """A local file of a known container: a playlist inside a '.mp4' could name others. ffmpeg turns it upright."""
    return ffmpeg.input(f"file:{path}", protocol_whitelist="file,pipe", format_whitelist=CONTAINERS, threads=1)


def _scaled(path: Path, geometry: Geometry, start: int, stop: int | None):
    trim = {"start_frame": start} if stop is None else {"start_frame": start, "end_frame": stop}
    frames = (
        _source(path)["V:0"]
        .filter("trim", **trim)
        .filter("scale", geometry.scaled_width, geometry.scaled_height, flags=SCALER)
        .filter("format", "rgb24")
        .filter("crop", geometry.width, geometry.height, geometry.left, geometry.top)
    )
    return frames.output("pipe:", format="rawvideo", pix_fmt="rgb24", **_one_for_one())


@cache
def _one_for_one() -> dict[str, str]:
    """The option that neither repeats nor drops frames; ffmpeg 5.1 gave it a new name, ffmpeg 9 lost the old one."""
    options = subprocess.run([ffmpeg_binary(), "-hide_banner", "-h", "long"], capture_output=True, check=False).stdout
    return {"fps_mode" if b"-fps_mode" in options else "vsync": "passthrough"}


def _run(command, path: Path, output: BinaryIO, seconds: float) -> str:
    """Runs ffmpeg and returns its last complaint, if any.

    Raises:
        BadVideoError: it took longer than `seconds`.
        OSError: it was stopped, or the disk is full; that is not the video's fault.
    """
    quiet = command.global_args("-nostdin", "-hide_banner", "-loglevel", "error", "-filter_complex_threads", "1")
    try:
        done = subprocess.run(
            quiet.compile(cmd=ffmpeg_binary()),
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BadVideoError(f"{path.name}: not decoded within {seconds:g} s") from error
    complaints = done.stderr.decode(errors="replace").replace(f"file:{path}: ", "").strip()
    if done.returncode in STOPPED or os.strerror(ENOSPC) in complaints:
        raise OSError(f"{path}: ffmpeg ended with {done.returncode}: {complaints}")
    lines = complaints.splitlines()
    return re.sub(r"\[[^]]*@ 0x\w+]\s*", "", lines[-1]) if lines else "no complaint of ffmpeg"
