"""What the database leaves in Parquet: the pixels of a clip and the full map of a row."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.database import parquet_files
from stepaudit.errors import UsageError
from stepaudit.tables import telling_damage


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
    import torch

    from stepaudit.maps import render

    place = folder / "maps" / f"dataset={row['dataset']}" / f"model={row['model']}" / f"method={row['method']}"
    grid = _value(place, "grid", row, ("clip_id", "ratio", "seed")).values.to_numpy(zero_copy_only=False)
    seeds = torch.from_numpy(grid.reshape(1, *row["grid_shape"]).copy())
    size = tuple(int(side) for side in row["size"].split("x"))
    return render(seeds, row["upsampling"], size)[0].numpy()


def _value(place: Path, column: str, row: dict, keys: tuple[str, ...]) -> pa.Scalar:
    for path in parquet_files(place):
        with telling_damage(path):
            found = pq.read_table(
                path,
                columns=[*keys, column],
                filters=[("clip_id", "==", row["clip_id"])],
                partitioning=None,
                page_checksum_verification=True,
            )
        for index, candidate in enumerate(found.select(list(keys)).to_pylist()):
            if candidate == {key: row[key] for key in keys}:
                return found[column][index]
    raise UsageError(
        f"{place}: no {column} of clip '{row['clip_id']}' in it; the Parquet files must lie beside audit.duckdb, "
        "and after a change `stepaudit report` makes that anew"
    )
