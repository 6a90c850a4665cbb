"""Maps of an audit and their clips, read from its Parquet files in order, a few rows at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.audit import audit_folder
from stepaudit.audit.jobs import tables_of
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store import arrays, tables

AT_ONCE = 8  # rows
BUFFER = 2**20  # bytes of a column that are read at once
OF_CLIPS = ("clip_id", "view", "split", "frames", "height", "width", "status")


@dataclass(frozen=True)
class Chosen:
    """Selection of maps: those that have one of the values of each field; an empty field is no condition."""

    datasets: Sequence[str] = ()
    models: Sequence[str] = ()
    methods: Sequence[str] = ()
    clips: Sequence[str] = ()
    ratios: Sequence[float] = ()
    seeds: Sequence[int] = ()

    def includes_file(self, keys: dict[str, str]) -> bool:
        """True for the keys of a file that may hold selected maps."""
        return _allowed(keys, {"dataset": self.datasets, "model": self.models, "method": self.methods})

    def includes(self, row: dict) -> bool:
        """True for a selected row of such a file."""
        return _allowed(row, {"clip_id": self.clips, "ratio": self.ratios, "seed": self.seeds})


def _allowed(row: dict, values: dict[str, Sequence]) -> bool:
    return all(not allowed or row[name] in allowed for name, allowed in values.items())


class MapSource:
    """The maps of an audit, finished or not, and the pixels of its clips.

    Args:
        folder: of the audit.
        chosen: selection of maps.

    Raises:
        UsageError: the folder holds no audit, or its configuration has no such data set, model or method.
    """

    def __init__(self, folder: Path, chosen: Chosen):
        self.folder, self.chosen = folder, chosen
        self.config = audit_folder.of_folder(folder).config
        for kind in ("datasets", "models", "methods"):
            known = list(getattr(self.config, kind))
            for name in getattr(chosen, kind):
                if name not in known:
                    raise UsageError(f"the audit has no {kind[:-1]} '{name}'{did_you_mean(name, known)}")
        self._clips: dict[tuple[str, str], dict[str, dict]] = {}
        self._pixels = _Pixels()

    def files(self) -> list[Path]:
        """The finished files that may hold selected maps, without those of earlier configurations."""
        return [path for path, keys in self._files("maps") if self.chosen.includes_file(keys)]

    def rows(self, path: Path) -> Iterator[dict]:
        """The selected rows of a file, with `grid`, float16 [t, h, w], and `size` of the model's clips."""
        keys = tables.path_columns(path.relative_to(self.folder))
        size = self.config.clips_of(keys["model"]).size
        with tables.opened("maps", path) as file, tables.explained_damage(path):
            for batch in file.iter_batches(batch_size=AT_ONCE):
                for index, row in enumerate(batch.drop_columns("grid").to_pylist()):
                    if self.chosen.includes(row):
                        yield {**row, **keys, "size": size, "grid": _grid(batch["grid"][index], row)}

    def clip(self, row: dict) -> dict | None:
        """The row of `clips` of a map, without its pixels; None if the clip was not cut, or is gone."""
        key = (row["dataset"], row["size"])
        if key not in self._clips:
            self._clips[key] = self._test_clips(*key)
        return self._clips[key].get(row["clip_id"])

    def pixels(self, clip: dict) -> np.ndarray:
        """The frames of a clip, uint8 [T, H, W, 3]; fast for clips in the order of their files."""
        values = np.frombuffer(self._pixels.read(clip["path"], clip["place"]), np.uint8)
        return values.reshape(len(clip["frames"]), clip["height"], clip["width"], 3)

    def _files(self, table: str) -> list[tuple[Path, dict[str, str]]]:
        names = [name for name in sorted(tables_of(self.config)) if name.parts[0] == table]
        return [(self.folder / name, tables.path_columns(name)) for name in names if (self.folder / name).is_file()]

    def _test_clips(self, dataset: str, size: str) -> dict[str, dict]:
        """The middle views of test clips by name, with the file and row that hold them."""
        clips = {}
        for path, keys in self._files("clips"):
            if keys == {"dataset": dataset, "size": size}:
                for place, row in enumerate(tables.read_arrow("clips", path, list(OF_CLIPS)).to_pylist()):
                    if row["view"] == "middle" and row["split"] == "test" and row["status"] == "ok":
                        clips[row["clip_id"]] = {**row, "path": path, "place": place}
        return clips


def full_map(row: dict) -> np.ndarray:
    """The full map of a row with its `grid`, float32 [T, H, W] in [0, 1]."""
    return arrays.full(row["grid"], row)


def _grid(value: pa.Scalar, row: dict) -> np.ndarray | None:
    """[t, h, w]; None if the row failed."""
    if row["status"] != "ok":
        return None
    return value.values.to_numpy(zero_copy_only=False).reshape(row["grid_shape"]).copy()


class _Pixels:
    """Reader of the column `pixels` that continues from its last row and holds a few values."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._batches: Iterator[pa.Array] = iter(())
        self._begin, self._batch = 0, pa.array([], pa.binary())

    def read(self, path: Path, place: int) -> bytes:
        """The value of one row. Raises UsageError if the file is damaged."""
        if path != self._path or place < self._begin:
            self._path, self._begin, self._batch = path, 0, pa.array([], pa.binary())
            self._batches = _pixels(path)
        while place >= self._begin + len(self._batch):
            self._begin += len(self._batch)
            self._batch = next(self._batches)
        return self._batch[place - self._begin].as_py()


def _pixels(path: Path) -> Iterator[pa.Array]:
    """The column of a file whose schema was checked; Arrow holds its pages, the clips of a shard at most."""
    with (
        tables.explained_damage(path),
        pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False, buffer_size=BUFFER) as file,
    ):
        for batch in file.iter_batches(batch_size=AT_ONCE, columns=["pixels"]):
            yield batch["pixels"]
