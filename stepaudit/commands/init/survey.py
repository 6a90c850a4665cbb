"""What lies in a folder of videos: which data set reads it, how many of what classes, and a look at a few of them."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median

from stepaudit.clips import decoding
from stepaudit.clips.geometry import Geometry
from stepaudit.commands.init import layouts
from stepaudit.commands.init.layouts import Source
from stepaudit.errors import BadVideoError, UsageError

SAMPLE = 4  # videos that are decoded
SECONDS = 20.0  # for each of them
SIDE = 16  # pixels that their frames are scaled to, only to be counted


@dataclass(frozen=True)
class Seen:
    """A video that was decoded: frames and pixels; `error` if it was not."""

    name: str
    frames: int = 0
    height: int = 0
    width: int = 0
    error: str = ""


@dataclass(frozen=True)
class Survey:
    """What was found.

    Args:
        segments: rows of the reader.
        boxed: test segments whose video has boxes.
        seen: the videos that were decoded.
        notes: what the user should know.
    """

    source: Source
    segments: list[dict]
    boxed: int
    seen: tuple[Seen, ...]
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The classes."""
        return sorted({row["label"] for row in self.segments})

    def of(self, split: str) -> list[dict]:
        """Segments of a split."""
        return [row for row in self.segments if row["split"] == split]

    @property
    def acted(self) -> int:
        """Test segments whose action has known frames."""
        return sum(row["action_start"] is not None for row in self.of("test"))


def look(folder: Path) -> Survey:
    """Looks into a folder. Nothing is written.

    Raises:
        UsageError: there are no videos, or they do not lie so that a data set can read them.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name the folder of your videos, such as `stepaudit init videos`")
    source = layouts.find(folder)
    segments, boxes = source.rows()
    _require_classes(folder, segments)
    source = _with_box_distance(source, boxes)
    boxed = {row["video_id"] for row in boxes}
    tested = sum(row["split"] == "test" and row["video_id"] in boxed for row in segments)
    seen = tuple(_look_at(Path(path)) for path in _spread(sorted({row["path"] for row in segments})))
    return Survey(source, segments, tested, seen, (*source.notes, *_short(seen)))


def _require_classes(folder: Path, segments: list[dict]) -> None:
    labels = {row["label"] for row in segments}
    if len(labels) < 2:
        raise UsageError(
            f"{folder}: one class, {', '.join(labels)}; a classifier needs videos of another class beside it"
        )
    if not any(row["split"] == "test" for row in segments):
        raise UsageError(
            f"{folder}: no test videos; put some into {folder / 'test'}/<class>, or name them in videos.csv"
        )


def _with_box_distance(source: Source, boxes: list[dict]) -> Source:
    """A frame takes the boxes of the nearest annotated one, where only every second, third, … frame is annotated."""
    frames = defaultdict(set)
    for row in boxes:
        frames[row["video_id"]].add(row["frame"])
    gaps = [after - before for found in frames.values() for before, after in pairwise(sorted(found))]
    distance = max(source.box_distance, round(median(gaps)) // 2 if gaps else 0)
    return replace(source, box_distance=distance)


def _spread(paths: list[str]) -> list[str]:
    """A few of them, from the first to the last."""
    last = len(paths) - 1
    return [paths[index] for index in sorted({round(last * part / (SAMPLE - 1)) for part in range(SAMPLE)})]


def _look_at(path: Path) -> Seen:
    try:
        height, width = decoding.source_size(path, seconds=SECONDS)
        with decoding.decoded(path, Geometry(height, width, SIDE, SIDE), seconds=SECONDS) as frames:
            return Seen(path.name, len(frames), height, width)
    except BadVideoError as error:
        return Seen(path.name, error=str(error))


def _short(seen: tuple[Seen, ...]) -> Iterator[str]:
    yield from (f"does not decode: {each.error}" for each in seen if each.error)
