"""Pictures of EPIC-KITCHENS-55, with the annotated frames and boxes in their own numbers and pixels.

The annotation counts 60 frames a second and the pixels of the original videos. The pictures may have others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import floor
from pathlib import Path
from typing import Literal

from stepaudit.clips import decoding
from stepaudit.clips.geometry import nearest_frame
from stepaudit.clips.stills import frames_in
from stepaudit.datasets._epic import MAX_FPS, RATE, Action, Box, Boxes, Info
from stepaudit.datasets._epic_files import Files, find
from stepaudit.errors import BadVideoError, UsageError

SEGMENT_ENDS = ("start", "stop", "action_start", "action_stop")

Kind = Literal["videos", "frames", "clips"]
ByFrame = dict[int, list[Box]]


@dataclass(frozen=True)
class Whole:
    """File, or folder of numbered pictures, of each video. `fps`: pictures a second; None: each video's own."""

    files: Files
    videos: dict[str, Info]
    fps: float | None

    def video_id(self, action: Action) -> str:
        """Identifier of the file or folder: the video."""
        return action.video

    def segment(self, action: Action, start: int, stop: int) -> dict:
        """Pictures of the annotation frames [start, stop), and those of the action among them."""
        inner = self._picture_span(action, max(start, action.start), min(stop, action.stop))
        ends = dict(zip(SEGMENT_ENDS, (*self._picture_span(action, start, stop), *inner), strict=True))
        return {"path": str(self.files.path(action)), **ends}

    def boxes(self, action: Action, boxes: ByFrame) -> ByFrame:
        """Boxes of an object by picture, in the action's whole video."""
        return {self._nearest_picture(action, frame): objects for frame, objects in boxes.items()}

    def _picture_span(self, action: Action, start: int, stop: int) -> tuple[int, int]:
        first = self._nearest_picture(action, start)
        return first, max(self._nearest_picture(action, stop), first + 1)

    def _nearest_picture(self, action: Action, frame: int) -> int:
        """Picture nearest in time to an annotation frame."""
        return floor(frame * (self.fps or self.videos[action.video].fps) / RATE + 0.5)


@dataclass(frozen=True)
class Sampled:
    """Folder of each action, with one picture from the middle of each of equal parts of the action.

    `box_distance`: a picture takes the boxes of the nearest annotated frame within so many annotation frames.
    """

    files: Files
    box_distance: int

    def video_id(self, action: Action) -> str:
        """Identifier of the folder: the action."""
        return action.name

    def segment(self, action: Action, start: int, stop: int) -> dict:
        """All pictures of the action. Raises UsageError for any other segment."""
        path = self.files.path(action)
        if (start, stop) != (action.start, action.stop):
            raise UsageError(f"{path}: it shows the action alone; set `media` to videos or frames, or `test` to plain")
        return {"path": str(path), **dict.fromkeys(SEGMENT_ENDS)}

    def boxes(self, action: Action, boxes: ByFrame) -> ByFrame:
        """Boxes of an object by picture: of the nearest annotated frame within `box_distance`."""
        frames = _middle_frames(action, _count_pictures(self.files.path(action)))
        near = {picture: nearest_frame(frame, boxes, self.box_distance) for picture, frame in enumerate(frames)}
        return {picture: boxes[frame] for picture, frame in near.items() if frame is not None}


Pictures = Whole | Sampled


def open_media(
    root: Path, kind: Kind, template: str, videos: dict[str, Info], fps: float | None, box_distance: int
) -> Pictures:
    """Open the pictures of a kind.

    Raises:
        UsageError: the template or the rate is wrong, or nothing is there.
    """
    if fps is not None and not 0 < fps <= MAX_FPS:
        raise UsageError(f"option `fps`: {fps} does not lie between 0 and {MAX_FPS}")
    if kind == "clips":
        return Sampled(find(root, template, ("video", "uid")), box_distance)
    return Whole(find(root, template, ("video",)), videos, RATE if kind == "frames" else fps)


def box_rows(pictures: Pictures, actions: Iterable[Action], boxes: Boxes, videos: dict[str, Info]) -> list[dict]:
    """Rows of `boxes` of the actions' own objects, not repeated where actions share a video and an object."""
    rows: dict[tuple[str, str], list[dict]] = {}
    sizes: dict[Path, tuple[int, int]] = {}
    for action in actions:
        key, path = (pictures.video_id(action), action.label), pictures.files.path(action)
        if key not in rows:
            sizes[path] = sizes.get(path) or picture_size(path, videos[action.video])
            shown = pictures.boxes(action, boxes[action.video, action.label])
            rows[key] = _box_rows(*key, shown, sizes[path], videos[action.video])
    return [row for of_object in rows.values() for row in of_object]


def picture_size(path: Path, info: Info) -> tuple[int, int]:
    """Height and width of a video's pictures; those of the recording if they cannot be read."""
    try:
        return decoding.source_size(path)
    except (BadVideoError, OSError):
        return info.height, info.width


def segment_rows(
    pictures: Pictures, chosen: dict[str, list[Action]], labels: list[str], spans: dict[Action, tuple[int, int]]
) -> list[dict]:
    """Rows of the table `segments`: each action whole, or its annotation frames in `spans`."""
    rows = []
    for split, actions in chosen.items():
        for action in actions:
            shown = pictures.segment(action, *spans.get(action, (action.start, action.stop)))
            keys = {"clip_id": action.name, "video_id": pictures.video_id(action), "group": action.video}
            rows.append({**keys, "split": split, "label": action.label, "target": labels.index(action.label), **shown})
    return rows


def _middle_frames(action: Action, count: int) -> Iterator[int]:
    """Middle frame of each of `count` equal parts of the action, as in `stepaudit.clips.geometry`."""
    length = action.stop - action.start
    edges = (action.start + part * length // max(count, 1) for part in range(count + 1))
    return ((first + last) // 2 for first, last in pairwise(edges))


def _count_pictures(folder: Path) -> int:
    """Number of pictures; 0 if they are no series of frames, as the stage `extract` will say."""
    try:
        return len(frames_in(folder))
    except (BadVideoError, OSError):
        return 0


def _box_rows(video_id: str, label: str, boxes: ByFrame, size: tuple[int, int], info: Info) -> list[dict]:
    across, down = size[1] / info.width, size[0] / info.height
    return [
        {"video_id": video_id, "frame": frame, "label": label}
        | {"x0": x0 * across, "y0": y0 * down, "x1": x1 * across, "y1": y1 * down}
        for frame, objects in sorted(boxes.items())
        for x0, y0, x1, y1 in objects
    ]
