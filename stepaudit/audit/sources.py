"""The files of a data set and fingerprints of its rows, as they were when the workflow last started.

A file has changed if its content has: sizes and times are compared first, and checksums, which `index` takes, only
where these differ. So 40,000 files are compared in about a second, and touching one changes nothing.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

from stepaudit.errors import UsageError
from stepaudit.store import checksums, writing
from stepaudit.store.tables import as_json

FOLDER = "sources"  # beside the audit's tables
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
MANY = 10_000  # files that a data set may have gained for a command that only reads results
SHOWN = 3

Row = tuple[str, str, str, str]  # split, path, class, fingerprint of a segment with its boxes


@dataclass(frozen=True)
class File:
    """A file, or the pictures of a folder.

    Args:
        key: size and time of change; of a folder's pictures, a checksum of all of theirs.
        version: the key with which this content was first seen.
        content: checksum; None if it has not been taken.
    """

    key: str
    version: str
    content: str | None = None


@dataclass(frozen=True)
class Sources:
    """Files of a data set and fingerprints of its rows.

    Args:
        reader: fingerprint of its settings and of its reader's code.
        files: by path.
        test: fingerprint of each test segment, with its boxes and video; None if the rows are not known.
        rest: fingerprint of all other segments, and of the classes.
        classes: fingerprint of the classes alone; empty if they are not known.
    """

    reader: str = ""
    files: Mapping[str, File] = field(default_factory=dict)
    test: Sequence[str] | None = None
    rest: str = ""
    classes: str = ""

    @cached_property
    def version(self) -> str:
        """Fingerprint of the reader and of all files."""
        return _digest([self.reader, sorted((path, file.version) for path, file in self.files.items())])

    def of_shard(self, split: str, number: int, shards: int) -> str:
        """Fingerprint of the segments of a shard, with their boxes and videos."""
        if self.test is None:
            return self.version
        return _digest(self.test[number::shards]) if split == "test" else self.rest

    def with_rows(self, rows: Iterable[Row]) -> "Sources":
        """The sources with fingerprints of the reader's rows, and with the videos outside the root that these name."""
        files, classes = dict(self.files), set()
        test: list[str] = []
        rest: list[str] = []
        for split, path, label, fingerprint in rows:
            if path not in files and (key := key_of(path)):
                files[path] = File(key, key)
            digest = _digest([fingerprint, files[path].version if path in files else None])
            (test if split == "test" else rest).append(digest)
            classes.add(label)
        names = sorted(classes)
        return replace(self, files=files, test=test, rest=_digest([names, rest]), classes=_digest(names))

    def with_contents(self) -> "Sources":
        """The sources with checksums of all files that have not changed since they were listed."""
        new = [path for path, file in self.files.items() if file.content is None and key_of(path) == file.key]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            contents = dict(zip(new, pool.map(_content_digest, new), strict=True))
        return replace(
            self,
            files={path: replace(file, content=contents.get(path, file.content)) for path, file in self.files.items()},
        )


def rows_of(segments: Iterable[dict], boxes: Iterable[dict]) -> list[Row]:
    """The reader's rows as `Sources.with_rows` needs them."""
    of_video: dict = defaultdict(list)
    for box in boxes:
        of_video[box["video_id"]].append(box)
    return [
        (row["split"], str(row["path"]), f"{row['target']} {row['label']}", _digest([row, of_video[row["video_id"]]]))
        for row in segments
    ]


def read(folder: Path, dataset: str) -> Sources:
    """The sources of a data set, as saved in an audit's folder; empty ones if there are none, or they are damaged."""
    try:
        saved = json.loads(_saved_path(folder, dataset).read_text(encoding="utf-8"))
        files = {path: File(*entry) for path, entry in saved["files"].items()}
        return Sources(saved["reader"], files, saved["test"], saved["rest"], saved.get("classes", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Sources()  # all files then count as new


def save(sources: Sources, folder: Path, dataset: str) -> None:
    """Write the sources of a data set into an audit's folder, if they have changed."""
    files = {path: [file.key, file.version, file.content] for path, file in sources.files.items()}
    names = ("reader", "test", "rest", "classes")
    content = {**{name: getattr(sources, name) for name in names}, "files": files}
    path, text = _saved_path(folder, dataset), json.dumps(content, ensure_ascii=False)
    if not (path.is_file() and path.read_text(encoding="utf-8") == text):
        writing.write_text(path, text)


def now(saved: Sources, root: Path, options: Mapping, results: Path, most: int | None = None) -> dict[str, File]:
    """The files of a data set as they are: all below its root, those that its options name, and others known to it.

    Args:
        saved: as the workflow last saw them.
        options: of the reader; a text may name a file.
        results: folder that is left out.
        most: number of files.

    Raises:
        UsageError: there are more files.
    """
    named = [root / value for value in options.values() if isinstance(value, str) and value]
    keys = _files_below(root, results, most)
    for path in [*(str(path) for path in named if path.is_file()), *saved.files]:
        if path not in keys and (key := key_of(path)):
            keys[path] = key
    return {path: _updated_file(path, key, saved.files.get(path)) for path, key in keys.items()}


def changes(before: Mapping[str, File], after: Mapping[str, File]) -> str:
    """Differences in a sentence; empty if there are none."""
    both = before.keys() & after.keys()
    kinds = {
        "added": sorted(after.keys() - both),
        "removed": sorted(before.keys() - both),
        "changed": sorted(path for path in both if before[path].version != after[path].version),
    }
    return "; ".join(
        f"{len(paths)} {kind} ({', '.join(paths[:SHOWN])}{', …' * (len(paths) > SHOWN)})"
        for kind, paths in kinds.items()
        if paths
    )


def key_of(path: str) -> str | None:
    """Size and time of a file, or a checksum of those of a folder's pictures; None if there is no such file."""
    return _pictures_key(_entries(path)) if Path(path).is_dir() else _key(Path(path))


def _files_below(root: Path, results: Path, most: int | None) -> dict[str, str]:
    """Keys of all files below a folder by path, but for hidden ones, links in a circle and `results`."""
    keys: dict[str, str] = {}
    seen, open_folders = {_device_and_inode(results)}, [str(root)]
    while open_folders:
        folder = open_folders.pop()
        if (place := _device_and_inode(folder)) is None or place in seen:
            continue
        seen.add(place)
        entries = _entries(folder)
        if pictures := _pictures_key(entries):
            keys[folder] = pictures
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    open_folders.append(entry.path)
            elif not entry.name.lower().endswith(PICTURES) and (key := _key(entry)):
                keys[entry.path] = key
        if most is not None and len(keys) > most:
            raise UsageError(f"{root}: it holds more than {most} files now")
    return keys


def _entries(folder: str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".") and _is_unicode(entry.name)]
    except OSError:  # no folder, or not readable: the reader says so
        return []


def _is_unicode(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in name)


def _key(entry: os.DirEntry | Path) -> str | None:
    try:
        about = entry.stat()
    except OSError:  # a link to nothing
        return None
    return f"{about.st_size} {about.st_mtime_ns}" if S_ISREG(about.st_mode) else None


def _pictures_key(entries: Iterable[os.DirEntry]) -> str | None:
    """Number of the pictures among these entries and a digest of their names, sizes and times; None without any."""
    pictures = sorted((entry.name, _key(entry)) for entry in entries if entry.name.lower().endswith(PICTURES))
    return f"{len(pictures)} {_digest(pictures)}" if pictures else None


def _device_and_inode(folder: str | Path) -> tuple[int, int] | None:
    try:
        about = Path(folder).stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _updated_file(path: str, key: str, saved: File | None) -> File:
    """The file with its present key, and a new fingerprint if its content has changed."""
    if saved is None or (saved.key != key and (saved.content is None or _content_digest(path) != saved.content)):
        return File(key, key)
    return replace(saved, key=key)


def _content_digest(path: str) -> str | None:
    try:
        return checksums.content(Path(path)) if Path(path).is_file() else _digest(list(_picture_digests(path)))
    except OSError:
        return None


def _picture_digests(folder: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        if entry.name.lower().endswith(PICTURES):
            yield entry.name, checksums.content(Path(entry.path))


def _digest(value: object) -> str:
    return sha256(as_json(value).encode(errors="surrogatepass")).hexdigest()[:32]


def _saved_path(folder: Path, dataset: str) -> Path:
    return folder / FOLDER / f"{dataset}.json"
