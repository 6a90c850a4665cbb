"""Maps of an audit and their clips, read from its Parquet files in order, a few rows at a time."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from stepaudit.audit import audit_folder
from stepaudit.audit.jobs import tables_of
from stepaudit.errors import UsageError, did_you_mean, some
from stepaudit.store import arrays, tables
from stepaudit.store.schema import TABLES

AT_ONCE = 8  # rows
LATER = dict.fromkeys(column.name for column in TABLES["maps"].columns if column.later)  # what earlier files lack
KEYS = {"clip_id": "clip", "ratio": "ratio", "seed": "seed"}
OF_CLIPS = ["clip_id", "view", "split", "frames", "height", "width", "status"]

Chosen = Mapping[str, Sequence]  # allowed values of columns of `maps`: dataset, model, method, clip_id, ratio, seed


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
        for kind in ("dataset", "model", "method"):
            known = list(getattr(self.config, f"{kind}s"))
            for name in chosen.get(kind, ()):
                if name not in known:
                    raise UsageError(f"the audit has no {kind} '{name}'{did_you_mean(name, known)}")
        self._clips_of = cache(self._test_clips)

    def files(self) -> list[Path]:
        """The finished files that may hold selected maps, without those of earlier configurations."""
        return [path for path, keys in self._files("maps") if self._includes(keys)]

    def require_found(self) -> None:
        """Raise UsageError if the selection has maps, but none of one of several clips, ratios or seeds."""
        several = {name for name in KEYS if len(set(self.chosen.get(name, ()))) > 1}
        if not several:
            return
        rows = [
            row
            for path in self.files()
            for row in tables.read_arrow("maps", path, [*KEYS]).to_pylist()
            if self._includes(row)
        ]
        for name in (name for name in KEYS if rows and name in several):
            if missing := set(self.chosen[name]) - {row[name] for row in rows}:
                listed = some(sorted(map(str, missing)))
                raise UsageError(f"none of these maps has the {KEYS[name]} {listed}; correct it, or leave it out")

    def rows(self, path: Path) -> Iterator[dict]:
        """The selected rows of a file, with `grid`, float16 [t, h, w], and `size` of the model's clips."""
        keys = tables.path_columns(path.relative_to(self.folder))
        size = self.config.clips_of(keys["model"]).size
        with tables.opened("maps", path) as file, tables.explained_damage(path):
            for batch in file.iter_batches(batch_size=AT_ONCE):
                for index, row in enumerate(batch.drop_columns("grid").to_pylist()):
                    if self._includes(row):
                        grid = arrays.shaped(batch["grid"][index], row) if row["status"] == "ok" else None
                        yield {**LATER, **row, **keys, "size": size, "grid": grid}

    def clip(self, row: dict) -> dict | None:
        """The row of `clips` of a map, without its pixels; None if the clip was not cut, or is gone."""
        return self._clips_of(row["dataset"], row["size"]).get(row["clip_id"])

    def pixels(self, clip: dict) -> np.ndarray:
        """The frames of a clip, uint8 [T, H, W, 3]."""
        return arrays.pixels(clip, self.folder, clip["path"])

    def _includes(self, row: dict) -> bool:
        """True for a row, or the keys of a file, without a value that the selection excludes."""
        return all(row[name] in allowed for name, allowed in self.chosen.items() if name in row)

    def _files(self, table: str) -> list[tuple[Path, dict[str, str]]]:
        names = [name for name in sorted(tables_of(self.config)) if name.parts[0] == table]
        return [(self.folder / name, tables.path_columns(name)) for name in names if (self.folder / name).is_file()]

    def _test_clips(self, dataset: str, size: str) -> dict[str, dict]:
        """The middle views of test clips by name, with the file that holds them."""
        return {
            row["clip_id"]: {**row, **keys, "path": path}
            for path, keys in self._files("clips")
            if keys == {"dataset": dataset, "size": size}
            for row in tables.read_arrow("clips", path, OF_CLIPS).to_pylist()
            if (row["view"], row["split"], row["status"]) == ("middle", "test", "ok")
        }
