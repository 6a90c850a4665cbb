"""How videos may lie in a folder: as UCF-101, as EPIC-KITCHENS-55, or in a folder for each class."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from stepaudit.audit import registry
from stepaudit.errors import UsageError

ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
TABLES = ("videos", "segments", "boxes")  # CSV files of the user's own annotation
GROUP = r"_(g\d+)_c\d+"  # as in UCF-101's and HMDB's names: clips of one scene
EPIC_FILES = (  # of EPIC-KITCHENS-55, as its two download scripts lay them out
    "videos/train/{participant}/{video}.MP4",
    "{participant}/videos/{video}.MP4",
    "EPIC-KITCHENS/{participant}/videos/{video}.MP4",
)
EPIC_SIZES = (
    (20, 5),
    (10, 5),
    (5, 3),
    (2, 2),
)  # classes, and test clips of each: the paper's, and what fewer videos give


@dataclass(frozen=True)
class Source:
    """A data set's entry in a configuration: its reader, root and options, the key `box_distance`, and remarks."""

    use: str
    root: Path
    options: dict[str, Any] = field(default_factory=dict)
    box_distance: int = 0
    notes: tuple[str, ...] = ()

    def rows(self, **changes: Any) -> tuple[list[dict], list[dict]]:
        """Segments and boxes, with other options too. Raises UsageError as the reader."""
        return registry.find("datasets", self.use).load()(self.root, **{**self.options, **changes})


def find(folder: Path) -> Source:
    """The data set that reads a folder. Raises UsageError if there is none."""
    return next(found for layout in LAYOUTS if (found := layout(folder)) is not None)


def _ucf101(folder: Path) -> Source | None:
    """UCF-101 with its split lists and the corrected boxes of UCF101-24: those annotated classes that are there."""
    if not all((folder / name).exists() for name in ("UCF-101", "ucfTrainTestlist", "UCF101-24/pyannot.pkl")):
        return None
    classes = sorted(path.name for path in (folder / "UCF-101").iterdir() if path.is_dir())
    source = Source("ucf101_24", folder, {"classes": classes, "partial": True})
    segments, boxes = source.rows()
    boxed = {row["video_id"] for row in boxes}
    counts = Counter((row["label"], row["split"]) for row in segments if row["video_id"] in boxed)
    whole = [label for label in classes if counts[label, "test"] and counts[label, "train"]]
    if not whole:
        raise UsageError(
            f"{folder}: no class of UCF101-24 has training and test videos there; unpack more of UCF101.rar"
        )
    return Source("ucf101_24", folder, {"classes": whole, "partial": True})


def _epic(folder: Path) -> Source | None:
    """EPIC-KITCHENS-55: objects where their boxes are there, else actions; fewer classes where there are few clips."""
    if not (folder / "EPIC_train_action_labels.csv").exists():
        return None
    files = next((each for each in EPIC_FILES if any(folder.glob(re.sub(r"{\w+}", "*", each)))), EPIC_FILES[0])
    given = {"partial": True, **({} if files == EPIC_FILES[0] else {"files": files})}
    objects = [("epic_object", 3)] if (folder / "EPIC_train_object_labels.csv").exists() else []
    for (use, distance), (classes, per_class) in product([*objects, ("epic_action", 0)], EPIC_SIZES):
        source = Source(use, folder, {**given, "classes": classes, "per_class": per_class}, distance)
        try:
            source.rows()
        except UsageError as error:
            trouble = error
        else:
            return source
    raise UsageError(f"{folder}: EPIC-KITCHENS-55's annotation, but too few of its videos ({trouble})")


def _folders(folder: Path) -> Source:
    """Class folders, here or in the only folder below that has some, with the CSV files that lie beside them."""
    root = _class_root(folder)
    given = {table: f"{table}.csv" for table in TABLES if (root / f"{table}.csv").is_file()}
    notes = [f"the class folders lie in {root}"] * (root != folder) + [*_unread(root, given)]
    source = Source("folder", root, given, notes=tuple(notes))
    names = [row["video_id"] for row in source.rows()[0]]
    if "videos" not in given and all(re.search(GROUP, name) for name in names):
        grouped = replace(source, options={**given, "group": GROUP})
        try:
            grouped.rows()
        except UsageError:  # too few groups to divide: videos are drawn one by one
            return source
        return grouped
    return source


LAYOUTS: tuple[Callable[[Path], Source | None], ...] = (_ucf101, _epic, _folders)


def _class_root(folder: Path) -> Path:
    try:
        Source("folder", folder).rows()
    except UsageError as error:
        inner = [path for path in _below(folder) if _is_root(path)]
        if len(inner) != 1:
            raise UsageError(_advice(folder, error)) from error
        return inner[0]
    return folder


def _is_root(folder: Path) -> bool:
    try:
        Source("folder", folder).rows()
    except UsageError:
        return False
    return True


def _advice(folder: Path, error: UsageError) -> str:
    """What to do about a folder that no data set reads."""
    loose = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if loose:
        return (
            f"{folder}: {len(loose)} videos lie right in it, such as {loose[0]}; put them into a folder for each "
            f"class, such as {folder / 'jump' / loose[0]}"
        )
    return str(error)


def _below(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith("."))


def _unread(root: Path, given: dict[str, str]) -> Iterator[str]:
    """CSV files that nobody reads."""
    if others := [path.name for path in sorted(root.glob("*.csv")) if path.name not in given.values()]:
        known = ", ".join(f"{table}.csv" for table in TABLES)
        yield f"not read: {', '.join(others[:3])}; annotation of your own stands in {known}"
