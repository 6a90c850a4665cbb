"""Windows of long footage: parts of equal time of a segment, each a segment of its own."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from stepaudit.audit.sections import Windows
from stepaudit.clips import decoding
from stepaudit.errors import BadVideoError, UsageError

NAME = re.compile(r"@\d{5,}\.\d{3}s$")  # what a window adds to the name of its segment


def cut(segments: Iterable[dict], windows: Windows) -> Iterator[dict]:
    """Rows of the windows of each segment in place of its own, with `window_of`, `second` and `last_second`.

    A window has the segment's video, split, label and action. A segment whose frames cannot be counted stays as it is:
    the stage `extract` then says why.

    Args:
        segments: rows of `segments`.

    Raises:
        UsageError: one is a folder of pictures, which have no times.
    """
    times = lru_cache(maxsize=1)(decoding.frame_times)
    for row in segments:
        if Path(row["path"]).is_dir():
            raise UsageError(
                f"{row['path']}: pictures have no times, so that `clips.windows` cannot cut them; make a video of "
                "them, such as ffmpeg -framerate 25 -i %06d.jpg, or leave `windows` out"
            )
        try:
            seen = times(Path(row["path"]))
        except BadVideoError:
            yield row
            continue
        start, stop = row.get("start") or 0, len(seen) if row.get("stop") is None else row["stop"]
        if not start < stop <= len(seen):
            yield row
            continue
        for first, last, second, last_second in window_bounds(seen, start, stop, windows):
            place = {"clip_id": f"{row['clip_id']}@{second:09.3f}s", "start": first, "stop": last}
            yield {**row, **place, "window_of": row["clip_id"], "second": second, "last_second": last_second}


def segment_of(clip_id: str) -> str:
    """The reader's clip_id of the segment of which a clip is a window; of any other clip its own."""
    return NAME.sub("", clip_id)


def show_different_scenes(clip: dict, other: dict) -> bool:
    """True for rows of `clips` of different segments and pixels: a segment with several labels has a clip for each."""
    return segment_of(clip["clip_id"]) != segment_of(other["clip_id"]) and clip["sha256"] != other["sha256"]


def window_bounds(times: np.ndarray, start: int, stop: int, windows: Windows) -> list[tuple[int, int, float, float]]:
    """Windows of the frames [start, stop).

    The last window is moved back to end with the segment: it is of full length, and overlaps the one before by more
    than the others do. A segment that is shorter than a window is one window.

    Args:
        times: seconds at which each frame of the video is shown, ascending.
        start: first frame of the segment, index into `times`.
        stop: frame after its last one.

    Returns:
        First frame, frame after the last, first second and last second of each window.
    """
    steps = np.diff(times[start:stop])
    frame_seconds = float(np.median(steps)) if len(steps) else 0.0
    begin, end = float(times[start]), float(times[stop - 1]) + frame_seconds
    half_frame = frame_seconds / 2  # no window for less than a frame
    starts = [begin]
    while starts[-1] + windows.seconds < end - half_frame and begin + len(starts) * windows.step < end - half_frame:
        starts.append(min(begin + len(starts) * windows.step, end - windows.seconds))
    ends = [min(each + windows.seconds, end) for each in starts]
    return [
        (*_frames(times, start, stop, first, last, half_frame), first, last)
        for first, last in zip(starts, ends, strict=True)
    ]


def _frames(times: np.ndarray, start: int, stop: int, first: float, last: float, half_frame: float) -> tuple[int, int]:
    """Frames that begin within [first, last) seconds; where none does, the one that is shown."""
    place, end = start + np.searchsorted(times[start:stop], [first - half_frame, last - half_frame])
    return int(min(place, max(end - 1, start))), int(max(end, start + 1))
