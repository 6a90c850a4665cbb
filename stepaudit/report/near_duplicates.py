"""The table `likenesses`: for each test clip the training or validation clip that looks most like it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from stepaudit.clips.near_duplicates import ALIKE, SIDE, fingerprint, likeness
from stepaudit.store import tables

NAME = "likenesses"
COMMENT = "Each test clip, with the training or validation clip of its data set that looks most like it."
SCHEMA = pa.schema([
    *((name, pa.string()) for name in ("dataset", "clip_id", "other_clip_id", "other_split")),
    ("likeness", pa.float64()),
    *((name, pa.int64()) for name in ("alike_clips", "alike_own_class")),
])  # fmt: skip
READ = ["clip_id", "split", "label", "view", "small_frames"]
VIEWS = ("middle", "random0")  # one of each clip


def make(files: Mapping[str, Sequence[Path]], segments: Mapping[str, Sequence[Path]]) -> pa.Table:
    """Rows of `likenesses`; none for clips that failed, or that were cut before clips had `small_frames`.

    Args:
        files: of the table `clips` in one size, by data set.
        segments: files of that table, by data set.
    """
    rows = [row for dataset, paths in files.items() for row in _of_dataset(dataset, paths, segments[dataset])]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _of_dataset(dataset: str, paths: Sequence[Path], segments: Sequence[Path]) -> Iterator[dict]:
    clips = [clip for path in paths for clip in _cut(path)]
    tested, others = ([clip for clip in clips if (clip["split"] == "test") is test] for test in (True, False))
    if not (tested and others):
        return
    stretches, labels = _stretches(others, segments), defaultdict(set)
    for stretch, clip in zip(stretches, others, strict=True):
        labels[stretch].add(clip["label"])
    rows = chain.from_iterable(likeness(_fingerprints(tested), _fingerprints(others)))
    for clip, row in zip(tested, rows, strict=True):
        most, label = others[row.argmax()], clip["label"]
        alike = {stretches[number] for number in np.flatnonzero(row >= ALIKE)}
        yield {
            "dataset": dataset,
            "clip_id": clip["clip_id"],
            "other_clip_id": most["clip_id"],
            "other_split": most["split"],
            "likeness": float(row.max()),
            "alike_clips": len(alike),
            "alike_own_class": sum(label is not None and label in labels[stretch] for stretch in alike),
        }


def _stretches(clips: Sequence[dict], segments: Sequence[Path]) -> list[tuple]:
    """The stretch of video of each clip: a stretch with several labels is a segment, and a clip, for each of them."""
    rows = tables.read("segments", *segments, columns=["clip_id", "video_id", "start", "stop"])
    places = {row["clip_id"]: (row["video_id"], row["start"], row["stop"]) for row in rows}
    return [places.get(clip["clip_id"], (clip["clip_id"],)) for clip in clips]


def _cut(path: Path) -> list[dict]:
    """A row for each clip of a file that was cut."""
    with tables.opened("clips", path) as file, tables.explained_damage(path):
        if "small_frames" not in file.schema_arrow.names:
            return []
        rows = file.read(columns=READ).to_pylist()
    return [row for row in rows if row["view"] in VIEWS and row["small_frames"] is not None]


def _fingerprints(clips: Sequence[dict]) -> np.ndarray:
    pixels = np.frombuffer(b"".join(clip["small_frames"] for clip in clips), np.uint8)
    return fingerprint(pixels.reshape(len(clips), -1, SIDE, SIDE))
