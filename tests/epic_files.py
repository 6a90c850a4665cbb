"""EPIC-KITCHENS-55's official files: small ones of the documented form, and the real ones where they are at hand."""

import ast
import csv
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from stepaudit.datasets import _epic

NOUNS = {"0": "Nothing", "1": "pan", "2": "cup", "3": "board:chopping"}
VERBS = {"0": "take", "1": "put", "2": "stir"}
OBJECT_COLUMNS = ["noun_class", "noun", "participant_id", "video_id", "frame", "bounding_boxes"]


def write_csv(path: Path, columns: list[str], rows: Iterable[Iterable]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def action(uid, video, first, last, noun="1", verb="0", *, noun_word=None, verb_word=None) -> dict:
    """A line of the action labels; words are those of the classes unless given."""
    words = {"noun": noun_word or NOUNS[noun], "verb": verb_word or VERBS[verb]}
    ends = {"start_frame": first, "stop_frame": last}
    return {"uid": uid, "video_id": video, **ends, "noun_class": noun, "verb_class": verb, **words}


def write_epic(root: Path, actions: list[dict], objects=(), videos=None, *, backwards=False) -> Path:
    """All official files. The order of their columns is no part of their form.

    Args:
        objects: (noun class, video, frame, list of boxes as text).
        videos: {video: (resolution, seconds, frames a second)}.
    """
    root.mkdir(parents=True, exist_ok=True)
    columns = ["uid", "participant_id", "video_id", "narration", "start_timestamp", "stop_timestamp", "start_frame"]
    columns += ["stop_frame", "verb", "verb_class", "noun", "noun_class", "all_nouns", "all_noun_classes"]
    columns = columns[::-1] if backwards else columns
    write_csv(root / _epic.ACTIONS, columns, ([line.get(name, "?") for name in columns] for line in actions))
    for kind, names in (("noun", NOUNS), ("verb", VERBS)):
        rows = ((number, name, f"['{name}']") for number, name in names.items())
        write_csv(root / f"EPIC_{kind}_classes.csv", [f"{kind}_id", "class_key", f"{kind}s"], rows)
    videos = videos or dict.fromkeys(sorted({line["video_id"] for line in actions}), ("1920x1080", 600.5, 60))
    write_csv(root / _epic.VIDEOS, ["video", "resolution", "duration", "fps"], ((n, *v) for n, v in videos.items()))
    rows = ([number, NOUNS[number], video[:3], video, frame, text] for number, video, frame, text in objects)
    write_csv(root / _epic.OBJECTS, OBJECT_COLUMNS, rows)
    return root


def touch_videos(root: Path, *names: str) -> Path:
    """Empty files in the official places."""
    for name in names:
        path = root / "videos" / "train" / name[:3] / f"{name}.MP4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def official(folder: Path) -> Path:
    """The real files in a folder of their own, with an object-label file made of the real segments' boxes."""
    source = real()
    for path in [*source.glob("EPIC_*.csv"), source / "clips16"]:
        (folder / path.name).symlink_to(path)
    numbers = {row["class_key"]: row["noun_id"] for row in read_csv(source / "EPIC_noun_classes.csv")}
    boxes = {
        (row["video_id"], row["noun"], frame): found
        for row in read_csv(source / "segments" / "Valid_seg_top20.csv")
        for frame, found in ast.literal_eval(row["bounding_boxes"]).items()
    }
    rows = ([numbers[noun], noun, video[:3], video, frame, found] for (video, noun, frame), found in boxes.items())
    write_csv(folder / _epic.OBJECTS, OBJECT_COLUMNS, rows)
    return touch_videos(folder, "P01_01")


def real() -> Path:
    """The folder of the real files; a test that needs it is skipped, with the reason, where it is missing."""
    folder = Path(os.environ.get("STEPAUDIT_TEST_DATA", "not set"), "EPIC-KITCHENS-55")
    if not (folder / _epic.ACTIONS).is_file():
        pytest.skip("STEPAUDIT_TEST_DATA names no folder with EPIC-KITCHENS-55")
    return folder


def read_csv(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
