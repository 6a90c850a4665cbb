"""Cuts clips out of videos: a frame from each of as many equal parts as a clip has frames, and the boxes in them."""

import hashlib
from collections import defaultdict
from itertools import chain
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stepaudit import geometry, tables, video
from stepaudit.config import Config, fingerprint, shard_names
from stepaudit.errors import AuditError, BadVideoError, TooShortError, UsageError
from stepaudit.geometry import Geometry
from stepaudit.parts import Parts
from stepaudit.progress import progress
from stepaudit.sections import Clips

BATCH = 8  # segments whose clips are kept together while a shard is being made


def run(config: Config, dataset: str, size: str, shard: str) -> None:
    """Writes the `clips` and `clip_boxes` of a shard, such as 'test-000': a clip of a size for each segment and view.

    Raises:
        UsageError: there is no such shard, or the stage `index` has not run.
    """
    segments = shard_segments(config, dataset, shard)
    clips, distance = config.sizes[size], config.datasets[dataset].box_distance
    views = view_names(shard.rpartition("-")[0], clips.random_views)
    output = config.path("clips", dataset=dataset, size=size, shard=shard)
    batches = [segments[first : first + BATCH] for first in range(0, len(segments), BATCH)]
    decisive = [clips.model_dump(), config.seed, segments, _files(segments)]
    parts = Parts("clips", output, fingerprint(decisive))
    with progress(f"extract {dataset} {size} {shard}", len(segments)) as advance:
        for number, batch in enumerate(batches):
            if number not in parts:
                rows = (clip_rows(segment, views, clips, config.seed) for segment in batch)
                parts.add(number, chain.from_iterable(rows))
            advance(len(batch))
    parts.finish(len(batches))
    rows = _moved_boxes(output, config.path("boxes", dataset=dataset), segments, clips, distance)
    tables.write(rows, "clip_boxes", config.path("clip_boxes", dataset=dataset, size=size, shard=shard))


def shard_segments(config: Config, dataset: str, shard: str) -> list[dict]:
    """The segments of a shard: every `config.shards`-th of its split, in the table's order."""
    split = shard.rpartition("-")[0]
    names = shard_names(config.shards, split)
    if shard not in names or split not in ("train", "validation", "test"):
        raise UsageError(f"no shard '{shard}'; name one such as {shard_names(config.shards, 'test')[-1]}")
    rows = tables.read("segments", config.path("segments", dataset=dataset))
    return [row for row in rows if row["split"] == split][names.index(shard) :: config.shards]


def view_names(split: str, random_views: int) -> list[str]:
    """Random views for training, the middle one for all else."""
    return [f"random{view}" for view in range(random_views)] if split == "train" else ["middle"]


def clip_rows(segment: dict, views: list[str], clips: Clips, seed: int) -> list[dict]:
    """A row for each view of a segment, cut in one decoding pass; where that fails, rows that say why."""
    keys = {name: segment[name] for name in ("clip_id", "split", "label", "target")}
    try:
        return [{**keys, **clip, "status": "ok"} for clip in _cut(segment, views, clips, seed)]
    except AuditError as error:
        return [{**keys, "view": view, "status": error.status, "error": str(error)} for view in views]


def clip_boxes(clip: dict, boxes: dict[int, list[dict]], clips: Clips, distance: int) -> list[dict]:
    """The boxes of a clip's frames, in clip pixels.

    Args:
        clip: a row of `clips`; one that failed has no boxes.
        boxes: rows of `boxes` of its video, by source frame.
        distance: source frames; a clip frame takes the boxes of the nearest annotated frame within it.
    """
    if clip["status"] != "ok":
        return []
    to = Geometry(clip["source_height"], clip["source_width"], clips.height, clips.width, clips.fit)
    keys, rows = {"clip_id": clip["clip_id"], "view": clip["view"]}, []
    for frame, source_frame in enumerate(clip["frames"]):
        nearest = geometry.nearest_frame(source_frame, boxes, distance)
        for box in boxes.get(nearest, []):
            if moved := to.move((box["x0"], box["y0"], box["x1"], box["y1"])):
                edges = dict(zip(("x0", "y0", "x1", "y1"), moved, strict=True))
                rows.append({**keys, "frame": frame, "label": box["label"], **edges})
    return rows


def _cut(segment: dict, views: list[str], clips: Clips, seed: int) -> list[dict]:
    path, start = Path(segment["path"]), segment["start"] or 0
    source_height, source_width = video.source_size(path)
    to = Geometry(source_height, source_width, clips.height, clips.width, clips.fit)
    with video.decoded(path, to, start=start, stop=segment["stop"]) as frames:
        if segment["stop"] is not None and len(frames) < segment["stop"] - start:
            raise BadVideoError(f"{path.name}: {len(frames)} of {segment['stop'] - start} frames decoded")
        if len(frames) < clips.frames:
            raise TooShortError(f"{path.name}: {len(frames)} frames, a clip takes {clips.frames}")
        chosen = [_choose(view, len(frames), clips.frames, f"{seed}/{segment['clip_id']}/{view}") for view in views]
        pictures = [np.ascontiguousarray(frames[indices]).tobytes() for indices in chosen]
    return [
        {
            "view": view,
            "frames": [start + index for index in indices],
            "in_action": _in_action(segment, [start + index for index in indices]),
            "source_height": source_height,
            "source_width": source_width,
            "height": clips.height,
            "width": clips.width,
            "pixels": pixels,
            "sha256": hashlib.sha256(pixels).hexdigest(),
        }
        for view, indices, pixels in zip(views, chosen, pictures, strict=True)
    ]


def _choose(view: str, available: int, count: int, seed: str) -> list[int]:
    if view == "middle":
        return geometry.middle_frames(0, available, count)
    return geometry.random_frames(0, available, count, Random(seed))


def _in_action(segment: dict, frames: list[int]) -> list[bool] | None:
    start, stop = segment["action_start"], segment["action_stop"]
    if start is None or stop is None:
        return None
    return [start <= frame < stop for frame in frames]


def _moved_boxes(clips_file: Path, boxes_file: Path, segments: list[dict], clips: Clips, distance: int) -> list[dict]:
    videos = {segment["clip_id"]: segment["video_id"] for segment in segments}
    by_frame = _boxes_by_frame(boxes_file, set(videos.values()))
    columns = ["clip_id", "view", "frames", "source_height", "source_width", "status"]
    rows = tables.read("clips", clips_file, columns=columns)
    return [box for row in rows for box in clip_boxes(row, by_frame[videos[row["clip_id"]]], clips, distance)]


def _boxes_by_frame(path: Path, videos: set[str]) -> dict[str, dict[int, list[dict]]]:
    """Rows of `boxes` of these videos, by video and source frame. The others are not made: there may be many."""
    tables.check_schema("boxes", path)
    wanted = pc.field("video_id").isin(pa.array(sorted(videos), pa.string()))
    rows = pq.read_table(path, filters=wanted, partitioning=None).to_pylist()
    by_frame = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_frame[row["video_id"]][row["frame"]].append(row)
    return by_frame


def _files(segments: list[dict]) -> list:
    """Size and time of each file, so that clips of a changed video are cut anew."""
    paths = [Path(segment["path"]) for segment in segments]
    return [(path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else None for path in paths]
