"""Stage extract: clips of one frame from each of as many equal parts of a segment as a clip has frames, and boxes."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stepaudit.audit.jobs import Job
from stepaudit.audit.plan import split_of
from stepaudit.audit.sections import Clips
from stepaudit.clips import geometry
from stepaudit.clips.cutting import clip_rows
from stepaudit.clips.geometry import Geometry, nearest_distance
from stepaudit.clips.misfits import misfit
from stepaudit.errors import BadVideoError, UsageError
from stepaudit.running import shard
from stepaudit.store import tables
from stepaudit.store.schema import SPLITS

BATCH = 8  # segments whose clips are kept together


def run(job: Job) -> None:
    """Writes the `clips` and `clip_boxes` of a shard: a clip of a size for each segment and view.

    Raises:
        UsageError: there is no such shard, or the stage `index` has not run.
    """
    segments, clips, seed = shard_segments(job), job.config.sizes[job.size], job.config.seed
    views = view_names(split_of(job.shard), clips.random_views)

    boxes = _boxes_by_frame(job.file("boxes"), {segment["video_id"] for segment in segments})
    distance = job.config.datasets[job.dataset].box_distance
    spans: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    for segment in segments:
        spans[segment["path"]].append((segment["start"] or 0, segment["stop"]))

    def cut(_number: int, batch: Sequence[dict]) -> list[dict]:
        pairs = [
            (segment, row)
            for segment in batch
            for row in _require_windows(segment, clips, clip_rows(segment, views, clips, seed, spans[segment["path"]]))
        ]
        return [checked(row, segment, boxes[segment["video_id"]], clips, distance) for segment, row in pairs]

    batches = shard.batches(segments, BATCH)
    parts = shard.parts_of(job, batches, _file_states(segments), rows_per_item=len(views))
    shard.fill(parts, batches, cut, f"extract {job.dataset} {job.size} {job.shard}", len(segments))
    tables.write(_moved_boxes(job, segments, boxes, clips, distance), "clip_boxes", job.file("clip_boxes"))


def _require_windows(segment: dict, clips: Clips, rows: list[dict]) -> list[dict]:
    """The rows; of a segment that should have been cut into windows and was not, failed ones."""
    if clips.windows is None or segment.get("window_of") is not None:
        return rows
    error = (
        f"{Path(segment['path']).name}: its frames cannot be counted, so that it was not cut into windows; look at it"
    )
    failed = {"status": BadVideoError.status, "error": f"{error}, and encode it again"}
    keys = ("clip_id", "view", "split", "label", "target")
    return [{**{key: row[key] for key in keys}, **failed} if row["status"] == "ok" else row for row in rows]


def shard_segments(job: Job) -> list[dict]:
    """The segments of a shard: every n-th of its split, in the table's order, if that has n shards; of windows, all of
    every n-th segment that they are windows of."""
    split = split_of(job.shard)
    names = job.shards("clips", split) if split in SPLITS else []
    if job.shard not in names:
        raise UsageError(f"no shard '{job.shard}'; name one such as {job.shards('clips')[-1]}")
    rows = tables.read("segments", job.file("segments"))
    rows = [row for row in rows if row["split"] == split]
    places = {name: place for place, name in enumerate(dict.fromkeys(map(_segment_id, rows)))}
    return [row for row in rows if places[_segment_id(row)] % len(names) == names.index(job.shard)]


def _segment_id(row: dict) -> str:
    """The reader's clip_id of a segment, or of that of which it is a window."""
    return row.get("window_of") or row["clip_id"]


def view_names(split: str, random_views: int) -> list[str]:
    """Random views for training, the middle one for all else."""
    return [f"random{view}" for view in range(random_views)] if split == "train" else ["middle"]


def checked(clip: dict, segment: dict, boxes: dict[int, list[dict]], clips: Clips, distance: int) -> dict:
    """The clip's row with an `annotation_error`, and without an action that cannot belong to its video.

    Args as `clip_boxes`.
    """
    if clip["status"] != "ok":
        return clip
    if error := misfit(segment, boxes, clip["source_height"], clip["source_width"], clip["source_frames"]):
        return {**clip, "in_action": None, "annotation_error": f"{Path(segment['path']).name}: {error}"}
    if boxes and not clip_boxes(clip, segment, boxes, clips, distance):
        near = nearest_distance(clip["frames"], boxes)
        missed = f"no frame of the clip has a box, the nearest is {near} frames away; set `box_distance`"
        cut_off = "all boxes of the clip's frames lie in what `fit` cuts off"
        return {**clip, "annotation_error": missed if near > distance else cut_off}
    return clip


def clip_boxes(clip: dict, segment: dict, boxes: dict[int, list[dict]], clips: Clips, distance: int) -> list[dict]:
    """The boxes of a clip's frames, in clip pixels.

    Args:
        clip: a row of `clips`; one that failed has no boxes.
        segment: its row of `segments`; if boxes cannot belong to its video, there are none.
        boxes: rows of `boxes` of its video, by source frame.
        distance: source frames; a clip frame takes the boxes of the nearest annotated frame within it.
    """
    if clip["status"] != "ok" or not boxes:
        return []
    if misfit(segment, boxes, clip["source_height"], clip["source_width"], clip["source_frames"]):
        return []
    to = Geometry(clip["source_height"], clip["source_width"], clips.height, clips.width, clips.fit)
    keys, rows = {"clip_id": clip["clip_id"], "view": clip["view"]}, []
    for frame, source_frame in enumerate(clip["frames"]):
        nearest = geometry.nearest_frame(source_frame, boxes, distance)
        for box in [] if nearest is None else boxes[nearest]:
            if moved := to.move((box["x0"], box["y0"], box["x1"], box["y1"])):
                edges = dict(zip(("x0", "y0", "x1", "y1"), moved, strict=True))
                rows.append({**keys, "frame": frame, "label": box["label"], **edges})
    return rows


def _moved_boxes(
    job: Job, segments: list[dict], boxes: dict[str, dict[int, list[dict]]], clips: Clips, distance: int
) -> list[dict]:
    by_name = {segment["clip_id"]: segment for segment in segments}
    columns = ["clip_id", "view", "frames", "source_height", "source_width", "source_frames", "status"]
    rows = [(row, by_name[row["clip_id"]]) for row in tables.read("clips", job.file("clips"), columns=columns)]
    return [
        box for row, segment in rows for box in clip_boxes(row, segment, boxes[segment["video_id"]], clips, distance)
    ]


def _boxes_by_frame(path: Path, videos: set[str]) -> dict[str, dict[int, list[dict]]]:
    """Rows of `boxes` of these videos, by video and source frame. The others are not made: there may be many."""
    of_videos = pc.field("video_id").isin(pa.array(sorted(videos), pa.string()))
    with tables.opened("boxes", path), tables.explained_damage(path):  # checks the schema, notes the input
        data = pq.read_table(path, filters=of_videos, partitioning=None, page_checksum_verification=True)
    rows = data.to_pylist()
    by_frame: dict[str, dict[int, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_frame[row["video_id"]][row["frame"]].append(row)
    return by_frame


def _file_states(segments: list[dict]) -> list:
    """Size and time of each file, to cut the clips of a changed video again."""
    paths = [Path(segment["path"]) for segment in segments]
    return [(path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else None for path in paths]
