"""Frames, heat maps and rows of clips as a data set that FiftyOne opens; its package is not needed to write it.

The layout is FiftyOne's `LegacyFiftyOneDataset`, which its importer of `FiftyOneDataset` takes, too: `metadata.json`,
`samples.json` with a sample for each frame, frames as PNG below `data/`, and heat maps as PNG below `fields/FIELD/`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from duckdb import DuckDBPyConnection
from PIL import Image

from stepaudit.commands.export.map_source import Chosen, MapSource
from stepaudit.commands.export.output_folder import OutputFolder, digest, output_folder, unique_slug
from stepaudit.errors import UsageError
from stepaudit.report.page import gallery_sources
from stepaudit.store import arrays, database, writing

WHITE = 255  # the value of a pixel that stands for an importance of 1
CLIPS = "select distinct dataset, clip_id from test_clips where status = 'ok'"
PREDICTIONS = "select * from predictions where status = 'ok'"
SEARCHES = "select dataset, clip_id, model, method, bound, lower, upper from label_searches"
SCORES = "select dataset, clip_id, model, method, ratio, seed, metric, frame, value from scores where value is not null"
OPEN = "fo.Dataset.from_dir(dataset_dir={!r}, dataset_type=fo.types.LegacyFiftyOneDataset)"

Key = tuple[str, str]  # data set and clip


@dataclass
class Clip:
    """A clip in one size: its row of `clips`, and rows of `maps` by field of the samples."""

    row: dict
    maps: dict[str, dict] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """Numbers of clips that were written, of those that could be, of frames and heat maps, and of maps that failed."""

    clips: int
    of: int
    frames: int
    maps: int
    failed: int


@dataclass(frozen=True)
class Rows:
    """Rows of the chosen clips: predictions and searches by clip, scores by clip and field."""

    predictions: Mapping[tuple, list[dict]]
    searches: Mapping[tuple, list[dict]]
    scores: Mapping[tuple, list[dict]]


def write(folder: Path, out: Path, chosen: Chosen, *, every: bool = False, force: bool = False) -> Written:
    """Write clips of an audit with their maps and rows.

    Args:
        folder: of the audit, with its report.
        out: new or empty, unless `force` is given.
        chosen: selection of maps; without `clip_id` the clips of the page's gallery.
        every: all clips, in the place of those.

    Raises:
        UsageError: no such audit, clip or map, it has no report, or the folder is not empty.
        StorageError: the disk is full or cannot be written.
    """
    source = MapSource(folder, chosen)
    source.require_found()
    with database.connect(folder) as connection:
        known = {_key(row) for row in database.records(connection, CLIPS)}
        in_gallery = {_key(row) for row in gallery_sources.choices(connection)}
        clips, failed = _clips(source, known if every or "clip_id" in chosen else in_gallery)
        if not clips:
            raise UsageError(f"no map of these clips in {folder}; choose others with --clip, or --all")
        rows = _rows(connection, sorted({clip_id for _, clip_id, _ in clips}))
    with output_folder(out, force=force) as output:
        samples = [sample for clip in clips.values() for sample in _samples(source, output, clip, rows)]
        about = {"name": source.config.audit, "media_type": "image", "info": _info(source)}
        _write_json(output, "metadata.json", about)
        _write_json(output, "samples.json", {"samples": samples})
    maps = sum(len(clip.maps) * len(clip.row["frames"]) for clip in clips.values())
    return Written(len({key[:2] for key in clips}), len(known), len(samples), maps, failed)


def opening(out: Path) -> str:
    """The line of Python that opens the folder."""
    return OPEN.format(str(out))


def field_of(row: Mapping[str, Any]) -> str:
    """Name of a map's field in the samples: letters, digits and `_`."""
    ratio = "" if row["ratio"] is None else f"_r{row['ratio']:g}".replace(".", "p").replace("-", "m")
    return name_of(f"{row['model']}_{row['method']}{ratio}" + (f"_s{row['seed']}" if row["seed"] else ""))


def name_of(text: str) -> str:
    """A text as the name of a field: `__` stands for a full stop; with a hash if other signs are lost."""
    name = text.replace(".", "__")
    if "__" not in text and re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        return name
    return f"f_{re.sub(r'[^0-9A-Za-z_]', '_', text)}_{digest(text)}"


def _key(row: Mapping[str, Any]) -> Key:
    return row["dataset"], row["clip_id"]


def _clips(source: MapSource, chosen: set[Key]) -> tuple[dict[tuple[str, str, str], Clip], int]:
    """The clips that have maps, by data set, name and size, and the number of their maps that cannot be shown."""
    clips: dict[tuple[str, str, str], Clip] = {}
    failed = 0
    for file in source.files():
        for row in source.rows(file):
            if _key(row) not in chosen:
                continue
            clip = source.clip(row) if row["status"] == "ok" else None
            if clip is None:
                failed += 1
            else:
                _add(clips.setdefault((*_key(row), row["size"]), Clip(clip)).maps, row)
    return dict(sorted(clips.items())), failed


def _add(maps: dict[str, dict], row: dict) -> None:
    """Add a map by its field. Raises UsageError if another one has it, as of model a with b_c and of a_b with c."""
    name = field_of(row)
    if name in maps:
        both = " and ".join(f"'{each['model']}' by '{each['method']}'" for each in (maps[name], row))
        raise UsageError(f"maps of {both} would have one field, {name}; export one of them, by --model or --method")
    maps[name] = row


def _rows(connection: DuckDBPyConnection, clip_ids: Sequence[str]) -> Rows:
    answers, searches, scores = (
        database.records(connection, f"from ({sql}) where list_contains($clips, clip_id)", {"clips": clip_ids})
        for sql in (PREDICTIONS, SEARCHES, SCORES)
    )
    return Rows(_by(_key, answers), _by(_key, searches), _by(lambda row: (*_key(row), field_of(row)), scores))


def _by(key: Callable[[dict], tuple], rows: Sequence[dict]) -> Mapping[tuple, list[dict]]:
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _samples(source: MapSource, output: OutputFolder, clip: Clip, rows: Rows) -> Iterator[dict]:
    """A sample for each frame of a clip, whose pictures are written; the maps of one clip are in memory at a time."""
    first = next(iter(clip.maps.values()))
    place = f"{unique_slug(first['dataset'])}/{unique_slug(first['clip_id'])}-{first['size']}"
    same = _clip_fields(rows, _key(first), {row["model"] for row in clip.maps.values()})
    full = {name: arrays.full(row["grid"], row) for name, row in clip.maps.items()}
    for frame, pixels in enumerate(source.pixels(clip.row)):
        end = f"{place}-{frame:03d}.png"
        picture = _write_picture(output, f"data/{end}", pixels)
        sample: dict[str, Any] = {"filepath": picture, "tags": ["test"], "metadata": None}
        sample |= {"dataset": first["dataset"], "clip_id": first["clip_id"], "size": first["size"]}
        sample |= {"frame": frame, "source_frame": clip.row["frames"][frame], **same}
        for name, row in clip.maps.items():
            sample[name] = _heatmap(output, f"fields/{name}/{end}", row, full[name], frame)
            sample |= _scores(rows.scores[*_key(row), name], name, frame)
        yield sample


def _clip_fields(rows: Rows, key: Key, models: set[str]) -> dict[str, Any]:
    """Label, answers, probabilities and minimum ratios of a clip."""
    answers = [row for row in rows.predictions[key] if row["model"] in models]
    label = next((row["label"] for row in answers), None)
    about: dict[str, Any] = {"label": _classification(label)}
    for row in answers:
        answer = row["predicted"] or (row["label"] if row["rank"] == 1 else None)
        sure = max(row["probabilities"] or [], default=None)
        about[name_of(f"{row['model']}_answer")] = _classification(answer, sure)
        about[name_of(f"{row['model']}_label_probability")] = row["target_probability"]
    for row in rows.searches[key]:
        if row["model"] in models:
            start = f"{row['model']}_{row['method']}_{row['bound']}_needs"
            about |= {name_of(f"{start}_more_than"): row["lower"], name_of(f"{start}_at_most"): row["upper"]}
    return about


def _classification(name: str | None, confidence: float | None = None) -> dict | None:
    """FiftyOne's `Classification`."""
    return None if name is None else {"_cls": "Classification", "tags": [], "label": name, "confidence": confidence}


def _heatmap(output: OutputFolder, name: str, row: dict, full: np.ndarray, frame: int) -> dict:
    """FiftyOne's `Heatmap` of a frame, whose colours run from 0 to the greatest value of the clip's map.

    Args:
        full: the map, [T, H, W] in [0, 1].
    """
    path = _write_picture(output, name, np.rint(WHITE * full[frame]).astype(np.uint8))
    greatest = max(1, round(WHITE * float(full.max())))
    return {"_cls": "Heatmap", "tags": [], "map_path": path, "range": [0, greatest], "explains": row["target_name"]}


def _scores(rows: Sequence[dict], name: str, frame: int) -> dict[str, float]:
    """Scores of a map at a frame: of the frame, or of the whole clip."""
    return {name_of(f"{name}_{row['metric']}"): row["value"] for row in rows if row["frame"] in (None, frame)}


def _write_picture(output: OutputFolder, name: str, picture: np.ndarray) -> str:
    """Write a PNG. Returns its name."""
    with output.written(name) as path:
        Image.fromarray(picture).save(path, format="png")
    return name


def _write_json(output: OutputFolder, name: str, content: dict) -> None:
    with output.written(name) as path, writing.text_file(path) as file:
        file.write(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def _info(source: MapSource) -> dict[str, str]:
    return {
        "audit": source.config.audit,
        "heat": f"a pixel of a heat map is {WHITE} times the importance; one range for all frames of a clip",
        "frames": 'a sample is a frame: group_by("clip_id", order_by="frame") plays them',
    }
