"""Stage index: the segments and boxes of a data set, checked, with a validation part drawn."""

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import pyarrow as pa

from stepaudit.audit import sources
from stepaudit.audit.jobs import Job
from stepaudit.clips import windows
from stepaudit.clips.data_checks import annotation_doubts
from stepaudit.clips.splits import draw_groups
from stepaudit.errors import UsageError
from stepaudit.store import tables
from stepaudit.store.schema import FLOAT, INT, SPLITS, TABLES, TEXT, WINDOW

log = logging.getLogger(__name__)

REQUIRED = ("clip_id", "video_id", "path", "split")
SHOWN = 10
NAMES = {TEXT: "text", INT: "whole number below 2^31", FLOAT: "finite number"}


def run(job: Job) -> None:
    """Writes `segments` and `boxes` of a data set, a row for each row of its reader.

    Raises:
        UsageError: the reader refuses, or its rows contradict each other or the videos; the text lists the problems.
    """
    config, dataset = job.config, job.dataset
    entry = config.datasets[dataset]
    segments, boxes = _rows(config.component("datasets", dataset).load()(entry.root, **entry.options), dataset)
    trains = any(model.is_trained_on(dataset) for model in config.models.values())
    shortest = min((config.clips_of(name).frames for name in config.models), default=1)
    problems = find_problems(segments, boxes, trains=trains) or _length_problems(segments, shortest)
    problems = problems or [each.text for each in annotation_doubts(segments, boxes) if each.wrong]
    _require_none(problems, dataset, entry.root)
    for note in _unanswered_notes(job, segments):
        log.warning("data set '%s': %s", dataset, note)
    rows = with_validation(segments, entry.validation, config.seed)
    if config.clips.windows is not None:
        rows = list(windows.cut(rows, config.clips.windows))
        _require_none(_window_problems(rows, shortest), dataset, entry.root)
    tables.write(rows, "segments", job.file("segments"))
    tables.write(boxes, "boxes", job.file("boxes"))
    _save_sources(job, segments, boxes)


def _require_none(problems: list[str], dataset: str, root: Path) -> None:
    """Raise UsageError with the first of the problems, if there are any."""
    if problems:
        more = [f"… and {len(problems) - SHOWN} more"] * (len(problems) > SHOWN)
        raise UsageError("\n  ".join([f"data set '{dataset}' in {root}:", *problems[:SHOWN], *more]))


def _unanswered_notes(job: Job, segments: list[dict]) -> Iterable[str]:
    """Notes on models that give something else than the data set is annotated with."""
    gives = {name: model.gives for name, model in job.config.models.items()}
    rows_by_segment = Counter((row["video_id"], row.get("start"), row.get("stop")) for row in segments)
    several = sum(count > 1 for count in rows_by_segment.values())
    classifiers = sorted(name for name, kind in gives.items() if kind in ("softmax", "logit"))
    if several and classifiers:
        yield (
            f"{several} stretches of video have several labels, of which model '{classifiers[0]}' can name one; set "
            "`gives: sigmoid` of a model with a logit for each label"
        )
    of_values = sorted(name for name, kind in gives.items() if kind == "regression")
    if of_values and all(row.get("value") is None for row in segments if row["split"] == "test"):
        yield (
            f"no test segment has a `value`, so that the error of model '{of_values[0]}' cannot be measured; add the "
            "column (data set `folder`: in the CSV `videos` or `segments`)"
        )


def _save_sources(job: Job, segments: list[dict], boxes: list[dict]) -> None:
    """Save the data set's sources, with checksums of its files and fingerprints of its rows."""
    listed = job.config.sources(job.dataset)
    if listed.files:
        listed = listed if listed.test is None else listed.with_rows(sources.rows_of(segments, boxes))
        sources.save(listed.with_contents(), job.config.folder, job.dataset)


def find_problems(segments: list[dict], boxes: list[dict], *, trains: bool) -> list[str]:
    """Problems of the rows of a reader, a sentence each.

    Args:
        trains: whether any model is trained on them, so that each class needs training segments.
    """
    if wrong := [*_column_problems(segments, "segments"), *_column_problems(boxes, "boxes")]:
        return wrong
    empty = [f"'{row.get('clip_id')}': no {name}" for row in segments for name in REQUIRED if row.get(name) is None]
    if empty := empty or [*_unlabelled_problems(segments, trains)]:
        return empty
    return [
        *_key_problems(segments, boxes),
        *_segment_problems(segments),
        *_class_problems(segments),
        *_split_problems(segments, trains),
    ]


def _rows(read: Any, dataset: str) -> tuple[list[dict], list[dict]]:
    """Segments and boxes of a reader. Raises UsageError if it returned something else."""
    match read:
        case (list(segments), list(boxes)) if all(isinstance(row, dict) for row in (*segments, *boxes)):
            return segments, boxes
    raise UsageError(f"data set '{dataset}': its reader returned no (segments, boxes), two lists of dicts")


def _column_problems(rows: list[dict], table: str) -> Iterable[str]:
    """Columns that the table lacks, and values that are of another kind than it holds."""
    given = [column for column in TABLES[table].columns if column.name != "dataset" and column not in WINDOW]
    kinds = {column.name: column.type for column in given}
    for place, row in enumerate(rows):
        for name, value in row.items():
            if name not in kinds:
                yield f"row {place} of {table}: '{name}' is no column; the columns are {', '.join(kinds)}"
            elif value is not None and not _is_of_type(value, kinds[name]):
                yield f"row {place} of {table}: {name} is {value!r:.80}, no {NAMES[kinds[name]]}"


def _is_of_type(value: Any, kind: pa.DataType) -> bool:
    if kind == TEXT:
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return math.isfinite(value) and (kind == FLOAT or (isinstance(value, Integral) and abs(int(value)) < 2**31))


def with_validation(segments: list[dict], share: float, seed: int) -> list[dict]:
    """The rows, with a share of the training groups of each class moved to the split 'validation'.

    Every class keeps a training group, and gets a validation group if it has two or more. A row without `group` belongs
    with the other rows of its video. Nothing is drawn if the data set came with a validation split.
    """
    if share == 0 or any(row["split"] == "validation" for row in segments):
        return segments
    groups = defaultdict(set)
    for row in segments:
        if row["split"] == "train":
            groups[row["label"]].add(_group(row))
    drawn = draw_groups(groups, share, seed)
    return [
        {**row, "split": "validation"} if row["split"] == "train" and _group(row) in drawn else row for row in segments
    ]


def _group(row: dict) -> str:
    return row["video_id"] if row.get("group") is None else row["group"]


def _key_problems(segments: list[dict], boxes: list[dict]) -> Iterable[str]:
    """Clips named twice, videos with several paths, and boxes without a segment."""
    for clip_id, count in Counter(row["clip_id"] for row in segments).items():
        if count > 1:
            yield f"clip_id '{clip_id}' stands {count} times"
    for video_id, paths in _distinct_values(segments, "video_id", "path").items():
        if len(paths) > 1:
            yield f"video_id '{video_id}' has several paths: {', '.join(paths)}"
    for video_id in sorted({row["video_id"] for row in boxes} - {row["video_id"] for row in segments}):
        yield f"there are boxes, but no segment, of '{video_id}'"


def _segment_problems(segments: list[dict]) -> Iterable[str]:
    """Segments and actions that end before they begin."""
    for row in segments:
        for first, last in (("start", "stop"), ("action_start", "action_stop")):
            start, stop = row.get(first) or 0, row.get(last)
            if start < 0 or (stop is not None and stop <= start):
                yield f"'{row['clip_id']}': {first} {start} and {last} {stop} are no stretch of frames"


def _length_problems(segments: list[dict], frames: int) -> list[str]:
    """A problem if no segment has the frames of a clip, by the reader's own rows; empty if any end is unknown."""
    longest = max((inf if row.get("stop") is None else row["stop"] - (row.get("start") or 0)) for row in segments)
    if longest >= frames:
        return []
    return [
        f"no segment has the {frames} frames of a clip, the longest has {longest}; `start` and `stop` count frames, "
        "not seconds; or set `clips: {frames: …}`"
    ]


def _unlabelled_problems(segments: list[dict], trains: bool) -> Iterable[str]:
    """Segments with half a label, or without one where one is needed: a model's answer is all that they can show."""
    for row in segments:
        label, target = row.get("label"), row.get("target")
        if (label is None) != (target is None):
            yield f"'{row['clip_id']}': label {label!r} and target {target!r}; give both, or neither if it has no label"
        elif label is None and row.get("value") is None and row["split"] != "test":
            yield f"'{row['clip_id']}': no label, in the split '{row['split']}'; put it into 'test', or into a class"
    if trains and all(row.get("label") is None and row.get("value") is None for row in segments):
        yield (
            "no video has a label, so that no model can be trained: put videos into a folder for each class, or audit "
            "trained models, by `checkpoint`, or with `training: {epochs: 0}` and `outputs: all`"
        )


def _window_problems(rows: list[dict], frames: int) -> list[str]:
    """A problem if no window has the frames of a clip, or one would be there twice."""
    cut = [row for row in rows if row.get("window_of") is not None]
    longest = max((row["stop"] - row["start"] for row in cut), default=frames)
    if longest < frames:
        return [
            f"no window has the {frames} frames of a clip, the longest has {longest}; give `clips.windows` more "
            "`seconds`, or set `clips: {frames: …}`"
        ]
    names = Counter(row["clip_id"] for row in rows)
    return [f"clip_id '{name}' is that of a window and of another segment" for name in names if names[name] > 1]


def _class_problems(segments: list[dict]) -> Iterable[str]:
    """A sentence for each label or target that has several of the other, and for targets that are not 0 to K − 1."""
    segments = [row for row in segments if row.get("label") is not None]
    for target, labels in _distinct_values(segments, "target", "label").items():
        if len(labels) > 1:
            yield f"target {target} has several labels: {', '.join(labels)}"
    for label, targets in _distinct_values(segments, "label", "target").items():
        if len(targets) > 1:
            yield f"label '{label}' has several targets: {', '.join(map(str, targets))}"
    targets = sorted({row["target"] for row in segments})
    if targets != list(range(len(targets))):
        yield f"the targets are {targets}; they must count from 0 without a gap"


def _split_problems(segments: list[dict], trains: bool) -> Iterable[str]:
    """Unknown splits, no test split, and classes without a training segment."""
    splits = sorted({row["split"] for row in segments})
    yield from (f"unknown split '{split}' (known: {', '.join(SPLITS)})" for split in splits if split not in SPLITS)
    if "test" not in splits:
        yield "no segment is in the split 'test', so that there is nothing to explain"
    if trains:
        labels = _distinct_values([row for row in segments if row.get("label") is not None], "split", "label")
        every = {label for known in labels.values() for label in known}
        for label in sorted(every - set(labels.get("train", []))):
            yield f"class '{label}' has no training segment; add some, or leave the class out"


def _distinct_values(segments: list[dict], key: str, value: str) -> dict:
    """The different values of one column for each value of another."""
    pairs = sorted({(row[key], row[value]) for row in segments})
    return {key: [value for other, value in pairs if other == key] for key in dict.fromkeys(key for key, _ in pairs)}
