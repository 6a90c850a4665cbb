"""Frames of a video, or of a folder of numbered pictures, scaled and counted by decoding: headers can be wrong."""

import os
import re
import resource
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import ELOOP, ENAMETOOLONG, ENOMEM
from functools import cache, lru_cache
from math import inf, prod
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from signal import SIGKILL, SIGTERM
from time import monotonic
from typing import IO, Protocol, cast

import ffmpeg
import imageio_ffmpeg
import numpy as np

from stepaudit.clips import seeking
from stepaudit.clips.cut_short import is_cut_short
from stepaudit.clips.geometry import Geometry
from stepaudit.clips.seeking import Packets, Window
from stepaudit.clips.stills import MAX_PIXELS, Pictures, frames_in, picture_size
from stepaudit.errors import BadVideoError
from stepaudit.store.plain_files import disguise

VIDEOS = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".3gp", ".mpg", ".mpeg", ".vob"),
    *(".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".ogv"),
)
CONTAINERS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,h264,hevc,m4v,gif"
SCALER = "bilinear+accurate_rnd+full_chroma_int+bitexact"
STALLED = 600.0  # seconds without a new frame; a video may be as long as it likes
SQUARE = 0.02  # that pixels may be wider or narrower than high, as by a rounded header, and count as square
LATE = 100  # frames; a segment that begins earlier is decoded from the first frame on
MEMORY = 4 * 2**30  # bytes that ffmpeg may reserve: 8K of ten bits with 16 reference frames takes half of it
SPOOL = 4 * 2**30  # bytes of scaled frames: 75 minutes of 112 × 112 at 25 a second
REORDERED = 16  # frames that a decoder may hold back; in a file that is cut short, as many before the end are in doubt
CHUNK = 2**20  # bytes read at once
COMPLAINTS = 2**16  # bytes kept of ffmpeg's messages, at least; a damaged video can cause gigabytes of them
STOPPED = (255, -SIGKILL, -SIGTERM)  # exit statuses of ffmpeg when it, or the machine, is stopped
PREFIX = re.compile(r"\[[^]]*@ 0x\w+]\s*|\[(?:warning|error|fatal|panic)]\s*")
SERIOUS = re.compile(r"\[(?:error|fatal|panic)]|\[warning].*corrupt")
SOUND = re.compile(r"\[(?:mp[123]|aac|e?ac3|dca|truehd|vorbis|opus|flac|alac|pcm_|adpcm_|wma|amr|cook)\w* @ ")


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


def source_size(path: Path, *, seconds: float = inf) -> tuple[int, int]:
    """Height and width of the first frame, in pixels: a video's as a player shows it, upright and with square pixels; a
    picture's as stored.

    Raises:
        BadVideoError: no frame decodes, or not within `seconds`.
    """
    if _is_folder(path):
        return picture_size(frames_in(path)[0])
    first, heard = _source(path)["V:0"].output("pipe:", format="framecrc", **{"frames:v": 1}), bytearray()
    complaints = _run_ffmpeg(first, path, heard.extend, seconds)
    head = {name: re.search(rb"^#%b 0: (\d+)[x/](\d+)" % name, heard, re.MULTILINE) for name in (b"dimensions", b"sar")}
    size, pixel = head[b"dimensions"], head[b"sar"]
    if size is None or not re.search(rb"^0,", heard, re.MULTILINE):
        raise BadVideoError(f"{path.name}: {disguise(path) or _no_frame_text(complaints)}")
    shape = int(pixel[1]) / int(pixel[2]) if pixel and b"0" not in pixel.groups() else 1
    return int(size[2]), int(size[1]) if abs(shape - 1) < SQUARE else max(round(int(size[1]) * shape), 1)


@contextmanager
def decoded(
    path: Path,
    geometry: Geometry,
    *,
    start: int = 0,
    stop: int | None = None,
    seconds: float = inf,
    spans: Sequence[tuple[int, int | None]] = (),
) -> Iterator[Frames]:
    """Existing frames of [start, stop), decoded in one pass; frame i is source frame start + i.

    The scaled frames lie in a temporary file, so that memory does not grow with the video.

    Args:
        geometry: made from `source_size(path)`.
        stop: None: the end of the video.
        spans: all (start, stop) that will be asked of this video in turn. Those between which seeking cannot help are
            decoded once for all, and these frames are kept until others are.

    Raises:
        BadVideoError: no frame decodes, or not all within `seconds`, they are too large or too many, or the file is
            damaged, so that nobody knows which frame is which.
    """
    if geometry.scaled_height * geometry.scaled_width > MAX_PIXELS:
        raise BadVideoError(f"{path.name}: {geometry.source_width}×{geometry.source_height} are too narrow for a clip")
    if _is_folder(path):
        yield Pictures(frames_in(path)[start:stop], geometry)
        return
    with tempfile.TemporaryFile() as spool:
        frame = (geometry.height, geometry.width, 3)
        if (joined := _from_joined_segment(path, geometry, start, stop, spans, seconds)) is not None:
            yield joined
            return
        count = _write_sought(path, geometry, start, stop, spool, seconds)
        if count is None and (shared := _from_shared_pass(path, geometry, start, stop, spans, seconds)) is not None:
            yield shared
            return
        if count is None:
            count = _write_frames(path, geometry, start, stop, spool, seconds)
        yield np.memmap(spool, np.uint8, "r", shape=(count, *frame))


def frame_times(path: Path, *, seconds: float = inf) -> np.ndarray:
    """Seconds at which each frame of a video is shown, from 0 for the first, float64 [n].

    They are read from the packets where these prove which frame is which; else all frames are decoded.

    Raises:
        BadVideoError: no frame decodes, or not all within `seconds`, or the file is damaged; or it is a folder.
    """
    if _is_folder(path):
        raise BadVideoError(f"{path.name}: pictures have no times; make a video of them, ffmpeg -framerate 25 …")
    file = path.stat() if path.exists() else None
    listed = None if file is None else _packets(path, file.st_size, file.st_mtime_ns, seconds)
    times = _decoded_times(path, seconds) if listed is None else seeking.times(listed)
    return times - times[0]


def _decoded_times(path: Path, seconds: float) -> np.ndarray:
    """Seconds at which each frame is shown, by decoding all of them."""
    frames, heard = _source(path)["V:0"].filter("settb", "1/1000000").filter("scale", 16, 16), bytearray()
    printed = frames.filter("signalstats").filter("metadata", "print", key="lavfi.signalstats.YAVG", file="-")
    complaints = _run_ffmpeg(printed.output("pipe:", format="null", **_all_frames()), path, heard.extend, seconds)
    times = np.array([int(time) for time in re.findall(rb"^frame:\d+ +pts:(-?\d+)", heard, re.MULTILINE)]) / 1e6
    damage = [*_damage(complaints), *(["the file ends too early"] if is_cut_short(path) else [])]
    if not len(times) or damage:
        raise BadVideoError(f"{path.name}: {_no_frame_text(complaints) if not damage else _without_prefix(damage[0])}")
    return np.maximum.accumulate(times)


def _from_joined_segment(
    path: Path,
    geometry: Geometry,
    start: int,
    stop: int | None,
    spans: Sequence[tuple[int, int | None]],
    seconds: float,
) -> np.ndarray | None:
    """The frames [start, stop), cut from a longer segment that is decoded once for several spans; else None."""
    if stop is None or len(spans) < 2 or any(last is None for _, last in spans):
        return None
    try:
        file = path.stat()
    except OSError:
        return None
    key = (path, file.st_size, file.st_mtime_ns)
    whole = [(first, last) for first, last in spans if last is not None]
    joined = _joined_segments(*key, tuple(whole), SPOOL // (geometry.height * geometry.width * 3), seconds)
    around = next(((first, last) for first, last in joined if first <= start and stop <= last), (start, stop))
    if around == (start, stop):
        return None
    frames = _segment_frames(*key, geometry, *around, seconds)
    return None if frames is None else frames[start - around[0] : stop - around[0]]


@lru_cache(maxsize=8)
def _joined_segments(
    path: Path, size: int, time: int, spans: tuple[tuple[int, int], ...], most: int, seconds: float
) -> list[tuple[int, int]]:
    """Spans joined where a key frame lies before several of them; none where packets prove nothing."""
    listed = _packets(path, size, time, seconds)
    return [] if listed is None else seeking.together(listed, spans, most)


@lru_cache(maxsize=1)
def _segment_frames(
    path: Path, _size: int, _time: int, geometry: Geometry, start: int, stop: int, seconds: float
) -> np.ndarray | None:
    """The frames [start, stop); None if they do not all decode, or any complaint puts them in doubt."""
    with tempfile.TemporaryFile() as spool:
        count = _write_sought(path, geometry, start, stop, spool, seconds)
        try:
            count = _write_frames(path, geometry, start, stop, spool, seconds) if count is None else count
        except BadVideoError:
            return None
        frame = (geometry.height, geometry.width, 3)
        return np.memmap(spool, np.uint8, "r", shape=(count, *frame)) if count == stop - start else None


def _write_sought(
    path: Path, geometry: Geometry, start: int, stop: int | None, spool: IO[bytes], seconds: float
) -> int | None:
    """Write the frames [start, stop) to `spool`, decoded from the key frame before them. Returns their number.

    None, with an empty `spool`, where it is not proved that they are those of the whole video.
    """
    frame = geometry.height * geometry.width * 3
    window = _seek_window(path, start, stop, seconds) if start >= LATE else None
    if window is None or window.count > SPOOL // frame:
        return None
    times = {"start": window.first} | ({} if window.last is None else {"end": window.last})
    source = _source(path, format_whitelist=seeking.CONTAINERS, ss=window.seek, seek_timestamp=1, noaccurate_seek=None)
    command = _scaled(source["V:0"].filter("trim", **times), geometry, window.count + 1).global_args("-copyts")
    complaints = _run_ffmpeg(command, path, spool.write, seconds)
    if spool.tell() == window.count * frame and not _damage(complaints):
        return window.count
    spool.seek(0)
    spool.truncate()
    return None


def _write_frames(
    path: Path, geometry: Geometry, start: int, stop: int | None, spool: IO[bytes], seconds: float
) -> int:
    """Write the frames [start, stop) to `spool`, counted from the first. Returns their number."""
    frame = geometry.height * geometry.width * 3
    most = SPOOL // frame
    # Not in ffmpeg's filters: they begin again, and count from 0, where size or colours change.
    end = start + most + 1 if stop is None else min(stop, start + most + 1)
    spans, reach = [(start, end)], end
    if cut := is_cut_short(path):
        spans, reach = [(start, end), (end + REORDERED - 1, end + REORDERED)], end + REORDERED
    complaints = _run_ffmpeg(
        _scaled(_source(path)["V:0"], geometry, reach), path, _span_writer(spans, frame, spool), seconds
    )
    count = min(spool.tell() // frame, end - start)
    if count > most:
        raise BadVideoError(f"{path.name}: more than {most} frames; name a shorter segment of it")
    if count == 0:
        raise BadVideoError(f"{path.name}: {_no_frame_text(complaints, f' from frame {start} on')}")
    damage = _damage(complaints)
    if cut and spool.tell() // frame == count:
        damage.append("the file ends before the last frame that its header lists")
    if damage:
        promised = "" if stop is None else f" of {stop - start}"
        raise BadVideoError(
            f"{path.name}: {count}{promised} frames decoded, and it is damaged, so that their numbers are in doubt "
            f"({_without_prefix(damage[0])}); look at it, and encode it again: ffmpeg -i {path.name} repaired.mp4"
        )
    return count


def _from_shared_pass(
    path: Path,
    geometry: Geometry,
    start: int,
    stop: int | None,
    spans: Sequence[tuple[int, int | None]],
    seconds: float,
) -> np.ndarray | None:
    """The frames [start, stop) from a pass over the video for all spans; None if that does not help, or is in doubt."""
    if len(spans) < 2 or _seek_window(path, max(first for first, _ in spans), None, seconds) is not None:
        return None
    try:
        file = path.stat()
    except OSError:
        return None
    most = SPOOL // (geometry.height * geometry.width * 3)
    joined = _merge_spans(_joint_spans(spans, start, most), most)
    frames = _frames_of_spans(path, file.st_size, file.st_mtime_ns, geometry, joined, seconds)
    if frames is None:
        return None
    before = sum(min(last, start) - first for first, last in joined if first < start)
    part = frames[before:] if stop is None else frames[before : before + stop - start]
    return part if len(part) else None


def _joint_spans(spans: Sequence[tuple[int, int | None]], start: int, most: int) -> Sequence[tuple[int, int | None]]:
    """The spans decoded in one pass with the one from `start` on: at most `most` frames if all ends are known."""
    chosen: list[tuple[int, int | None]] = []
    count = 0
    for first, last in sorted(spans, key=lambda span: span[0]):
        if last is None:
            return spans
        if count + last - first > most and chosen:
            if any(begin == start for begin, _ in chosen):
                break
            chosen, count = [], 0
        chosen.append((first, last))
        count += last - first
    return chosen


def _merge_spans(spans: Sequence[tuple[int, int | None]], most: int) -> tuple[tuple[int, int], ...]:
    """Spans in order, overlapping ones merged; a span to the end of the video gets `most` + 1 frames."""
    joined: list[tuple[int, int]] = []
    for first, stop in sorted((first, first + most + 1 if stop is None else stop) for first, stop in spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], stop)
        else:
            joined.append((first, stop))
    return tuple(joined)


@lru_cache(maxsize=1)
def _frames_of_spans(
    path: Path, _size: int, _time: int, geometry: Geometry, spans: tuple[tuple[int, int], ...], seconds: float
) -> np.ndarray | None:
    """The frames of all spans, one after the other; None if they are too many, or any complaint puts them in doubt."""
    if is_cut_short(path):
        return None
    frame = (geometry.height, geometry.width, 3)
    with tempfile.TemporaryFile() as spool:
        take, command = (_span_writer(spans, prod(frame), spool), _scaled(_source(path)["V:0"], geometry, spans[-1][1]))
        try:
            complaints = _run_ffmpeg(command, path, take, seconds)
        except BadVideoError:
            return None
        if _damage(complaints) or not 0 < spool.tell() <= SPOOL:
            return None
        return np.memmap(spool, np.uint8, "r", shape=(spool.tell() // prod(frame), *frame))


def _span_writer(spans: Sequence[tuple[int, int]], size: int, spool: IO[bytes]) -> Callable[[bytes], object]:
    """A function that takes a video's bytes, `size` for each frame, and writes those of frames within a span."""
    ahead, position = [(first * size, stop * size) for first, stop in spans], 0

    def take(data: bytes) -> None:
        nonlocal position
        while ahead and ahead[0][1] <= position:
            ahead.pop(0)
        for first, stop in ahead:
            if first >= position + len(data):
                break
            spool.write(data[max(0, first - position) : stop - position])
        position += len(data)

    return take


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


def _source(path: Path, **options):
    """Input of ffmpeg: a local file of a known container, since a playlist inside a '.mp4' could name others."""
    limits = {"protocol_whitelist": "file,pipe", "format_whitelist": CONTAINERS, "max_pixels": MAX_PIXELS}
    return ffmpeg.input(f"file:{path}", **limits | options, threads=1)


def _scaled(frames, geometry: Geometry, most: int):
    scaled = (
        frames.filter("scale", geometry.scaled_width, geometry.scaled_height, flags=SCALER)
        .filter("format", "rgb24")
        .filter("crop", geometry.width, geometry.height, geometry.left, geometry.top)
    )
    return scaled.output("pipe:", format="rawvideo", pix_fmt="rgb24", **{"frames:v": most}, **_all_frames())


@cache
def _all_frames() -> dict[str, str]:
    """Option against repeated and dropped frames; ffmpeg 5.1 renamed it, and ffmpeg 9 removed the old name."""
    options = subprocess.run([ffmpeg_binary(), "-hide_banner", "-h", "long"], capture_output=True, check=False).stdout
    return {"fps_mode" if b"-fps_mode" in options else "vsync": "passthrough"}


def _seek_window(path: Path, start: int, stop: int | None, seconds: float) -> Window | None:
    """Window to seek for the frames [start, stop); None if packets do not prove which frames they are."""
    try:
        file = path.stat()
    except OSError:
        return None
    listed = _packets(path, file.st_size, file.st_mtime_ns, seconds)
    return None if listed is None else seeking.window(listed, start, stop)


@lru_cache(maxsize=8)
def _packets(path: Path, _size: int, _time: int, seconds: float) -> Packets | None:
    """The packets of a video, read without decoding; None if they do not prove which frame is which."""
    if is_cut_short(path):
        return None
    video, listing = _source(path, format_whitelist=seeking.CONTAINERS)["V:0"], bytearray()
    # Twice: all packets, and those of an H.264 video that hold a picture after which nothing before is needed.
    options = {"format": "framecrc", "c": "copy", "copyinkf": None, "bsf:v:1": "filter_units=pass_types=5"}
    command = ffmpeg.output(video, video, "pipe:", **options).global_args("-copyts")
    complaints = _run_ffmpeg(command, path, listing.extend, seconds)
    return None if _damage(complaints) else seeking.packets(bytes(listing))


def _run_ffmpeg(command, path: Path, take: Callable[[bytes], object], seconds: float) -> list[str]:
    """Run ffmpeg and pass its output to `take`. Returns its error lines.

    Raises:
        BadVideoError: it took longer than `seconds`, or more memory than allowed, or stopped to put out anything.
        OSError: it was stopped, or the disk is full; the video is not at fault.
    """
    limits = ("-max_alloc", str(MEMORY // 2), "-filter_complex_threads", "1")
    quiet = command.global_args("-nostdin", "-hide_banner", "-loglevel", "level+warning", *limits)
    code, output_end = _run_to_end(quiet.compile(cmd=ffmpeg_binary()), path, take, seconds)
    complaints = output_end.decode(errors="replace").replace(f"file:{path}: ", "").strip()
    if code in STOPPED:
        raise OSError(f"{path}: ffmpeg ended with {code}: {complaints}")
    if os.strerror(ENOMEM) in complaints:
        raise BadVideoError(f"{path.name}: its decoder asks for more than {MEMORY / 2**30:g} GB of memory")
    return complaints.splitlines()


def _no_frame_text(complaints: list[str], behind: str = "") -> str:
    lines = [line for line in complaints if SERIOUS.search(line)] or complaints or ["no complaint of ffmpeg"]
    reason = _without_prefix(lines[-1])
    if any("not on whitelist" in line for line in complaints):
        reason = f"none of the kinds that are read, {CONTAINERS}; convert it to .mp4"
    return f"no frame decodes{behind} ({reason})"


def _damage(complaints: list[str]) -> list[str]:
    """ffmpeg's error lines about damaged or missing frames; those about sound are left out."""
    return [line for line in complaints if SERIOUS.search(line) and not SOUND.search(line)]


def _without_prefix(complaint: str) -> str:
    return PREFIX.sub("", complaint)


def _run_to_end(arguments: list[str], path: Path, take: Callable[[bytes], object], seconds: float) -> tuple[int, bytes]:
    """Run a program with a memory limit. Returns its exit status and its stderr, `_shortened`."""
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, bufsize=0) as process:
        try:
            if hasattr(resource, "prlimit"):  # elsewhere than on Linux, `-max_alloc` has to do
                with suppress(ProcessLookupError):
                    resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
            end = _drain(cast(IO[bytes], process.stdout), cast(IO[bytes], process.stderr), take, seconds)
            if end is None:
                raise BadVideoError(f"{path.name}: not decoded within {min(seconds, STALLED):g} s")
            return process.wait(), end
        finally:
            process.kill()


def _drain(output: IO[bytes], errors: IO[bytes], take: Callable[[bytes], object], seconds: float) -> bytes | None:
    """Give a program's output to `take`. Returns its stderr, `_shortened`, or None if it is too slow."""
    end, began, latest = b"", monotonic(), monotonic()
    with DefaultSelector() as waiting:
        waiting.register(output, EVENT_READ)
        waiting.register(errors, EVENT_READ)
        while waiting.get_map():
            left = min(began + seconds, latest + STALLED) - monotonic()
            ready = waiting.select(max(0.0, left))
            if left <= 0 or not ready:
                return None
            for stream in (key.fileobj for key, _ in ready):
                more = cast(IO[bytes], stream).read(CHUNK if stream is output else COMPLAINTS)
                if not more:
                    waiting.unregister(stream)
                elif stream is output:
                    take(more)
                    latest = monotonic()
                else:
                    end = _shortened(end + more)
    return end


def _shortened(complaints: bytes) -> bytes:
    """The end of very long messages, behind the first one about damage: many warnings may follow it."""
    if len(complaints) < 2 * COMPLAINTS:
        return complaints
    lines = complaints.decode(errors="replace").splitlines()
    first = next((line for line in lines if _damage([line])), "")
    return f"{first}\n".encode() + complaints[-COMPLAINTS:]
