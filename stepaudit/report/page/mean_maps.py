"""Mean maps over clips: where the maps of a model and method lie whatever the clip shows, such as on a time stamp."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from duckdb import DuckDBPyConnection

from stepaudit.errors import UsageError
from stepaudit.report.pictures import pictures
from stepaudit.store import arrays
from stepaudit.store.database import records

MAX_CLIPS = 48
MAX_PICTURES = 60
QUALITY = 85
USES = """
    with uses as (
        select dataset, model, method, ratio, list(distinct clip_id) as clip_ids
        from maps
        where status = 'ok' and model not in (select model from controls)
        group by all
    )
    select uses.*, models.size, seeds[1] as seed
    from uses
    join models on model = models.name
    join methods on method = methods.name and not ignores_model
    qualify row_number() over (partition by dataset, model, method order by abs(ratio - 0.1), ratio) = 1
    order by dataset, models.rowid, methods.rowid
    limit $most
"""

CLIPS = """
    select clip_id from clips
    where dataset = $dataset and size = $size and split = 'test' and view = 'middle' and status = 'ok'
"""


@dataclass(frozen=True)
class MeanMap:
    """The mean map of a model and method, or with neither the mean picture of a data set's clips."""

    dataset: str
    model: str
    method: str
    facts: list[str]
    picture: str = ""
    note: str = ""


def mean_maps(connection: DuckDBPyConnection, folder: Path) -> list[MeanMap]:
    """The mean picture of each data set and size of clips, followed by the mean maps over it.

    Args:
        connection: to the audit's database.
        folder: of the audit; damaged or missing Parquet files leave a note.
    """
    made: list[MeanMap] = []
    scenes: dict[tuple[str, str], np.ndarray | None] = {}
    for use in records(connection, USES, {"most": MAX_PICTURES}):
        place = use["dataset"], use["size"]
        if place not in scenes:
            clips = records(connection, CLIPS, {"dataset": use["dataset"], "size": use["size"]})
            scenes[place] = _scene(*place, folder, {row["clip_id"] for row in clips})
            made += [_mean_picture(use["dataset"], scenes[place])]
        made.append(_mean_map_or_note(use, scenes[place], folder))
    return made


def mean_map(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over maps [T, H, W] and their frames, in times an even map, [H, W]; maps that are all 0 do not count."""
    shares = [each.mean(axis=0) / each.mean() for each in maps if each.mean() > 0]
    return np.mean(shares, axis=0) if shares else np.zeros(maps[0].shape[1:])


def half_of(importance: np.ndarray) -> float:
    """The least share of the picture that holds half of a map [H, W]; 0.5 for an even map."""
    greatest = np.sort(importance.ravel())[::-1].cumsum()
    return float((np.searchsorted(greatest, greatest[-1] / 2) + 1) / len(greatest))


def _mean_map_or_note(use: dict, scene: np.ndarray | None, folder: Path) -> MeanMap:
    """Mean of the first maps of a use over the mean picture, or a note why there is none."""
    blank = MeanMap(use["dataset"], use["model"], use["method"], [])
    try:
        maps = list(islice(arrays.full_maps(use, folder, set(use["clip_ids"])), MAX_CLIPS))
    except UsageError as error:
        return replace(blank, note=str(error).replace(f"{folder}/", "").replace(str(folder), "<audit>"))
    if not maps:
        return replace(blank, note="no map of its first seed")
    mean = mean_map(maps)
    picture = np.full((*mean.shape, 3), 128, np.uint8) if scene is None else scene
    drawn = pictures.data_uri(pictures.sheet(pictures.overlay(picture[None], mean[None])), QUALITY)
    return replace(blank, facts=_facts(use["ratio"], len(maps), mean), picture=drawn)


def _facts(ratio: float | None, clips: int, mean: np.ndarray) -> list[str]:
    facts = [] if ratio is None else [f"ratio {ratio:.3g}"]
    half = f"half of it lies in {100 * half_of(mean):.0f} % of the picture (even: 50 %)"
    return [*facts, f"mean of {clips} clips" if clips > 1 else "1 clip", *([half] if mean.any() else [])]


def _scene(dataset: str, size: str, folder: Path, clip_ids: set[str]) -> np.ndarray | None:
    """Mean picture of the test clips, uint8 [H, W, 3]; None if there are no pixels."""
    try:
        shown = islice(arrays.some_pixels(dataset, size, folder, clip_ids), MAX_CLIPS)
        clips = [frames.mean(axis=0) for _, frames in shown]
    except UsageError:
        return None
    return np.mean(clips, axis=0).round().astype(np.uint8) if clips else None


def _mean_picture(dataset: str, scene: np.ndarray | None) -> MeanMap:
    if scene is None:
        return MeanMap(dataset, "", "", [], note="no pixels of the clips")
    return MeanMap(dataset, "", "", [], pictures.data_uri(pictures.sheet(scene[None]), QUALITY))
