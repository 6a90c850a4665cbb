"""Maps as files for other programs: NumPy archives, or videos of clip and map, with an index of them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from stepaudit.commands.export import places
from stepaudit.commands.export.map_source import Chosen, MapSource, full_map
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store.formats import csv_lines

INDEX = "index.csv"
KEY = ("dataset", "clip_id", "model", "method", "ratio", "seed")
ABOUT = ("target", "target_probability", "kept_probability", "volume")
FORMATS = ("npz", "mp4")
UNITS = "importance in [0, 1]; axes: frame of the clip, row of pixels from the top, column of pixels from the left"


def write(
    folder: Path,
    out: Path,
    chosen: Chosen,
    *,
    format: str = "npz",
    force: bool = False,
    track: Callable[[Sequence], Iterator] = iter,
) -> tuple[int, int]:
    """Writes the maps of an audit into a folder, a file for each, and `index.csv` with a row for each.

    A map that failed has a row without a file. Few maps are in memory at a time. The index is written last.

    Args:
        folder: of the audit, which need not be finished.
        chosen: which maps.
        format: `npz` (see `arrays`) or `mp4` (the clip in grey with the map as heat).
        force: replaces files that are there.
        track: tells how many of a sequence are done.

    Returns:
        How many files were written, and how many maps have none.

    Raises:
        UsageError: no such audit, format, clip or map, or the folder holds something.
        StorageError: the disk is full or cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"no format '{format}'{did_you_mean(format, list(FORMATS))}")
    source = MapSource(folder, chosen)
    files = source.files()
    with places.place(out, force=force) as place:
        counts = [0, 0]
        with place.written(INDEX) as path, path.open("w", encoding="utf-8", newline="") as index:
            index.write(csv_lines([("file", *KEY, *ABOUT, "status", "error")]))
            for file in track(files):
                for row in source.rows(file):
                    name = _write(source, place, row, format)
                    index.write(csv_lines([(name, *(row[key] for key in (*KEY, *ABOUT, "status", "error")))]))
                    counts[name is None] += 1
            if not any(counts):
                raise UsageError(_none(source, files))
    return counts[0], counts[1]


def arrays(row: dict, frames: Sequence[int] | None) -> dict[str, np.ndarray]:
    """What an archive holds of a map: `map`, its key, what is known of it, and its units.

    Args:
        row: of `maps`, with `grid` and `size`.
        frames: source frames of the clip; None if they are not known.

    Returns:
        `map` is float32 [T, H, W]; names are texts, and numbers that are missing are NaN.
    """
    known = {name: np.array(row[name]) for name in ("dataset", "clip_id", "model", "method", "seed", "target")}
    numbers = {name: np.array(np.nan if row[name] is None else row[name], float) for name in ("ratio", *ABOUT[1:])}
    texts = {name: np.array(row[name] or "") for name in ("options", "preset", "perturbation", "upsampling")}
    source = np.array([] if frames is None else frames, np.int32)
    return {"map": full_map(row), **known, **numbers, **texts, "source_frames": source, "units": np.array(UNITS)}


def name_of(row: dict, format: str) -> str:
    """Name of a map's file within the folder: what names it, made harmless, and a hash of all that it is known by."""
    key = {name: row[name] for name in KEY}
    ratio = "" if row["ratio"] is None else f"-r{row['ratio']:g}"
    folders = "/".join(places.unique_slug(row[name]) for name in ("dataset", "model", "method"))
    return f"{folders}/{places.slug(row['clip_id'])}{ratio}-s{row['seed']}-{places.digest(key)}.{format}"


def _write(source: MapSource, place: places.Place, row: dict, format: str) -> str | None:
    """Writes one map. Returns its file's name; None if the map failed."""
    if row["status"] != "ok":
        return None
    clip = source.clip(row)
    if format == "mp4" and clip is None:
        raise UsageError(
            f"the pixels of clip '{row['clip_id']}' are not there; cut them with the workflow, or take --format npz"
        )
    name = name_of(row, format)
    with place.written(name) as path:
        if format == "mp4":
            _film(source, clip, row, path)
        else:
            np.savez_compressed(path, **arrays(row, clip and clip["frames"]))
    return name


def _film(source: MapSource, clip: dict, row: dict, path: Path) -> None:
    from stepaudit.report.pictures import movie, overlay

    movie.save(overlay.render(source.pixels(clip), full_map(row), mask=row["kept_probability"] is not None), path)


def _none(source: MapSource, files: Sequence[Path]) -> str:
    if not files:
        return f"{source.folder}: no maps of these yet; `stepaudit status {source.folder}` says what is done"
    asked = f'`stepaudit sql {source.folder} "from maps"` lists them'
    return f"no map in {len(files)} files has this clip, ratio and seed; {asked}"
