"""Heavy columns, in Parquet files alone: the pixels of a clip and the grid of a map."""

from collections.abc import Iterable, Iterator, Mapping, Set
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.errors import UsageError
from stepaudit.store.plain_files import require_inside, require_plain
from stepaudit.store.tables import explained_damage, parquet_files


def pixels(clip: dict, folder: Path, file: Path | None = None) -> np.ndarray:
    """Frames of a clip, uint8 [T, H, W, 3].

    Args:
        clip: row of `clips`.
        folder: of the audit.
        file: that holds the row, if it is known.

    Raises:
        UsageError: the Parquet files do not lie beside the database, or have changed since it was made.
    """
    place = _clips_folder(clip["dataset"], clip["size"], folder)
    files = [file] if file else _files(place, folder)
    value = _value(place, files, "pixels", clip, ("clip_id", "view"))
    return np.frombuffer(value.as_py(), np.uint8).reshape(len(clip["frames"]), clip["height"], clip["width"], 3)


def full_map(row: dict, folder: Path) -> np.ndarray:
    """Map in the size of its model's clips, float32 [T, H, W].

    Args:
        row: of `maps`, with `size` of its model.
        folder: of the audit.

    Raises:
        UsageError: the Parquet files do not lie beside the database, or have changed since it was made.
    """
    return full(grid(row, folder), row)


def grid(row: dict, folder: Path) -> np.ndarray:
    """Map in its method's own resolution, float16 [t, h, w]; arguments and errors as for `full_map`."""
    place = folder / "maps" / f"dataset={row['dataset']}" / f"model={row['model']}" / f"method={row['method']}"
    return shaped(_value(place, _files(place, folder), "grid", row, ("clip_id", "ratio", "seed")), row)


def full_maps(use: dict, folder: Path, clip_ids: Set[str]) -> Iterator[np.ndarray]:
    """Full maps of a model and method, float32 [T, H, W], in the order of the files; errors as for `full_map`.

    Args:
        use: `dataset`, `model`, `method`, `size` of the model's clips, and the `ratio` and `seed` of the maps.
        folder: of the audit.
        clip_ids: clips of the maps.
    """
    place = folder / "maps" / f"dataset={use['dataset']}" / f"model={use['model']}" / f"method={use['method']}"
    asked = {"ratio": use["ratio"], "seed": use["seed"], "status": "ok"}
    rows = _rows(_files(place, folder), asked, ["clip_id", "grid", "grid_shape", "upsampling"])
    for row in _each_once(rows, clip_ids):
        if row["grid"].is_valid:
            values = {name: row[name].as_py() for name in ("grid_shape", "upsampling")} | {"size": use["size"]}
            yield full(shaped(row["grid"], values), values)


def some_pixels(dataset: str, size: str, folder: Path, clip_ids: Set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Names and frames, uint8 [T, H, W, 3], of test clips of a size, in the order of the files; errors as for `pixels`.

    Pixels of another size are left out, and files without any of these clips are not read.
    """
    shape = (*map(int, size.split("x")), 3)
    asked = {"view": "middle", "split": "test", "status": "ok"}
    files = (path for path in _files(_clips_folder(dataset, size, folder), folder) if _has_any(path, clip_ids))
    for row in _each_once(_rows(files, asked, ["clip_id", "pixels"]), clip_ids):
        pixels = row["pixels"].as_py()
        if pixels is not None and len(pixels) == prod(shape):
            yield row["clip_id"].as_py(), np.frombuffer(pixels, np.uint8).reshape(shape)


def _has_any(path: Path, clip_ids: Set[str]) -> bool:
    with explained_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        return not clip_ids.isdisjoint(file.read(columns=["clip_id"])["clip_id"].to_pylist())


def _each_once(rows: Iterable[dict[str, pa.Scalar]], clip_ids: Set[str]) -> Iterator[dict[str, pa.Scalar]]:
    """The first row of each of these clips: behind the shards may lie those of an earlier, larger number of them."""
    left = set(clip_ids)
    for row in rows:
        if (clip_id := row["clip_id"].as_py()) in left:
            left.remove(clip_id)
            yield row


def _clips_folder(dataset: str, size: str, folder: Path) -> Path:
    return folder / "clips" / f"dataset={dataset}" / f"size={size}"


def _rows(files: Iterable[Path], asked: Mapping[str, object], columns: list[str]) -> Iterator[dict[str, pa.Scalar]]:
    """Columns of the rows of Parquet files that have these values, a few in memory at a time."""
    for path in files:
        with explained_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                is_asked = [row == asked for row in file.read_row_group(group, columns=list(asked)).to_pylist()]
                if not any(is_asked):
                    continue
                start = 0
                for batch in file.iter_batches(batch_size=8, row_groups=[group], columns=columns):
                    chosen = batch.filter(pa.array(is_asked[start : start + len(batch)]))
                    yield from ({name: chosen[name][index] for name in columns} for index in range(len(chosen)))
                    start += len(batch)


def needed_grid(row: dict, folder: Path) -> np.ndarray:
    """Seed masks of the smallest piece of a row of `preservation`, float16 [t, h, w]; errors as for `full_map`."""
    place = folder / "preservation" / f"dataset={row['dataset']}" / f"model={row['model']}" / f"method={row['method']}"
    return shaped(_value(place, _files(place, folder), "grid", row, ("clip_id", "bound", "asked_class", "seed")), row)


def crisp_mask(grid: np.ndarray, row: dict) -> np.ndarray:
    """Mask of such seed masks as the model was shown it, float32 [T, H, W].

    Args:
        row: of `preservation`, with `size` of its model.
    """
    import torch

    from stepaudit.maps import crisp_masks

    frames, height, width = map(int, row["size"].split("x"))
    size, ratios = (frames, height, width), [row["shown_ratio"]]
    return crisp_masks(torch.from_numpy(grid)[None], row["upsampling"], size, ratios)[0].numpy()


def _files(place: Path, folder: Path) -> list[Path]:
    """Parquet files at a place within an audit's folder. Raises UsageError if a link leads out of it."""
    require_inside(folder, place)
    require_plain(place)
    return parquet_files(place)


def shaped(grid: pa.Scalar, row: dict) -> np.ndarray:
    """Flat grid of a row of `maps` as float16 [t, h, w]."""
    return grid.values.to_numpy(zero_copy_only=False).reshape(row["grid_shape"]).copy()


def full(grid: np.ndarray, row: dict) -> np.ndarray:
    """Full map of a grid, float32 [T, H, W].

    Args:
        grid: [t, h, w].
        row: of `maps`, with `size` of its model.
    """
    import torch

    from stepaudit.maps import render

    frames, height, width = map(int, row["size"].split("x"))
    return render(torch.from_numpy(grid)[None], row["upsampling"], (frames, height, width))[0].numpy()


def _value(place: Path, files: list[Path], column: str, row: dict, keys: tuple[str, ...]) -> pa.Scalar:
    """Value of a heavy column in the row with these keys. Only the rows around it are read."""
    key = {name: row[name] for name in keys}
    for path in files:
        with explained_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=list(keys)).to_pylist()
                if key not in rows:
                    continue
                index = rows.index(key)
                for batch in file.iter_batches(batch_size=8, row_groups=[group], columns=[column]):
                    if index < len(batch):
                        break
                    index -= len(batch)
                if batch[column][index].is_valid:
                    return batch[column][index]
    raise UsageError(
        f"{place}: no {column} of clip '{row['clip_id']}' in it; put the Parquet files beside audit.duckdb, "
        "and run `stepaudit report` again if they have changed"
    )
