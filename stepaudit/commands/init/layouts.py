"""Layouts of a folder of videos: UCF-101, EPIC-KITCHENS-55, or a folder for each class."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from stepaudit.audit import registry
from stepaudit.errors import UsageError

TABLES = ("videos", "segments", "boxes")  # CSV files of the user's own annotation
GROUP = r"_(g\d+)_c\d+"  # as in UCF-101's and HMDB's names: clips of one scene
EPIC_FILES = (  # of EPIC-KITCHENS-55, as its two download scripts lay them out
    "videos/train/{participant}/{video}.MP4",
    "{participant}/videos/{video}.MP4",
    "EPIC-KITCHENS/{participant}/videos/{video}.MP4",
)
EPIC_SIZES = ((20, 5), (10, 5), (5, 3), (2, 2))  # classes and test clips of each: the paper's, and for fewer videos


@dataclass(frozen=True)
class Source:
    """A data set's entry in a configuration: its reader, root and options, the key `box_distance`, and notes."""

    use: str
    root: Path
    options: dict[str, Any] = field(default_factory=dict)
    box_distance: int = 0
    notes: tuple[str, ...] = ()

    def rows(self) -> tuple[list[dict], list[dict]]:
        """Segments and boxes. Raises UsageError as the reader."""
        return registry.find("datasets", self.use).load()(self.root, **self.options)

    def left_out(self) -> list[str]:
        """Sentences about files that the reader does not take; none if it does not say."""
        listed = registry.find("datasets", self.use).companion("left_out")
        return listed(self.root, **self.options) if listed else []

    def problem(self) -> UsageError | None:
        """The error of the reader; None if it reads the folder."""
        try:
            self.rows()
        except UsageError as error:
            return error
        return None


def find(folder: Path) -> Source:
    """The data set that reads a folder. Raises UsageError if there is none."""
    return next(source for layout in LAYOUTS if (source := layout(folder)) is not None)


def _ucf101(folder: Path) -> Source | None:
    """UCF-101 with its split lists and the corrected boxes of UCF101-24: its complete annotated classes."""
    if not all((folder / name).exists() for name in ("UCF-101", "ucfTrainTestlist", "UCF101-24/pyannot.pkl")):
        return None
    classes = sorted(path.name for path in (folder / "UCF-101").iterdir() if path.is_dir())
    source = Source("ucf101_24", folder, {"classes": classes, "partial": True})
    segments, boxes = source.rows()
    boxed = {row["video_id"] for row in boxes}
    counts = Counter((row["label"], row["split"]) for row in segments if row["video_id"] in boxed)
    complete = [label for label in classes if counts[label, "test"] and counts[label, "train"]]
    if not complete:
        raise UsageError(
            f"{folder}: no class of UCF101-24 has training and test videos there; unpack more of UCF101.rar"
        )
    return replace(source, options={"classes": complete, "partial": True})


def _epic(folder: Path) -> Source | None:
    """EPIC-KITCHENS-55: objects if their boxes exist, else actions; fewer classes if there are few clips."""
    if not (folder / "EPIC_train_action_labels.csv").exists():
        return None
    files = next((each for each in EPIC_FILES if any(folder.glob(re.sub(r"{\w+}", "*", each)))), EPIC_FILES[0])
    options = {"partial": True, **({} if files == EPIC_FILES[0] else {"files": files})}
    objects = [("epic_object", 3)] if (folder / "EPIC_train_object_labels.csv").exists() else []
    for (use, distance), (classes, per_class) in product([*objects, ("epic_action", 0)], EPIC_SIZES):
        source = Source(use, folder, {**options, "classes": classes, "per_class": per_class}, distance)
        problem = source.problem()
        if problem is None:
            return source
    raise UsageError(f"{folder}: EPIC-KITCHENS-55's annotation, but too few of its videos ({problem})")


def _folders(folder: Path) -> Source:
    """Class folders, here or in the only folder below that has some, with the CSV files that lie beside them."""
    root = _class_root(folder)
    options = {table: f"{table}.csv" for table in TABLES if (root / f"{table}.csv").is_file()}
    notes = [f"the class folders lie in {root}"] * (root != folder)
    if unread := [path.name for path in sorted(root.glob("*.csv")) if path.name not in options.values()]:
        known = ", ".join(f"{table}.csv" for table in TABLES)
        notes.append(f"not read: {', '.join(unread[:3])}; annotation of your own stands in {known}")
    source = Source("folder", root, options, notes=tuple(notes))
    if "videos" not in options and all(re.search(GROUP, row["video_id"]) for row in source.rows()[0]):
        grouped = replace(source, options={**options, "group": GROUP})
        if grouped.problem() is None:  # else there are too few groups to divide: videos are drawn one by one
            return grouped
    return source


LAYOUTS: tuple[Callable[[Path], Source | None], ...] = (_ucf101, _epic, _folders)


def _class_root(folder: Path) -> Path:
    """The folder of the class folders. Raises UsageError, with the next step, if there is none."""
    source = Source("folder", folder)
    problem = source.problem()
    if problem is None:
        return folder
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    roots = [path for path in below if replace(source, root=path).problem() is None]
    if len(roots) == 1:
        return roots[0]
    raise problem
