"""What the database leaves in Parquet: the pixels of a clip and the full map of a row."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.errors import UsageError
from stepaudit.store.database import parquet_files
from stepaudit.store.tables import telling_damage


def pixels(clip: dict, folder: Path) -> np.ndarray:
    """The frames of a clip, uint8 [T, H, W, 3].

    Args:
        clip: row of `clips`.
        folder: of the audit.

    Raises:
        UsageError: the Parquet files are not beside the database, or are not those that it was made from.
    """
    place = folder / "clips" / f"dataset={clip['dataset']}" / f"size={clip['size']}"
    found = _value(place, "pixels", clip, ("clip_id", "view"))
    return np.frombuffer(found.as_py(), np.uint8).reshape(len(clip["frames"]), clip["height"], clip["width"], 3)


def full_map(row: dict, folder: Path) -> np.ndarray:
    """A map at the size of the clips that its model takes, float32 [T, H, W].

    Args:
        row: of `maps`, with `size` of its model.
        folder: of the audit.

    Raises:
        UsageError: the Parquet files are not beside the database, or are not those that it was made from.
    """
    return full(grid(row, folder), row)


def grid(row: dict, folder: Path) -> np.ndarray:
    """A map at its method's own resolution, float16 [t, h, w]; arguments and errors are those of `full_map`."""
    place = folder / "maps" / f"dataset={row['dataset']}" / f"model={row['model']}" / f"method={row['method']}"
    found = _value(place, "grid", row, ("clip_id", "ratio", "seed")).values.to_numpy(zero_copy_only=False)
    return found.reshape(row["grid_shape"]).copy()


def full(grid: np.ndarray, row: dict) -> np.ndarray:
    """The full map of a grid, float32 [T, H, W].

    Args:
        grid: [t, h, w].
        row: of `maps`, with `size` of its model.
    """
    import torch

    from stepaudit.maps import render

    size = tuple(int(side) for side in row["size"].split("x"))
    return render(torch.from_numpy(grid)[None], row["upsampling"], size)[0].numpy()


def _value(place: Path, column: str, row: dict, keys: tuple[str, ...]) -> pa.Scalar:
    """The column's value in the row with these keys; of the heavy column no more is read than the rows around it."""
    wanted = {key: row[key] for key in keys}
    for path in parquet_files(place):
        with telling_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                found = file.read_row_group(group, columns=list(keys)).to_pylist()
                if wanted not in found:
                    continue
                index = found.index(wanted)
                for batch in file.iter_batches(batch_size=8, row_groups=[group], columns=[column]):
                    if index < len(batch):
                        break
                    index -= len(batch)
                if batch[column][index].is_valid:
                    return batch[column][index]
    raise UsageError(
        f"{place}: no {column} of clip '{row['clip_id']}' in it; the Parquet files must lie beside audit.duckdb, "
        "and after a change `stepaudit report` makes that anew"
    )
