"""Your own videos: `root/<class>/*.mp4` (or .avi, .mov, .mkv, .webm …), or folders of numbered .png or .jpg frames.

Videos right in the root have no label: each model's answer to them is explained, and nothing can be trained on them.

Three CSV files, all optional, say more. Their column `video` is a path below the root, such as `jump/a.mp4`.

- `videos`: `video`, and `split` (train, validation, test, or unused), `group` or both. It names every video.
- `segments`: `video`, `start`, `stop`, `action_start`, `action_stop`: source frames from 0, half-open; empty: unknown.
  A video on several lines has several segments; one without a line is one segment, from its first frame to its last.
- In either: `labels`, such as `run|jump`, in place of the class folder's name, for models with `gives: sigmoid`; a clip
  is explained once for each. `value`, a number, for models with `gives: regression`.
- `boxes`: `video`, `frame`, `x0`, `y0`, `x1`, `y1`: source pixels as a player shows them, upright and
  square, the last two exclusive; `label`: else the class.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

from stepaudit.clips.splits import draw_groups
from stepaudit.datasets import _tree
from stepaudit.datasets._csv import Row, read_rows
from stepaudit.datasets._tree import Found, find_videos, split_of
from stepaudit.errors import UsageError, some
from stepaudit.store.schema import SPLITS

ranges = {"test_share": (0, 1), "seed": (0, 2_147_483_647)}
SEGMENT_ENDS = (("start", "stop"), ("action_start", "action_stop"))
FRAMES = [column for pair in SEGMENT_ENDS for column in pair]
EDGES = ["x0", "y0", "x1", "y1"]
UNUSED = "unused"
ANNOTATED = ["labels", "value"]  # about a clip, in place of its folder's name
SEPARATOR = "|"  # of labels


@dataclass(frozen=True)
class Place:
    """Split, group, labels and value of a video; None if not known (yet)."""

    split: str | None
    group: str | None
    labels: tuple[str, ...] | None = None
    value: float | None = None

    @property
    def is_annotated(self) -> bool:
        """True if the CSV gives labels or a value."""
        return self.labels is not None or self.value is not None


def read(
    root: Path,
    *,
    videos: str | None = None,
    segments: str | None = None,
    boxes: str | None = None,
    group: str | None = None,
    test_share: float = 0.25,
    seed: int = 0,
    unlabelled: bool = False,
) -> tuple[list[dict], list[dict]]:
    """Your own videos, a folder for each class; split, segments and boxes from optional CSV files.

    The split comes from the CSV `videos`, else from folders (`root/train/<class>`, `root/test/<class>`), else it is
    drawn by group. The head of this module's file tells the columns.

    Args:
        root: folder of the class folders, or of `train`, `validation` and `test` with class folders in them.
        videos: CSV of splits and groups, below `root`.
        segments: CSV of the stretches to explain, below `root`.
        boxes: CSV of objects, below `root`.
        group: regular expression whose first group, found in a video's path below `root`, names its group.
        test_share: share of the groups of each class that is drawn for testing, where nothing else says.
        seed: of the draw.
        unlabelled: take videos right in `root`, beside class folders, for testing without a label.

    Raises:
        UsageError: no videos, contradicting splits, or bad content of a CSV file, named by line and column.
    """
    present = find_videos(root, unlabelled=unlabelled)
    folders = {video.name: Place(video.split, _group(group, video.name)) for video in present}
    places = _complete_splits(
        present, _places_from_csv(root / videos, folders) if videos else folders, test_share, seed
    )
    used = [video for video in present if places[video.name].split != UNUSED]
    listed = _segments_from_csv(root / segments, folders) if segments else {}
    rows = [
        row
        for video in used
        for segment in listed.get(video.name, [{"clip_id": video.name}])
        for row in _segments(video, places[video.name], segment)
    ]
    classes = sorted({row["label"] for row in rows} - {None})
    rows = [{**row, "target": None if row["label"] is None else classes.index(row["label"])} for row in rows]
    return rows, _boxes(root / boxes, folders, rows) if boxes else []


def left_out(root: Path, *, unlabelled: bool = False, **_others: object) -> list[str]:
    """Sentences on files below `root` that are not taken with these options of `read`."""
    return _tree.left_out(root, unlabelled=unlabelled)


def _group(pattern: str | None, name: str) -> str | None:
    """Group of a video by the pattern's match in its name; None without a pattern."""
    if pattern is None:
        return None
    try:
        match = re.search(normalize("NFC", pattern), name)
        group = match and match[1]
    except (re.error, IndexError) as error:
        text = f"{pattern!r} is no regular expression with a group ({error}); one such is '_(g[0-9]+)_'"
        raise UsageError(f"option `group`: {text}") from error
    if not group:
        raise UsageError(
            f"option `group`: {pattern!r} finds none in '{name}'; correct it, or list groups in the CSV `videos`"
        )
    return group


def _places_from_csv(path: Path, folders: dict[str, Place]) -> dict[str, Place]:
    """Places of all videos by the CSV, or by their folders where a cell is empty."""
    places: dict[str, Place] = {}
    for row in read_rows(path, ["video"], ["split", "group", *ANNOTATED]):
        name = row.one_of("video", folders)
        if name in places:
            raise row.complaint("video", f"'{name}' stands on an earlier line, too")
        places[name] = _place_of_row(row, folders[name])
    if missing := sorted(set(folders) - set(places)):
        names = some([f"'{name}'" for name in missing], shown=1)
        raise UsageError(f"{path}: no line for {names}; add it, with split '{UNUSED}' to leave it out")
    return places


def _place_of_row(row: Row, folder: Place) -> Place:
    """Split, group, labels and value of a video, from a line of the CSV or else from its folder."""
    split = folder.split
    if "split" in row.cells:
        split = split_of(row.text("split")) or row.one_of("split", (*SPLITS, UNUSED))
    if folder.split not in (None, split) and split != UNUSED:
        raise row.complaint("split", f"'{split}', but the video lies in {folder.split}/; move it, or change the line")
    return Place(split, row.cells.get("group") or folder.group, _labels(row), _value(row))


def _labels(row: Row) -> tuple[str, ...] | None:
    """Names in the column `labels`, each once; None for an empty cell."""
    if not row.cells.get("labels"):
        return None
    names = [name.strip() for name in row.text("labels").split(SEPARATOR)]
    if "" in names or len(set(names)) < len(names):
        raise row.complaint("labels", f"give names that differ, such as run{SEPARATOR}jump")
    return tuple(names)


def _value(row: Row) -> float | None:
    """Number in the column `value`; None for an empty cell."""
    return row.number("value") if row.cells.get("value") else None


def _complete_splits(videos: list[Found], places: dict[str, Place], share: float, seed: int) -> dict[str, Place]:
    """Places with splits. If none has a split, groups are drawn for 'test', and the others are for training.

    Videos without a label or a value are for testing, where nothing else says.
    """
    without = {video.name for video in videos if video.label is None and not places[video.name].is_annotated}
    tested = {name: replace(place, split=place.split or "test") for name, place in places.items() if name in without}
    annotated = {name: place for name, place in places.items() if name not in without}
    if annotated:
        annotated = _draw_splits([video for video in videos if video.name not in without], annotated, share, seed)
    return {**annotated, **tested}


def _draw_splits(videos: list[Found], places: dict[str, Place], share: float, seed: int) -> dict[str, Place]:
    """Places of annotated videos with splits, see `_complete_splits`."""
    if any(place.split for place in places.values()):
        return places
    if not 0 < share < 1:
        raise UsageError(f"option `test_share`: it must lie between 0 and 1, got {share}")
    groups = defaultdict(set)
    for video in videos:
        for label in places[video.name].labels or (str(video.label),):
            groups[label].add(places[video.name].group or video.name)
    drawn = draw_groups(groups, share, seed)
    for label, members in groups.items():
        if not members & drawn:
            few = f"its {len(members)} group{'s' * (len(members) > 1)} cannot be divided"
            raise UsageError(
                f"class '{label}': {few} into training and test; add videos, or a CSV `videos` with splits"
            )
    splits = {name: "test" if (place.group or name) in drawn else "train" for name, place in places.items()}
    return {name: replace(place, split=splits[name]) for name, place in places.items()}


def _segments(video: Found, place: Place, segment: dict) -> list[dict]:
    """Rows of a segment of a video, one for each of its labels; with several, a label ends the clip's name."""
    labels = segment.get("labels") or place.labels or (video.label,)
    row = {
        "video_id": video.name,
        "path": str(video.path),
        "split": place.split,
        "group": place.group,
        "value": place.value,
        **dict.fromkeys(FRAMES),
        **{
            name: value for name, value in segment.items() if name != "labels" and (name in FRAMES or value is not None)
        },
    }
    clip_id = row["clip_id"]
    return [{**row, "label": label, "clip_id": f"{clip_id}#{label}" if labels[1:] else clip_id} for label in labels]


def _segments_from_csv(path: Path, folders: dict[str, Place]) -> dict[str, list[dict]]:
    """Segments of each video in the CSV. A segment's clip_id is the video's, with its frames behind it."""
    segments: dict[str, list[dict]] = defaultdict(list)
    for row in read_rows(path, ["video"], [*FRAMES, *ANNOTATED]):
        name = row.one_of("video", folders)
        frames = {column: row.integer(column) if row.cells.get(column) else None for column in FRAMES}
        _check_segment(row, frames)
        clip_id = f"{name}:{frames['start'] or 0}-{'' if frames['stop'] is None else frames['stop']}"
        if clip_id in {other["clip_id"] for other in segments[name]}:
            raise row.complaint("video", f"'{name}' has these frames on an earlier line, too")
        segments[name].append({"clip_id": clip_id, **frames, "labels": _labels(row), "value": _value(row)})
    return segments


def _check_segment(row: Row, frames: dict[str, int | None]) -> None:
    for first, last in SEGMENT_ENDS:
        start, stop = frames[first] or 0, frames[last]
        if start < 0:
            raise row.complaint(first, f"{start} is negative; frames count from 0")
        if stop is not None and stop <= start:
            raise row.complaint(last, f"{stop} must be larger than {first}, {start}")
    if (frames["action_start"] is None) != (frames["action_stop"] is None):
        raise row.complaint("action_stop", "give both action_start and action_stop, or neither")


def _boxes(path: Path, folders: dict[str, Place], segments: list[dict]) -> list[dict]:
    """Boxes of the videos that have segments; one without a label is of the video's only class."""
    labels: dict[str, set[str]] = defaultdict(set)
    for segment in segments:
        labels[segment["video_id"]] |= {segment["label"]} - {None}
    rows = []
    for row in read_rows(path, ["video", "frame", *EDGES], ["label"]):
        name, frame = row.one_of("video", folders), row.integer("frame")
        if frame < 0:
            raise row.complaint("frame", f"{frame} is negative; frames count from 0")
        edges = {edge: row.number(edge) for edge in EDGES}
        for first, last in (("x0", "x1"), ("y0", "y1")):
            if edges[last] <= edges[first]:
                hint = "; is it a width or a height? Add the two" * (edges[last] > 0)
                raise row.complaint(last, f"{edges[last]:g} must be larger than {first}, {edges[first]:g}{hint}")
        if name in labels:
            label = row.cells.get("label") or (min(labels[name]) if len(labels[name]) == 1 else None)
            if label is None:
                several = f"has the labels {', '.join(sorted(labels[name]))}" if labels[name] else "has no class"
                raise row.complaint("label", f"'{name}' {several}; name what the box shows")
            rows.append({"video_id": name, "frame": frame, "label": label, **edges})
    return rows
