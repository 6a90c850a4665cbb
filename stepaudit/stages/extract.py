"""Cuts clips out of videos: a frame from each of as many equal parts as a clip has frames, and the boxes in them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stepaudit.audit.config import Config, fingerprint
from stepaudit.audit.plan import split_of
from stepaudit.audit.sections import Clips
from stepaudit.clips import geometry
from stepaudit.clips.cutting import clip_rows
from stepaudit.clips.geometry import Geometry
from stepaudit.errors import UsageError
from stepaudit.running.parts import Parts
from stepaudit.running.progress import progress
from stepaudit.store import tables
from stepaudit.store.schema import SPLITS

BATCH = 8  # segments whose clips are kept together while a shard is being made


def run(config: Config, dataset: str, size: str, shard: str) -> None:
    """Writes the `clips` and `clip_boxes` of a shard, such as 'test-000': a clip of a size for each segment and view.

    Raises:
        UsageError: there is no such shard, or the stage `index` has not run.
    """
    segments = shard_segments(config, dataset, shard)
    clips, distance = config.sizes[size], config.datasets[dataset].box_distance
    views = view_names(split_of(shard), clips.random_views)
    output = config.path("clips", dataset=dataset, size=size, shard=shard)
    batches = [segments[first : first + BATCH] for first in range(0, len(segments), BATCH)]
    decisive = [clips.model_dump(), config.seed, segments, _files(segments)]
    parts = Parts("clips", output, fingerprint(decisive), [len(batch) * len(views) for batch in batches])
    with progress(f"extract {dataset} {size} {shard}", len(segments), len(segments)) as advance:
        for number, batch in enumerate(batches):
            if number in parts:
                advance(len(batch), kept=True)
                continue
            outcomes: list[dict] = []  # without the pixels, so that one clip at a time is in memory
            rows = chain.from_iterable(clip_rows(segment, views, clips, config.seed) for segment in batch)
            parts.add(number, _noted(rows, outcomes))
            advance(len(batch), rows=outcomes)
    parts.finish(len(batches))
    rows = _moved_boxes(output, config.path("boxes", dataset=dataset), segments, clips, distance)
    tables.write(rows, "clip_boxes", config.path("clip_boxes", dataset=dataset, size=size, shard=shard))


def _noted(rows: Iterable[dict], outcomes: list[dict]) -> Iterator[dict]:
    for row in rows:
        outcomes.append({"status": row["status"]})
        yield row


def shard_segments(config: Config, dataset: str, shard: str) -> list[dict]:
    """The segments of a shard: every n-th of its split, in the table's order, if that has n shards."""
    split = split_of(shard)
    names = config.shards_of("clips", split, dataset=dataset) if split in SPLITS else []
    if shard not in names:
        known = config.shards_of("clips", "test", dataset=dataset)
        raise UsageError(f"no shard '{shard}'; name one such as {known[-1]}")
    rows = tables.read("segments", config.path("segments", dataset=dataset))
    return [row for row in rows if row["split"] == split][names.index(shard) :: len(names)]


def view_names(split: str, random_views: int) -> list[str]:
    """Random views for training, the middle one for all else."""
    return [f"random{view}" for view in range(random_views)] if split == "train" else ["middle"]


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


def _moved_boxes(clips_file: Path, boxes_file: Path, segments: list[dict], clips: Clips, distance: int) -> list[dict]:
    videos = {segment["clip_id"]: segment["video_id"] for segment in segments}
    by_frame = _boxes_by_frame(boxes_file, set(videos.values()))
    columns = ["clip_id", "view", "frames", "source_height", "source_width", "status"]
    rows = tables.read("clips", clips_file, columns=columns)
    return [box for row in rows for box in clip_boxes(row, by_frame[videos[row["clip_id"]]], clips, distance)]


def _boxes_by_frame(path: Path, videos: set[str]) -> dict[str, dict[int, list[dict]]]:
    """Rows of `boxes` of these videos, by video and source frame. The others are not made: there may be many."""
    wanted = pc.field("video_id").isin(pa.array(sorted(videos), pa.string()))
    with tables.opened("boxes", path), tables.telling_damage(path):  # checks the schema, notes the input
        found = pq.read_table(path, filters=wanted, partitioning=None, page_checksum_verification=True)
    rows = found.to_pylist()
    by_frame = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_frame[row["video_id"]][row["frame"]].append(row)
    return by_frame


def _files(segments: list[dict]) -> list:
    """Size and time of each file, so that clips of a changed video are cut anew."""
    paths = [Path(segment["path"]) for segment in segments]
    return [(path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else None for path in paths]
