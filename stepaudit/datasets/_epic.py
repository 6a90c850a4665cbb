"""Official annotation files of EPIC-KITCHENS-55. Their frames count from 1, at 60 a second; here from 0."""

import json
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

from stepaudit.clips.geometry import Box
from stepaudit.datasets._csv import SHOWN, Row, read_header, read_rows
from stepaudit.errors import UsageError

RATE = 60  # frames a second that the annotation counts, whatever a video has
ACTIONS = "EPIC_train_action_labels.csv"
OBJECTS = "EPIC_train_object_labels.csv"
VIDEOS = "EPIC_video_info.csv"
VIDEO, UID = re.compile(r"P\d{1,9}_\d{1,9}", re.ASCII), re.compile(r"\d{1,18}", re.ASCII)
RESOLUTION = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)
BRACKETS = str.maketrans("()", "[]")
MAX_SECONDS, MAX_FPS = 10**6, 1000  # seconds, frames a second

Boxes = dict[tuple[str, str], dict[int, list[Box]]]  # by video and label, then by frame


@dataclass(frozen=True)
class Action:
    """Annotated action [start, stop). `synonym`: its narration uses another word than the name of its class."""

    uid: str
    video: str
    label: str
    synonym: bool
    start: int
    stop: int

    @property
    def participant(self) -> str:
        """Wearer of the camera, such as P01."""
        return self.video.partition("_")[0]

    @property
    def name(self) -> str:
        """Identifier of the action in all of EPIC-KITCHENS-55."""
        return f"{self.video}_{self.uid}"


@dataclass(frozen=True)
class Info:
    """Size in pixels, frames a second, and length in annotation frames, of a video."""

    width: int
    height: int
    fps: float
    frames: int


def read_actions(folder: Path, kind: Literal["noun", "verb"], videos: dict[str, Info]) -> list[Action]:
    """All annotated actions, labelled by the class of their (first) noun or of their verb.

    Raises:
        UsageError: a file is missing or holds something else, named by line and column.
    """
    names = read_classes(folder, kind)
    columns = ("uid", "video_id", "start_frame", "stop_frame", kind, f"{kind}_class")
    return [_action(row, kind, names, videos) for row in _rows(folder / ACTIONS, columns)]


def read_classes(folder: Path, kind: Literal["noun", "verb"]) -> dict[str, str]:
    """The names of the noun or verb classes by their numbers, as the files write them."""
    rows = _rows(folder / f"EPIC_{kind}_classes.csv", (f"{kind}_id", "class_key"))
    return {row.text(f"{kind}_id"): row.text("class_key") for row in rows}


def read_videos(folder: Path) -> dict[str, Info]:
    """Every video's own size, rate and length."""
    rows = _rows(folder / VIDEOS, ("video", "resolution", "duration", "fps"))
    return {_checked_name(row, "video", VIDEO): _video_info(row) for row in rows}


def read_boxes(folder: Path, videos: dict[str, Info]) -> Boxes:
    """Object boxes x0, y0, x1, y1 in pixels of each video's own resolution, clipped to its frame.

    Returns:
        Boxes by video and label, then by frame, counted from 0.
    """
    names = read_classes(folder, "noun")
    boxes: Boxes = defaultdict(dict)
    for row in _rows(folder / OBJECTS, ("noun_class", "video_id", "frame", "bounding_boxes")):
        video = row.one_of("video_id", videos)
        frame = _frame_number(row, "frame") - 1
        if frame < 0:
            raise row.complaint("frame", "frames count from 1")
        if objects := _boxes(row, videos[video]):
            boxes[video, names[row.one_of("noun_class", names)]].setdefault(frame, []).extend(objects)
    return dict(boxes)


def has_box(action: Action, boxes: Boxes) -> bool:
    """True if any frame of the action has a box of its label."""
    return any(action.start <= frame < action.stop for frame in boxes.get((action.video, action.label), ()))


def _rows(path: Path, columns: Collection[str]) -> list[Row]:
    """Lines of an official file. Its other columns, and their order, differ between versions."""
    if not path.is_file():
        raise UsageError(
            f"{path}: not there; put the files of the repository epic-kitchens-55-annotations there, "
            "or set `root` and `annotations`"
        )
    return read_rows(path, columns, [name for name in read_header(path) if name not in columns])


def _checked_name(row: Row, column: str, form: re.Pattern) -> str:
    """Name of a video or an action. Paths are made of it, so that no other text, such as `../`, may stand there."""
    text = row.text(column)
    if not form.fullmatch(text):
        raise row.complaint(column, f"{text[:SHOWN]!r} is no such name")
    return text


def _action(row: Row, kind: str, names: dict[str, str], videos: dict[str, Info]) -> Action:
    """Action of a line. `kind`: `verb` or `noun`, whose names are its labels."""
    label = names[row.one_of(f"{kind}_class", names)]
    first, last = _frame_number(row, "start_frame"), _frame_number(row, "stop_frame")
    if not 0 <= first <= last:
        raise row.complaint("stop_frame", f"{last} must not be smaller than start_frame, {first}")
    video, uid = row.one_of("video_id", videos), _checked_name(row, "uid", UID)
    return Action(uid, video, label, row.cells.get(kind) != label, max(first - 1, 0), max(last, 1))


def _frame_number(row: Row, column: str) -> int:
    frame = row.integer(column)
    if frame > MAX_SECONDS * RATE:
        raise row.complaint(column, f"no video has {frame} frames")
    return frame


def _video_info(row: Row) -> Info:
    size = RESOLUTION.fullmatch(row.text("resolution"))
    if size is None:
        raise row.complaint("resolution", "write width x height, such as 1920x1080")
    duration, fps = (_positive_number(row, name, most) for name, most in (("duration", MAX_SECONDS), ("fps", MAX_FPS)))
    return Info(int(size[1]), int(size[2]), fps, int(duration * RATE))


def _positive_number(row: Row, column: str, most: float) -> float:
    number = row.number(column)
    if not 0 < number <= most:
        raise row.complaint(column, f"{number:g} does not lie between 0 and {most}")
    return number


def _boxes(row: Row, video: Info) -> list[Box]:
    """Boxes of a line, a Python list of (top, left, height, width), cut to the frame."""
    text = row.text("bounding_boxes")
    try:
        listed = json.loads(text.translate(BRACKETS))  # Python's own parser overflows the stack on nested brackets
        edges = [(left, top, left + width, top + height) for top, left, height, width in listed]
        if not all(isfinite(edge) for box in edges for edge in box):
            raise ValueError("infinity, or no number")
        limits = (video.width, video.height, video.width, video.height)
        cut = [tuple(min(max(v, 0), m) for v, m in zip(box, limits, strict=True)) for box in edges]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise row.complaint("bounding_boxes", "no list of (top, left, height, width)") from error
    return [box for box in cut if box[0] < box[2] and box[1] < box[3]]
