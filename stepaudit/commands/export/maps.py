"""Maps as files for other programs: NumPy archives, or videos of clip and map, with an index of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from stepaudit.commands.export.map_source import Chosen, MapSource
from stepaudit.commands.export.output_folder import OutputFolder, digest, output_folder, slug, unique_slug
from stepaudit.errors import UsageError
from stepaudit.running.progress import console
from stepaudit.store import arrays, writing
from stepaudit.store.formats import csv_lines

INDEX = "index.csv"
KEY = ("dataset", "clip_id", "model", "method", "ratio", "seed")
ABOUT = ("target", "target_probability", "kept_probability", "volume")
COLUMNS = (*KEY, *ABOUT, "status", "error")
UNITS = "importance in [0, 1]; axes: frame of the clip, row of pixels from the top, column of pixels from the left"


def write(folder: Path, out: Path, chosen: Chosen, *, format: str = "npz", force: bool = False) -> tuple[int, int]:
    """Writes the maps of an audit into a folder, a file for each, and `index.csv` with a row for each.

    A map that failed has a row without a file. Few maps are in memory at a time. The index is written last.

    Args:
        folder: of the audit, finished or not.
        chosen: selection of maps.
        format: `npz` (see `archive`) or `mp4` (the clip in grey with the map as heat).
        force: replaces existing files.

    Returns:
        Number of files written, and of maps without one.

    Raises:
        UsageError: no such audit, clip or map, or the folder is not empty.
        StorageError: the disk is full or cannot be written.
    """
    if format == "mp4":
        from stepaudit.clips import encoding

        encoding.encoder()  # refuses before anything is read
    source = MapSource(folder, chosen)
    files = source.files()
    source.require_found()
    with output_folder(out, force=force) as output:
        counts = [0, 0]
        with output.written(INDEX) as path, writing.text_file(path) as index:
            index.write(csv_lines([("file", *COLUMNS)]))
            for file in track(files, "maps", console=console, transient=True, disable=not console.is_terminal):
                for row in source.rows(file):
                    name = _write_map(source, output, row, format)
                    index.write(csv_lines([(name, *(row[key] for key in COLUMNS))]))
                    counts[name is None] += 1
            if not any(counts):
                raise UsageError(_no_maps_text(source, files))
    return counts[0], counts[1]


def archive(row: dict, frames: Sequence[int] | None) -> dict[str, Any]:
    """Arrays of a map's archive: `map`, its key, its probabilities and options, and its units.

    Args:
        row: of `maps`, with `grid` and `size`.
        frames: source frames of the clip; None if unknown.

    Returns:
        `map` is float32 [T, H, W]; names are texts, and missing numbers are NaN.
    """
    known = {name: np.array(row[name]) for name in ("dataset", "clip_id", "model", "method", "seed", "target")}
    numbers = {name: np.array(np.nan if row[name] is None else row[name], float) for name in ("ratio", *ABOUT[1:])}
    texts = {name: np.array(row[name] or "") for name in ("options", "preset", "perturbation", "upsampling")}
    source = np.array([] if frames is None else frames, np.int32)
    full = arrays.full(row["grid"], row)
    return {"map": full, **known, **numbers, **texts, "source_frames": source, "units": np.array(UNITS)}


def name_of(row: dict, format: str) -> str:
    """File name of a map within the folder: safe parts of its key, and a hash of the whole key."""
    ratio = "" if row["ratio"] is None else f"-r{row['ratio']:g}"
    folders = "/".join(unique_slug(row[name]) for name in ("dataset", "model", "method"))
    key = digest({name: row[name] for name in KEY})
    return f"{folders}/{slug(row['clip_id'])}{ratio}-s{row['seed']}-{key}.{format}"


def _write_map(source: MapSource, output: OutputFolder, row: dict, format: str) -> str | None:
    """Writes one map. Returns its file's name; None if the map failed."""
    if row["status"] != "ok":
        return None
    clip, name = source.clip(row), name_of(row, format)
    if format == "npz":
        with output.written(name) as path:
            np.savez_compressed(path, **archive(row, clip["frames"] if clip else None))
    elif clip is None:
        raise UsageError(
            f"the pixels of clip '{row['clip_id']}' are missing; run the workflow to extract them, or use --format npz"
        )
    else:
        from stepaudit.report.pictures import movie, pictures

        with output.written(name) as path:
            is_mask = row["kept_probability"] is not None
            movie.save(pictures.overlay(source.pixels(clip), arrays.full(row["grid"], row), mask=is_mask), path)
    return name


def _no_maps_text(source: MapSource, files: Sequence[Path]) -> str:
    if not files:
        return f"{source.folder}: no maps of these yet; `stepaudit status {source.folder}` says what is done"
    query = f'`stepaudit sql {source.folder} "from maps"` lists them'
    return f"no map in {len(files)} files has this clip, ratio and seed; {query}"
