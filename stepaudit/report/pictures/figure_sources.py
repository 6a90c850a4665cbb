"""Sources of a figure in an audit's results: clips and maps by name, frames, boxes and probabilities."""

from collections.abc import Sequence
from pathlib import Path

from duckdb import DuckDBPyConnection

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.report.pictures import figures, pictures
from stepaudit.report.pictures.clip_frames import ClipFrames
from stepaudit.report.pictures.mask_facts import visible
from stepaudit.store import arrays
from stepaudit.store.database import records

CLIPS = """
    select test_clips.*, models.name as model, boxed.clip_id is not null as boxed
    from test_clips
    join models using (size)
    left join (select distinct dataset, clip_id, label from clip_boxes) as boxed using (dataset, clip_id, label)
    where list_contains($datasets, test_clips.dataset) and list_contains($models, models.name)
    order by list_position($datasets, test_clips.dataset), clip_id, list_position($models, models.name)
"""
MAPS = """
    select maps.*, size
    from maps
    join models on maps.model = models.name
    where list_contains($datasets, dataset) and list_contains($models, model) and list_contains($methods, method)
    order by dataset, clip_id, model, method, ratio, seed
"""
PREDICTIONS = """
    select model, label, predicted, probabilities, target_probability
    from predictions
    where dataset = $dataset and clip_id = $clip_id and list_contains($models, model) and status = 'ok'
    order by list_position($models, model)
"""
BOXES = """
    from clip_boxes
    where dataset = $dataset and clip_id = $clip_id and size = $size and view = $view and label = $label
"""


def names(connection: DuckDBPyConnection, kind: str, requested: Sequence[str]) -> list[str]:
    """The requested names, or all of the configuration in its order. Raises UsageError for an unknown one."""
    known = [row["name"] for row in records(connection, f"select name from {kind} order by rowid")]
    for name in requested:
        if name not in known:
            raise UsageError(f"the audit has no {kind[:-1]} '{name}'{did_you_mean(name, known)}")
    return list(requested) or known


def read(connection: DuckDBPyConnection, dataset: str | None, models: list[str], methods: list[str]) -> tuple:
    """Test clips as the models take them, and the maps of the methods."""
    keys = {"datasets": names(connection, "datasets", [dataset] if dataset else []), "models": models}
    return records(connection, CLIPS, keys), records(connection, MAPS, {**keys, "methods": methods})


def masking(connection: DuckDBPyConnection, requested: str | None) -> str:
    """The requested method, or the first with ratios, EP-3D before others."""
    if requested:
        return names(connection, "methods", [requested])[0]
    rows = records(connection, "select name from methods where len(ratios) > 0 order by (use = 'ep3d') desc, rowid")
    if not rows:
        raise UsageError("no method of this audit has ratios, so that there are no masks to compare")
    return rows[0]["name"]


class ShownClip:
    """Some frames of a clip as a model takes it, and rows of a figure of them."""

    def __init__(self, connection: DuckDBPyConnection, folder: Path, clip: dict, count: int):
        self.clip, self.folder = clip, folder
        key = {name: clip[name] for name in ("dataset", "clip_id", "size", "view", "label")}
        whole = ClipFrames.read(clip, records(connection, BOXES, key), folder)
        self.chosen = pictures.spread(len(whole.frames), count)
        self.shown = whole.some(self.chosen)

    def headers(self) -> figures.Headers:
        """Numbers of the frames in the clip and in the video, from 0, and marks of the action."""
        sources = [f"source {self.clip['frames'][frame]}" for frame in self.chosen]
        return figures.Headers([f"frame {frame}" for frame in self.chosen], sources, self.shown.in_action)

    def clip_row(self, notes: Sequence[str]) -> figures.Row:
        """The frames as they are."""
        return figures.Row("clip", notes, self.shown.frames, self.shown.boxes)

    def map_row(self, name: str, row: dict | None) -> figures.Row:
        """The frames with a map over them, or the reason if there is no map."""
        if row is None or row["status"] != "ok":
            return figures.Row(name, missing=f"{row['status']}: {row['error']}" if row else "no map in this audit")
        importance = arrays.full_map(row, self.folder)
        share = pictures.shares(importance, mask=row["kept_probability"] is not None)
        notes = [f"explains {row['target_name']}"] if row["target_name"] not in (None, self.clip["label"]) else []
        notes += [] if row["ratio"] is None else [f"ratio {row['ratio']:g}, reached {row['volume']:.3f}"]
        notes += visible(row)
        notes += [] if row["kept_probability"] is None else [f"keeps probability {row['kept_probability']:.3f}"]
        return figures.Row(name, notes, self.shown.frames, self.shown.boxes, share[self.chosen])


def probabilities(connection: DuckDBPyConnection, clip: dict, models: list[str]) -> list[str]:
    """Probabilities of the label on the whole clip, or, of a clip without one, the answers, by model."""
    values = {"dataset": clip["dataset"], "clip_id": clip["clip_id"], "models": models}
    return [f"{row['model']}: {_probability(row)}" for row in records(connection, PREDICTIONS, values)]


def _probability(row: dict) -> str:
    if row["label"] is None:
        return f"answers {row['predicted']}, probability {max(row['probabilities']):.3f}"
    return f"probability {row['target_probability']:.3f}"
