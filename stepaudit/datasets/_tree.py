"""Videos of a folder of class folders."""

from dataclasses import dataclass
from pathlib import Path

from stepaudit.clips.decoding import STILLS
from stepaudit.errors import UsageError
from stepaudit.store.schema import SPLITS

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")


@dataclass(frozen=True)
class Found:
    """Video file or folder of frames. Its name is its path below the root; `split` is None without a split folder."""

    name: str
    path: Path
    label: str
    split: str | None


def find_videos(root: Path) -> list[Found]:
    """Videos in `root/<class>` or `root/<split>/<class>`, in the order of their names.

    Raises:
        UsageError: the root is not there or holds no video, or split folders stand beside others.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; set `root` to the folder that holds a folder for each class")
    names = [folder.name for folder in _folders(root)]
    splits = [name for name in names if name in SPLITS]
    if others := [name for name in names if name not in SPLITS and splits]:
        raise UsageError(
            f"{root}: '{others[0]}' stands beside '{splits[0]}'; have only split folders there, or only classes"
        )
    parts: list[tuple[Path, str | None]] = [(root / split, split) for split in splits]
    videos = [video for parent, split in parts or [(root, None)] for video in _below(root, parent, split)]
    if not videos:
        endings = ", ".join(VIDEOS)
        raise UsageError(
            f"{root}: no video in it; put video files ({endings}), or folders of frames, in one folder per class"
        )
    return videos


def _below(root: Path, parent: Path, split: str | None) -> list[Found]:
    return [
        Found(path.relative_to(root).as_posix(), path, folder.name, split)
        for folder in _folders(parent)
        for path in _videos(folder)
    ]


def _videos(folder: Path) -> list[Path]:
    """Video files and folders of pictures, without other files, such as a README."""
    entries = _visible(folder)
    if any(path.suffix.lower() in STILLS for path in entries):
        raise UsageError(f"{folder}: frames lie in the class folder; put those of each video in a folder of its own")
    for path in entries:
        inside = _visible(path) if path.is_dir() else []
        if inside and not any(file.suffix.lower() in STILLS for file in inside):
            raise UsageError(
                f"{path}: no folder of frames; have videos, and folders of frames, right in a class folder"
            )
    return [path for path in entries if path.is_dir() or path.suffix.lower() in VIDEOS]


def _folders(parent: Path) -> list[Path]:
    return [path for path in _visible(parent) if path.is_dir()]


def _visible(folder: Path) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        for path in paths:
            path.name.encode()
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    except UnicodeEncodeError as error:
        raise UsageError(f"{folder}: a name in it is no UTF-8, {error.object!r}; rename that file") from error
    return paths
