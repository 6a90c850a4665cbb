"""A survey of a folder of videos: the data set that reads it, its classes and splits, and a sample of its videos."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median

from stepaudit.clips import data_checks, decoding
from stepaudit.clips.geometry import Geometry
from stepaudit.commands.init import layouts
from stepaudit.commands.init.layouts import Source
from stepaudit.errors import BadVideoError, UsageError

SAMPLE = 4  # videos that are decoded
SECONDS = 20.0  # for each of them
SIDE = 16  # pixels that their frames are scaled to, only to be counted


@dataclass(frozen=True)
class Seen:
    """A video of the sample: frames and pixels, or the error of decoding it."""

    name: str
    frames: int = 0
    height: int = 0
    width: int = 0
    error: str = ""


@dataclass(frozen=True)
class Survey:
    """The contents of a folder.

    Args:
        segments: rows of the reader.
        boxed: number of test segments whose video has boxes.
        seen: the sample of videos.
        notes: warnings for the user.
    """

    source: Source
    segments: list[dict]
    boxed: int
    seen: tuple[Seen, ...]
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The classes; none if the videos have no labels."""
        return sorted({row["label"] for row in self.segments} - {None})

    @property
    def with_action(self) -> int:
        """Number of test segments with a known time of the action."""
        return sum(row["action_start"] is not None for row in self.of("test"))

    def of(self, split: str) -> list[dict]:
        """Segments of a split."""
        return [row for row in self.segments if row["split"] == split]


def look(folder: Path) -> Survey:
    """Survey a folder, without writing anything.

    Raises:
        UsageError: there are no videos, or no data set reads this layout.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name the folder of your videos, such as `stepaudit init videos`")
    source = layouts.find(folder)
    segments, boxes = source.rows()
    tested = _test_segments(folder, segments)
    frames = defaultdict(set)
    for row in boxes:
        frames[row["video_id"]].add(row["frame"])
    seen = _sample(segments)
    notes = (
        *source.notes,
        *source.left_out(),
        *(doubt.text for doubt in data_checks.doubts(segments, boxes)),
        *(f"does not decode: {each.error}" for each in seen if each.error),
    )
    boxed = sum(row["video_id"] in frames for row in tested)
    distance = max(source.box_distance, _half_gap(frames.values()))
    return Survey(replace(source, box_distance=distance), segments, boxed, seen, notes)


def _test_segments(folder: Path, segments: list[dict]) -> list[dict]:
    """Test segments. Raises UsageError if there are none, or if all labelled segments are of one class."""
    labels = {row["label"] for row in segments} - {None}
    if len(labels) == 1:
        raise UsageError(
            f"{folder}: one class, {', '.join(labels)}; a classifier needs videos of another class beside it"
        )
    tested = [row for row in segments if row["split"] == "test"]
    if not tested:
        raise UsageError(
            f"{folder}: no test videos; put some into {folder / 'test'}/<class>, or name them in videos.csv"
        )
    return tested


def _half_gap(frames: Iterable[set[int]]) -> int:
    """Half the usual gap between annotated frames: a frame between two of them takes the boxes of the nearest."""
    gaps = [after - before for numbers in frames for before, after in pairwise(sorted(numbers))]
    return round(median(gaps)) // 2 if gaps else 0


def _sample(segments: list[dict]) -> tuple[Seen, ...]:
    paths = sorted({row["path"] for row in segments})
    places = sorted({round((len(paths) - 1) * part / (SAMPLE - 1)) for part in range(SAMPLE)})
    return tuple(_measure_video(Path(paths[place])) for place in places)


def _measure_video(path: Path) -> Seen:
    try:
        height, width = decoding.source_size(path, seconds=SECONDS)
        with decoding.decoded(path, Geometry(height, width, SIDE, SIDE), seconds=SECONDS) as frames:
            return Seen(path.name, len(frames), height, width)
    except BadVideoError as error:
        return Seen(path.name, error=str(error))
