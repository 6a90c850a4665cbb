"""The pictures of a report: which clips and maps are shown, by rule, as strips of frames.

The rule: of each data set, the first test clip (by name) of each class that was extracted, `CLIPS` at most; of each
model and method, the map of the least seed at the ratio nearest to `RATIO`, the one that Li et al. 2021 show.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from stepaudit import heavy, pictures
from stepaudit.database import records

CLIPS, FRAMES, RATIO = 6, 8, 0.1
CHOSEN_CLIPS = f"""
    select * from (
        select * from test_clips
        where status = 'ok'
        qualify row_number() over (partition by dataset, label order by clip_id, height * width desc, size) = 1
    )
    qualify row_number() over (partition by dataset order by label) <= {CLIPS}
    order by dataset, label
"""
CHOSEN_MAPS = f"""
    select maps.*, models.size from maps
    join ({CHOSEN_CLIPS}) using (dataset, clip_id)
    join models on maps.model = models.name
    qualify row_number() over (
        partition by dataset, clip_id, model, method order by abs(ratio - {RATIO}), ratio, seed
    ) = 1
    order by model, method
"""
CHOSEN_BOXES = f"""
    select dataset, clip_id, frame, x0, y0, x1, y1 from clip_boxes
    join ({CHOSEN_CLIPS}) using (dataset, clip_id, size, view, label)
"""


@dataclass(frozen=True)
class Strip:
    """A row of frames, or why there is none (`picture` is None): `caption` says what it shows, `note` the numbers."""

    caption: str
    note: str
    picture: str | None = None


@dataclass(frozen=True)
class Example:
    """A clip: its frames first, then a strip for each model and method."""

    dataset: str
    clip_id: str
    label: str
    strips: list[Strip]


def examples(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[Example]:
    """The chosen clips of an audit, with their maps.

    Args:
        connection: to the audit's database, which says what is chosen.
        folder: of the audit, whose Parquet files hold the pixels and grids.
    """
    maps, boxes = records(connection, CHOSEN_MAPS), records(connection, CHOSEN_BOXES)
    return [
        _example(clip, [row for row in maps if _same(row, clip)], [row for row in boxes if _same(row, clip)], folder)
        for clip in records(connection, CHOSEN_CLIPS)
    ]


def _same(row: dict, clip: dict) -> bool:
    return (row["dataset"], row["clip_id"]) == (clip["dataset"], clip["clip_id"])


def _example(clip: dict, maps: list[dict], boxes: list[dict], folder: Path) -> Example:
    frames = heavy.pixels(clip, folder)
    shown = pictures.spread(len(frames), FRAMES)
    marks = clip["in_action"] and [clip["in_action"][frame] for frame in shown]
    framed = [
        [(box["x0"], box["y0"], box["x1"], box["y1"]) for box in boxes if box["frame"] == frame] for frame in shown
    ]

    def picture(share: np.ndarray | None = None) -> str:
        chosen = None if share is None else share[shown]
        return pictures.data_uri(pictures.strip(frames[shown], framed, chosen, marks))

    numbers = ", ".join(str(clip["frames"][frame]) for frame in shown)
    first = Strip("clip", f"source frames {numbers}", picture())
    return Example(
        clip["dataset"],
        clip["clip_id"],
        clip["label"],
        [first, *(_strip(row, frames.shape, folder, picture) for row in maps)],
    )


def _strip(row: dict, shape: tuple[int, ...], folder: Path, picture) -> Strip:
    ratio = "" if row["ratio"] is None else f" at ratio {row['ratio']:g}"
    caption = f"{row['method']}{ratio}, {row['model']}"
    if row["status"] != "ok":
        return Strip(caption, f"{row['status']}: {row['error']}")
    return Strip(caption, _probabilities(row), picture(_share(row, shape[:3], folder)))


def _probabilities(row: dict) -> str:
    names = {"target_probability": "probability", "kept_probability": "of the kept part"}
    return ", ".join(f"{text} {row[name]:.2f}" for name, text in names.items() if row[name] is not None)


def _share(row: dict, size: tuple[int, ...], folder: Path) -> np.ndarray:
    """The full map as it is shown, [T, H, W]; one of other clips is scaled to the size of those that are shown."""
    import torch
    from torch.nn import functional

    full = torch.from_numpy(heavy.full_map(row, folder))
    scaled = functional.interpolate(full[None, None], size=tuple(size), mode="trilinear")[0, 0].numpy()
    return pictures.shares(scaled, mask=row["kept_probability"] is not None)
