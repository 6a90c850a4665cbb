"""Maps and the clips that they are of, read from an audit's Parquet files in order, a few rows at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
    """Which maps: those that have one of the values of each field; an empty field is no condition."""

    datasets: Sequence[str] = field(default_factory=tuple)
    models: Sequence[str] = field(default_factory=tuple)
    methods: Sequence[str] = field(default_factory=tuple)
    clips: Sequence[str] = field(default_factory=tuple)
    ratios: Sequence[float] = field(default_factory=tuple)
    seeds: Sequence[int] = field(default_factory=tuple)

    def takes(self, row: dict) -> bool:
        """Whether a row of `maps` is one of them."""
        conditions = {"clip_id": self.clips, "ratio": self.ratios, "seed": self.seeds}
        return all(not values or row[name] in values for name, values in conditions.items())


class MapSource:
    """The maps of an audit, finished or not, and the pixels of its clips.

    Args:
        folder: of the audit.
        chosen: which maps.

    Raises:
        UsageError: no audit lies there, or its configuration has no such data set, model or method.
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
        """The finished files of maps that may hold some of them, without those of earlier configurations."""
        found = []
        for name in sorted(tables_of(self.config)):
            if name.parts[0] == "maps" and (self.folder / name).is_file():
                values = tables.path_columns(name)
                wanted = (("dataset", "datasets"), ("model", "models"), ("method", "methods"))
                if all(not (given := getattr(self.chosen, kind)) or values[key] in given for key, kind in wanted):
                    found.append(self.folder / name)
        return found

    def rows(self, path: Path) -> Iterator[dict]:
        """The rows of a file that were chosen, with `grid`, float16 [t, h, w], and `size` of the model's clips."""
        values = tables.path_columns(path.relative_to(self.folder))
        size = self.config.clips_of(values["model"]).size
        with tables.opened("maps", path) as file, tables.explained_damage(path):
            for batch in file.iter_batches(batch_size=AT_ONCE):
                for index, row in enumerate(batch.drop_columns("grid").to_pylist()):
                    if self.chosen.takes(row):
                        yield {**row, **values, "size": size, "grid": _grid(batch["grid"][index], row)}

    def clip(self, row: dict) -> dict | None:
        """The row of `clips` that a map is of, without its pixels; None if that was not cut, or is gone."""
        key = (row["dataset"], row["size"])
        if key not in self._clips:
            self._clips[key] = self._cut(*key)
        return self._clips[key].get(row["clip_id"])

    def pixels(self, clip: dict) -> np.ndarray:
        """The frames of a clip, uint8 [T, H, W, 3]; quickly for clips in the order of their files."""
        found = np.frombuffer(self._pixels.read(clip["path"], clip["place"]), np.uint8)
        return found.reshape(len(clip["frames"]), clip["height"], clip["width"], 3)

    def _cut(self, dataset: str, size: str) -> dict[str, dict]:
        """The middle views of test clips by their name, with the file that holds them and their place in it."""
        found = {}
        for name in sorted(tables_of(self.config)):
            values = tables.path_columns(name)
            path = self.folder / name
            if name.parts[0] == "clips" and values == {"dataset": dataset, "size": size} and path.is_file():
                for place, row in enumerate(tables.read_arrow("clips", path, list(OF_CLIPS)).to_pylist()):
                    if row["view"] == "middle" and row["split"] == "test" and row["status"] == "ok":
                        found[row["clip_id"]] = {**row, "path": path, "place": place}
        return found


def full_map(row: dict) -> np.ndarray:
    """The full map of a row with its `grid`, float32 [T, H, W] in [0, 1]."""
    return arrays.full(row["grid"], row)


def _grid(value: pa.Scalar, row: dict) -> np.ndarray | None:
    """[t, h, w]; None if the row failed."""
    if row["status"] != "ok":
        return None
    return value.values.to_numpy(zero_copy_only=False).reshape(row["grid_shape"]).copy()


class _Pixels:
    """The column `pixels`, which goes on reading where it was, and holds a few values."""

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
