"""The list of test clips on the page: a frame of each with the models' answers, for `reports/clips.js` to browse."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
from duckdb import DuckDBPyConnection
from PIL import Image

from stepaudit.errors import UsageError
from stepaudit.report.page.gallery_sources import key_of
from stepaudit.report.pictures import pictures
from stepaudit.store import arrays
from stepaudit.store.database import records

MAX_CLIPS = 1000
SHEET = 60  # clips of a picture, and of a page of the list
SIDE = 72  # px, height of a frame
QUALITY = 60
LISTED = """
    with answers as (
        select dataset, clip_id, model, answer, round(answer_probability::double, 2) as probability,
            answer = label as is_right
        from given_answers
        union all
        select dataset, clip_id, model, predicted, round(list_max(probabilities)::double, 2), null
        from predictions
        where label is null and status = 'ok' and predicted is not null and model not in (select model from controls)
    ),
    by_clip as (
        select dataset, clip_id, count(*) filter (not is_right) as wrong,
            list({'model': model, 'answer': answer, 'probability': probability, 'is_right': is_right} order by model)
                as answers
        from answers
        group by all
    ),
    cut as (
        select dataset, clip_id, label, arg_min(size, height * width) as size
        from test_clips
        where status = 'ok'
        group by all
    ),
    chosen as (
        select cut.*, coalesce(answers, []) as answers, count(*) over () as clips
        from cut
        left join by_clip using (dataset, clip_id)
        order by coalesce(wrong, 0) desc, dataset, clip_id
        limit $most
    )
    from chosen order by dataset, size, label nulls last, clip_id
"""


@dataclass(frozen=True)
class ClipList:
    """The clips of the list for the page's script, and how many test clips there are."""

    data: dict
    clips: int

    @property
    def left_out(self) -> int:
        """Number of test clips that are not in the list."""
        return self.clips - len(self.data["clips"])

    @property
    def has_right_answers(self) -> bool:
        """True if it is known of an answer whether it is right."""
        return any(answer[3] is not None for clip in self.data["clips"] for answer in clip["answers"])

    def __bool__(self) -> bool:
        return bool(self.data["clips"])


def clip_list(connection: DuckDBPyConnection, folder: Path, anchors: Mapping[tuple[str, str], str]) -> ClipList:
    """At most `MAX_CLIPS` test clips, those that most models get wrong first, in the order of data sets and classes.

    Args:
        connection: to the audit's database.
        folder: of the audit; clips without pixels there have no picture.
        anchors: HTML ids of clips that stand in the gallery, by data set and clip.
    """
    rows = records(connection, LISTED, {"most": MAX_CLIPS})
    frames = _frames(rows, folder)
    sheets: list[dict] = []
    places: dict[tuple[str, str], list[int]] = {}
    for _, group in groupby(rows, itemgetter("dataset", "size")):
        shown = [key_of(row) for row in group if key_of(row) in frames]
        for first in range(0, len(shown), SHEET):
            keys = shown[first : first + SHEET]
            places |= {key: [len(sheets), place] for place, key in enumerate(keys)}
            sheets.append(_sheet([frames[key] for key in keys]))
    clips = [_entry(row, anchors.get(key_of(row)), places.get(key_of(row))) for row in rows]
    return ClipList({"page": SHEET, "sheets": sheets, "clips": clips}, rows[0]["clips"] if rows else 0)


def _entry(row: dict, anchor: str | None, place: Sequence[int] | None) -> dict:
    """An entry of the list; `place` is that of its frame in the sheets."""
    answers = [list(each.values()) for each in row["answers"]]
    names = {name: row[name] for name in ("dataset", "clip_id", "label")}
    return names | {"anchor": anchor, "place": place, "answers": answers}


def _frames(rows: Iterable[dict], folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """The middle frame of each clip, uint8 [h, w, 3], by data set and clip; without those that cannot be read."""
    frames = {}
    for (dataset, size), group in groupby(rows, itemgetter("dataset", "size")):
        try:
            for clip_id, clip in arrays.some_pixels(dataset, size, folder, {row["clip_id"] for row in group}):
                frames[dataset, clip_id] = _reduced(clip[len(clip) // 2])
        except UsageError:
            continue  # the gallery says it
    return frames


def _reduced(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    size = (max(1, round(width * SIDE / height)), SIDE)
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)) if height > SIDE else frame


def _sheet(frames: Sequence[np.ndarray]) -> dict:
    height, width = frames[0].shape[:2]
    uri = pictures.data_uri(pictures.sheet(np.stack(frames)), QUALITY)
    return {
        "picture": uri,
        "columns": pictures.sheet_columns(len(frames)),
        "count": len(frames),
        "size": [width, height],
    }
