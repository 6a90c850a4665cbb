"""Clips cut out of videos: one frame from each of equal parts."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np

from stepaudit.audit.sections import Clips
from stepaudit.clips import decoding, geometry
from stepaudit.clips.geometry import Geometry
from stepaudit.clips.near_duplicates import small_frames
from stepaudit.clips.properties import measure
from stepaudit.errors import AuditError, BadVideoError, TooShortError

Spans = Sequence[tuple[int, int | None]]


def clip_rows(segment: dict, views: Sequence[str], clips: Clips, seed: int, spans: Spans = ()) -> list[dict]:
    """Rows of a segment's views, cut in one decoding pass; after a failure, rows with its status and error.

    Args as `cut`.
    """
    keys = {name: segment[name] for name in ("clip_id", "split", "label", "target")}
    try:
        return [{**keys, **clip, "status": "ok"} for clip in cut(segment, views, clips, seed, spans)]
    except AuditError as error:
        return [{**keys, "view": view, "status": error.status, "error": str(error)} for view in views]


def cut(segment: dict, views: Sequence[str], clips: Clips, seed: int, spans: Spans = ()) -> list[dict]:
    """Values of the table `clips` for each view of a segment, without keys.

    Args:
        segment: a row of `segments`: clip_id, path, start, stop, action_start, action_stop.
        views: `middle`, or names of random ones.
        spans: (start, stop) of all segments of its video that will be cut, see `decoding.decoded`.

    Raises:
        BadVideoError: no frame decodes, or fewer than the segment has.
        TooShortError: fewer than a clip needs.
    """
    path, start = Path(segment["path"]), segment["start"] or 0
    source_height, source_width = _source_size(path, _modified_ns(path))
    to = Geometry(source_height, source_width, clips.height, clips.width, clips.fit)
    with decoding.decoded(path, to, start=start, stop=segment["stop"], spans=spans) as frames:
        if segment["stop"] is not None and len(frames) < segment["stop"] - start:
            raise BadVideoError(f"{path.name}: {len(frames)} of {segment['stop'] - start} frames decoded")
        if len(frames) < clips.frames:
            raise TooShortError(f"{path.name}: {len(frames)} frames, a clip takes {clips.frames}")
        chosen = [_choose(view, len(frames), clips.frames, f"{seed}/{segment['clip_id']}/{view}") for view in views]
        available = start + len(frames) if segment["stop"] is None else None
        pictures = [np.ascontiguousarray(frames[indices]) for indices in chosen]
    return [
        {
            "view": view,
            "frames": [start + index for index in indices],
            "in_action": _frames_in_action(segment, [start + index for index in indices]),
            "source_height": source_height,
            "source_width": source_width,
            "source_frames": available,
            "height": clips.height,
            "width": clips.width,
            "pixels": picture.tobytes(),
            "sha256": hashlib.sha256(picture.tobytes()).hexdigest(),
            "small_frames": small_frames(picture).tobytes(),
            **(measure(picture) if view == "middle" else {}),
        }
        for view, indices, picture in zip(views, chosen, pictures, strict=True)
    ]


@lru_cache(maxsize=8)
def _source_size(path: Path, _when: int | None) -> tuple[int, int]:
    """Size of a video, asked once for all of its segments."""
    return decoding.source_size(path)


def _modified_ns(path: Path) -> int | None:
    """When a file was changed; None if it cannot be looked at, which `decoding` explains."""
    try:
        return path.stat().st_mtime_ns
    except (OSError, ValueError):
        return None


def middle(path: Path, clips: Clips, *, start: int | None = None, stop: int | None = None) -> dict:
    """Values of the table `clips` for the middle view of a video outside of a data set. Raises like `cut`."""
    segment = {"clip_id": path.stem, "path": str(path), "start": start, "stop": stop}
    return cut({**segment, "action_start": None, "action_stop": None}, ["middle"], clips, seed=0)[0]


def _choose(view: str, available: int, count: int, seed: str) -> list[int]:
    if view == "middle":
        return geometry.middle_frames(0, available, count)
    return geometry.random_frames(0, available, count, Random(seed))


def _frames_in_action(segment: dict, frames: list[int]) -> list[bool] | None:
    start, stop = segment["action_start"], segment["action_stop"]
    if start is None or stop is None:
        return None
    return [start <= frame < stop for frame in frames]
