"""Videos of a folder of class folders, and the files there that are no videos of a class."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from stepaudit.clips.decoding import VIDEOS
from stepaudit.clips.stills import STILLS
from stepaudit.errors import UsageError, some
from stepaudit.store.schema import SPLITS

OTHER_NAMES = {"training": "train", "val": "validation", "valid": "validation", "testing": "test"}
READ = f"video files ({', '.join(VIDEOS)}), or folders of frames ({', '.join(sorted(STILLS))})"


@dataclass(frozen=True)
class Found:
    """Video file or folder of frames. Its name is its path below the root; `split` is None without a split folder.

    `label` is None for a video that lies right in the root.
    Name and label are composed Unicode (NFC), whatever the file system has: 'é' is one letter, not two.
    """

    name: str
    path: Path
    label: str | None
    split: str | None


@dataclass(frozen=True)
class ClassFolder:
    """Folder of a class: its videos, which are files or folders of pictures, and all else in it."""

    path: Path
    split: str | None
    videos: tuple[Path, ...]
    others: tuple[Path, ...]


def split_of(name: str) -> str | None:
    """The split that a name stands for, such as 'validation' for 'Val'; None for other names."""
    name = name.lower()
    return name if name in SPLITS else OTHER_NAMES.get(name)


def find_videos(root: Path, *, unlabelled: bool = False) -> list[Found]:
    """Videos in `root/<class>` or `root/<split>/<class>`, in the order of their names, then those without a class.

    Args:
        unlabelled: video files right in `root` are taken, too; if there are no others, they always are.

    Raises:
        UsageError: the root is not there or holds no video, or split folders stand beside others.
    """
    videos = [
        Found(_nfc_name(path.relative_to(root).as_posix()), path, _nfc_name(folder.path.name), folder.split)
        for folder in _class_folders(root)
        for path in folder.videos
    ]
    if unlabelled or not videos:
        videos += [Found(_nfc_name(path.name), path, None, None) for path in _visible_entries(root) if _is_video(path)]
    if not videos:
        raise UsageError(f"{root}: no video in it; put {READ}, in one folder per class")
    if twice := [name for name, count in Counter(video.name for video in videos).items() if count > 1]:
        raise UsageError(f"{root}: two files are called '{twice[0]}', in two Unicode forms; rename one")
    return videos


def left_out(root: Path, *, unlabelled: bool = False) -> list[str]:
    """Sentences on files and folders that are not videos, or may wrongly be taken for videos, one for each kind.

    Args:
        unlabelled: as for `find_videos`.

    Raises:
        UsageError: as `find_videos`.
    """
    folders = _class_folders(root)
    taken = {root} if unlabelled or not any(folder.videos for folder in folders) else set()
    return [
        *_loose_video_notes(root, {root, *(folder.path.parent for folder in folders)} - taken),
        *_empty_class_notes(root, folders),
        *_other_file_notes(root, folders),
        *_mixed_class_notes(root, folders),
        *_class_name_notes(folders),
    ]


def _class_folders(root: Path) -> list[ClassFolder]:
    if not root.is_dir():
        raise UsageError(
            f"{root.absolute()}: no such folder; set `root` to the folder that holds a folder for each class"
        )
    return [_class_folder(folder, split) for parent, split in _split_folders(root) for folder in _folders(parent)]


def _split_folders(root: Path) -> list[tuple[Path, str | None]]:
    """Folders of class folders, each with its split, or None. A folder called `train` with videos in it is a class."""
    named = {folder: split_of(folder.name) for folder in _folders(root)}
    classes = [folder for folder, split in named.items() if split is None or _holds_videos(folder)]
    splits = [(folder, split) for folder, split in named.items() if folder not in classes]
    for folder in classes:
        if named[folder] and (splits or all(named.values())):
            raise UsageError(
                f"{folder}: it holds videos, but no class folders; put each video in a folder of its class, such as "
                f"{folder / 'jump'}"
            )
        if splits:
            raise UsageError(
                f"{root}: '{folder.name}' stands beside '{splits[0][0].name}'; have only split folders there, or only "
                "classes"
            )
    return splits or [(root, None)]


def _holds_videos(folder: Path) -> bool:
    return any(_has_file(path, STILLS) if path.is_dir() else _is_video(path) for path in _visible_entries(folder))


def _class_folder(folder: Path, split: str | None) -> ClassFolder:
    """Sort the entries of a class folder. Raises UsageError where videos or frames lie too high or too deep."""
    entries = _visible_entries(folder)
    if any(path.suffix.lower() in STILLS for path in entries):
        raise UsageError(f"{folder}: frames lie in the class folder; put those of each video in a folder of its own")
    videos: list[Path] = []
    others: list[Path] = []
    for path in entries:
        inside = _visible_entries(path) if path.is_dir() and not _has_file(path, STILLS) else []
        if any(below.is_dir() or _is_video(below) for below in inside):
            raise UsageError(
                f"{path}: no folder of frames; have videos, and folders of frames, right in a class folder"
            )
        taken = not inside if path.is_dir() else _is_video(path)
        (videos if taken else others).append(path)
    return ClassFolder(folder, split, tuple(videos), tuple(others))


def _loose_video_notes(root: Path, parents: Iterable[Path]) -> Iterator[str]:
    loose = [
        path.relative_to(root) for parent in sorted(parents) for path in _visible_entries(parent) if _is_video(path)
    ]
    if loose:
        many = f"{len(loose)} videos lie" if len(loose) > 1 else "1 video lies"
        yield (
            f"left out: {many} beside the class folders ({some(loose)}); move each into the folder of its class, or, "
            "to explain what models answer on those right in the root, set the option `unlabelled: true`"
        )


def _empty_class_notes(root: Path, folders: list[ClassFolder]) -> Iterator[str]:
    if empty := [folder.path.relative_to(root) for folder in folders if not folder.videos]:
        yield f"left out: class folders without a video ({some(empty)}); add videos, or delete the folders"


def _other_file_notes(root: Path, folders: list[ClassFolder]) -> Iterator[str]:
    others = [path for folder in folders for path in folder.others]
    if others:
        kinds = Counter("folders" if path.is_dir() else path.suffix.lower() or "without ending" for path in others)
        listed = some(f"{count} {kind}" for kind, count in kinds.most_common())
        yield (
            f"left out: {listed} in class folders, such as {others[0].relative_to(root)}; "
            f"convert them if they are videos (what is read: {READ})"
        )


def _mixed_class_notes(root: Path, folders: list[ClassFolder]) -> Iterator[str]:
    mixed = [folder for folder in folders if 0 < sum(map(_is_video, folder.videos)) < len(folder.videos)]
    if pictures := [path.relative_to(root) for folder in mixed for path in folder.videos if not _is_video(path)]:
        yield (
            f"folders of pictures beside video files count as videos of their own ({some(pictures)}); move them out "
            "of the class folder if they are none"
        )


def _class_name_notes(folders: list[ClassFolder]) -> Iterator[str]:
    """Notes on classes called like a split, and on names that differ in capitals alone."""
    names = {_nfc_name(folder.path.name) for folder in folders}
    if splits := sorted(name for name in names if split_of(name)):
        yield f"{some(splits)}: taken for a class, not for a split, since videos lie right in it"
    capitals = Counter(name.casefold() for name in names)
    if twice := sorted(name for name in names if capitals[name.casefold()] > 1):
        yield f"classes whose names differ in capitals alone ({some(twice)}); rename one if they are the same class"


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS and not path.is_dir()


def _has_file(folder: Path, endings: Collection[str]) -> bool:
    """True if a visible file in the folder has one of the endings. It stops at the first: there may be thousands."""
    try:
        with os.scandir(folder) as entries:
            return any(Path(entry.name).suffix.lower() in endings and entry.name[0] != "." for entry in entries)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error


def _nfc_name(name: str) -> str:
    return normalize("NFC", name)


def _folders(parent: Path) -> list[Path]:
    return [path for path in _visible_entries(parent) if path.is_dir()]


def _visible_entries(folder: Path) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        for path in paths:
            path.name.encode()
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    except UnicodeEncodeError as error:
        raise UsageError(f"{folder}: a name in it is no UTF-8, {error.object!r}; rename that file") from error
    return paths
