"""Frames of a video, or of a folder of numbered pictures, scaled and counted by decoding: headers can be wrong."""

import os
import re
import resource
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import ELOOP, ENAMETOOLONG, ENOMEM, ENOSPC
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from signal import SIGKILL, SIGTERM
from time import monotonic
from typing import IO, Protocol, cast

import ffmpeg
import imageio_ffmpeg
import numpy as np
from PIL import Image

from stepaudit.clips.geometry import Geometry
from stepaudit.errors import AuditError, BadVideoError

STILLS = frozenset({".png", ".jpg", ".jpeg"})
VIDEOS = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".3gp", ".mpg", ".mpeg", ".vob"),
    *(".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".ogv"),
)
CONTAINERS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,h264,hevc,m4v"
SCALER = "bilinear+accurate_rnd+full_chroma_int+bitexact"
SECONDS = 600.0  # of decoding: an hour of 1080p takes a minute or two
MOST_PIXELS = 2**26  # of a frame, as it is and as it is scaled: twice those of 8K
MEMORY = 4 * 2**30  # bytes that ffmpeg may reserve: 8K of ten bits with 16 reference frames takes half of it
SPOOL = 4 * 2**30  # bytes of scaled frames: 75 minutes of 112 × 112 at 25 a second
SCANS = 100  # of a JPEG; a progressive one has ten or so, each a pass over all its pixels
FORMATS = ("PNG", "JPEG")  # Pillow knows forty more, some of which start other programs
COMPLAINTS = 2**16  # bytes kept of ffmpeg's messages; a damaged video can cause gigabytes of them
STOPPED = (255, -SIGKILL, -SIGTERM)  # exit statuses of ffmpeg when it, or the machine, is stopped


class Frames(Protocol):
    """Sequence of frames that are read from disk on access."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Sequence[int]) -> np.ndarray:
        """uint8 RGB, [len(indices), H, W, 3]."""
        ...


@cache
def ffmpeg_binary() -> str:
    """Path of ffmpeg: the system's, else the one in imageio-ffmpeg's wheel."""
    return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def picture_size(file: Path) -> tuple[int, int]:
    """Height and width of a picture by its header. Raises BadVideoError if it is none."""
    with _picture(file) as image:
        return image.height, image.width


def source_size(path: Path, *, seconds: float = SECONDS) -> tuple[int, int]:
    """Height and width of the first frame, in pixels: a video's as a player shows it, upright; a picture's as stored.

    Raises:
        BadVideoError: no frame decodes, or not within `seconds`.
    """
    if _is_folder(path):
        return picture_size(_stills(path)[0])
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
    """Existing frames of [start, stop), decoded in one pass; frame i is source frame start + i.

    The scaled frames lie in a temporary file, so that memory does not grow with the video.

    Args:
        geometry: made from `source_size(path)`.
        stop: None: the end of the video.

    Raises:
        BadVideoError: no frame decodes, or not all within `seconds`, or they are too large or too many.
    """
    if geometry.scaled_height * geometry.scaled_width > MOST_PIXELS:
        raise BadVideoError(f"{path.name}: {geometry.source_width}×{geometry.source_height} are too narrow for a clip")
    if _is_folder(path):
        yield _Pictures(_stills(path)[start:stop], geometry)
        return
    with tempfile.TemporaryFile() as spool:
        frame = (geometry.height, geometry.width, 3)
        most = SPOOL // int(np.prod(frame))
        error = _run(_scaled(path, geometry, start, stop, most + 1), path, spool, seconds)
        count = spool.seek(0, 2) // int(np.prod(frame))
        if count > most:
            raise BadVideoError(f"{path.name}: more than {most} frames; name a shorter segment of it")
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
    """Key that sorts 'frame10' behind 'frame9'."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


@contextmanager
def _picture(file: Path) -> Iterator[Image.Image]:
    """Opened picture. Errors while it is used become BadVideoError, too."""
    name = f"{file.parent.name}/{file.name}"
    if file.exists() and not file.is_file():
        raise BadVideoError(f"{name}: no file")
    try:
        # Mapped, because reading from a file reserves as much as a chunk of it claims to have.
        with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
            image = Image.open(cast(IO[bytes], content), formats=FORMATS)  # mmap has all methods that Pillow calls
            if image.width * image.height > MOST_PIXELS:
                raise BadVideoError(f"{name}: {image.width}×{image.height} are too many pixels")
            if image.format != "PNG" and len(re.findall(b"\xff\xda", content)) > SCANS:
                raise BadVideoError(f"{name}: more than {SCANS} scans")  # hours of passes over all pixels
            yield image
    except (AuditError, MemoryError):
        raise
    except Exception as error:  # Pillow raises anything on a damaged file
        raise BadVideoError(f"{name}: no readable picture") from error


def _is_folder(path: Path) -> bool:
    """True for a folder. Raises BadVideoError for pipes and devices: they may never end."""
    try:
        str(path).encode()  # what is not Unicode cannot stand in a table
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except ValueError as error:
        raise BadVideoError(f"{path.name!r}: a name that is no UTF-8, or that no file can have") from error
    except OSError as error:
        if error.errno not in (ELOOP, ENAMETOOLONG):
            raise
        raise BadVideoError(f"{path.name[:80]}: {error.strerror}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise BadVideoError(f"{path.name}: neither a file nor a folder")
    return stat.S_ISDIR(mode)


def _source(path: Path):
    """Input of ffmpeg: a local file of a known container, since a playlist inside a '.mp4' could name others."""
    limits = {"protocol_whitelist": "file,pipe", "format_whitelist": CONTAINERS, "max_pixels": MOST_PIXELS}
    return ffmpeg.input(f"file:{path}", **limits, threads=1)


def _scaled(path: Path, geometry: Geometry, start: int, stop: int | None, most: int):
    trim = {"start_frame": start} if stop is None else {"start_frame": start, "end_frame": stop}
    frames = (
        _source(path)["V:0"]
        .filter("trim", **trim)
        .filter("scale", geometry.scaled_width, geometry.scaled_height, flags=SCALER)
        .filter("format", "rgb24")
        .filter("crop", geometry.width, geometry.height, geometry.left, geometry.top)
    )
    return frames.output("pipe:", format="rawvideo", pix_fmt="rgb24", **{"frames:v": most}, **_one_for_one())


@cache
def _one_for_one() -> dict[str, str]:
    """Option against repeated and dropped frames; ffmpeg 5.1 renamed it, and ffmpeg 9 removed the old name."""
    options = subprocess.run([ffmpeg_binary(), "-hide_banner", "-h", "long"], capture_output=True, check=False).stdout
    return {"fps_mode" if b"-fps_mode" in options else "vsync": "passthrough"}


def _run(command, path: Path, output: IO[bytes], seconds: float) -> str:
    """Run ffmpeg. Returns its last error line, if any.

    Raises:
        BadVideoError: it took longer than `seconds`, or more memory than allowed.
        OSError: it was stopped, or the disk is full; the video is not at fault.
    """
    limits = ("-max_alloc", str(MEMORY // 2), "-filter_complex_threads", "1")
    quiet = command.global_args("-nostdin", "-hide_banner", "-loglevel", "error", *limits)
    code, output_end = _ended(quiet.compile(cmd=ffmpeg_binary()), path, output, seconds)
    complaints = output_end.decode(errors="replace").replace(f"file:{path}: ", "").strip()
    if code in STOPPED or os.strerror(ENOSPC) in complaints:
        raise OSError(f"{path}: ffmpeg ended with {code}: {complaints}")
    if os.strerror(ENOMEM) in complaints:
        raise BadVideoError(f"{path.name}: its decoder asks for more than {MEMORY / 2**30:g} GB of memory")
    lines = complaints.splitlines()
    return re.sub(r"\[[^]]*@ 0x\w+]\s*", "", lines[-1]) if lines else "no complaint of ffmpeg"


def _ended(arguments: list[str], path: Path, output: IO[bytes], seconds: float) -> tuple[int, bytes]:
    """Run a program with limited memory to its end. Returns its exit status and the end of its stderr."""
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=pipe, bufsize=0) as process:
        try:
            if hasattr(resource, "prlimit"):  # elsewhere than on Linux, `-max_alloc` has to do
                with suppress(ProcessLookupError):
                    resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
            end = _end_of(cast(IO[bytes], process.stderr), monotonic() + seconds)  # a pipe was asked for
            if end is None:
                raise BadVideoError(f"{path.name}: not decoded within {seconds:g} s")
            return process.wait(), end
        finally:
            process.kill()


def _end_of(stream: IO[bytes], deadline: float) -> bytes | None:
    """End of a program's output after the program has ended; None after the deadline."""
    end = b""
    with DefaultSelector() as waiting:
        waiting.register(stream, EVENT_READ)
        while waiting.select(max(0.0, deadline - monotonic())):
            if not (more := stream.read(COMPLAINTS)):
                return end
            end = (end + more)[-COMPLAINTS:]
            if monotonic() > deadline:
                break
    return None
