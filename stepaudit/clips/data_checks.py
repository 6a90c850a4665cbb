"""Doubts about a data set, from its rows and a sample of its videos, before anything runs."""

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from stepaudit.clips import decoding, near_duplicates
from stepaudit.clips.geometry import Geometry
from stepaudit.clips.misfits import EDGES, enclosing_box, misfit
from stepaudit.errors import BadVideoError, some
from stepaudit.store.schema import SPLITS

SAMPLE = 4  # annotated videos that are decoded
SECONDS = 20.0  # for each of them
SIDE = 16  # pixels that their frames are scaled to, only to be counted
CORNER = 0.5  # of width and height; boxes that all lie in the corner of this size may be of a smaller picture
LARGER = 30  # times the median size of a video file
NEAR = 3  # training videos before and after a test video, by name, that it is compared with
ROWS = 20  # classes of a table
BEGINNING = 2**16  # bytes by which files of one size are compared


@dataclass(frozen=True)
class Doubt:
    """Sentence with its next step. `wrong`: an audit would give wrong or no values; else it only may."""

    text: str
    wrong: bool = False


def doubts(segments: list[dict], boxes: list[dict]) -> list[Doubt]:
    """All doubts about the rows of a data set's reader, whose videos lie on this machine."""
    return [
        *annotation_doubts(segments, boxes),
        *(Doubt(text) for text in _label_doubts(segments, boxes)),
        *(Doubt(text) for text in _class_doubts(segments)),
        *(Doubt(text) for text in _size_doubts(segments)),
        *(Doubt(text) for text in _twin_doubts(segments)),
        *(Doubt(text) for text in _split_video_doubts(segments)),
        *(Doubt(text) for text in _duplicate_doubts(segments)),
    ]


def class_table(segments: list[dict]) -> list[str]:
    """Number of segments of each class and split, as lines of a table with a header."""
    splits = [split for split in SPLITS if any(row["split"] == split for row in segments)]
    counts = Counter((row["label"], row["split"]) for row in segments)
    labels = sorted({row["label"] for row in segments}, key=lambda label: (label is None, label))
    rows = [[label or "without a class", *(str(counts[label, split]) for split in splits)] for label in labels[:ROWS]]
    if rest := labels[ROWS:]:
        of_rest = [sorted(counts[label, split] for label in rest) for split in splits]
        rows.append([f"{len(rest)} more", *(f"{each[0]} to {each[-1]}" for each in of_rest)])
    table = [["class", *splits], *rows]
    first, *others = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join([label.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, others, strict=True))])
        for label, *cells in table
    ]


def annotation_doubts(segments: list[dict], boxes: list[dict]) -> Iterator[Doubt]:
    """Boxes and actions of a sample of annotated segments that cannot belong to the videos, or that may not.

    It is wrong if it is so for every segment of the sample; else single rows will have the status `no_annotation`.
    """
    boxed = {row["video_id"] for row in boxes}
    annotated = [row for row in segments if row["video_id"] in boxed or row["action_stop"] is not None]
    sample = _sample([row for row in annotated if row["split"] == "test"] or annotated)
    by_frame = _boxes_by_frame(boxes, {row["video_id"] for row in sample})
    opened = [(row, seen) for row in sample if (seen := _video_size(Path(row["path"]), row["stop"]))]
    checked = [(row["video_id"], misfit(row, by_frame[row["video_id"]], *seen)) for row, seen in opened]
    if errors := [f"{name}: {error}" for name, error in checked if error]:
        text = f"annotation of {len(errors)} of {len(opened)} segments opened cannot be used: {errors[0]}"
        yield Doubt(text, wrong=len(errors) == len(opened))
    else:
        boxed_videos = [(by_frame[row["video_id"]], height, width) for row, (height, width, _) in opened]
        yield from map(Doubt, _corner_doubts(boxed_videos))


def _corner_doubts(videos: list[tuple[dict[int, list[dict]], int, int]]) -> Iterator[str]:
    """Yield a doubt if all boxes lie near the top left corner, as those in pixels of smaller pictures do."""
    shares = []
    for boxes, height, width in videos:
        if boxes:
            rows = [tuple(row[edge] for edge in EDGES) for of_frame in boxes.values() for row in of_frame]
            _, _, right, bottom = enclosing_box(rows)
            shares.append((right / width, bottom / height))
    across, down = (max(values) for values in zip(*shares, strict=True)) if shares else (1, 1)
    if len(shares) > 1 and max(across, down) < CORNER:
        yield (
            f"no box in {len(shares)} videos reaches beyond {100 * across:.0f} % of the width and {100 * down:.0f} % "
            "of the height; if they were drawn on smaller pictures, scale them to the videos' own pixels"
        )


def _label_doubts(segments: list[dict], boxes: list[dict]) -> Iterator[str]:
    """Test segments whose video has boxes, but none with the segment's label."""
    labels, of_video = {row["label"] for row in boxes}, defaultdict(set)
    for row in boxes:
        of_video[row["video_id"]].add(row["label"])
    segments = _labelled(segments)
    tested = [row for row in segments if row["split"] == "test" and of_video[row["video_id"]]]
    other = [row for row in tested if row["label"] not in of_video[row["video_id"]]]
    if other:
        shown = some(sorted(labels - {row["label"] for row in segments}) or sorted(labels))
        yield (
            f"{len(other)} of {len(tested)} test segments with boxes have none of their own class, such as "
            f"{other[0]['video_id']} (labels that are no class: {shown}); scores on boxes are then `no_annotation`: "
            "leave the column `label` empty where a box shows the object of the class"
        )


def _class_doubts(segments: list[dict]) -> Iterator[str]:
    labels = sorted({row["label"] for row in _labelled(segments)})
    for split, meaning in (("test", "are not explained"), ("train", "cannot be learned")):
        present = {row["label"] for row in segments if row["split"] == split}
        if present and (missing := [label for label in labels if label not in present]):
            yield f"classes without a {split} segment {meaning} ({some(missing)}); add videos, or leave them out"


def _size_doubts(segments: list[dict]) -> Iterator[str]:
    files = {row["path"] for row in segments if row["stop"] is None}
    sizes = {path: Path(path).stat().st_size for path in sorted(files) if Path(path).is_file()}
    usual = median(sizes.values()) if sizes else 0
    if large := sorted((path for path in sizes if sizes[path] > LARGER * usual), key=lambda path: -sizes[path]):
        names = some(Path(path).name for path in large)
        yield (
            f"unlike the others: {names}, {_bytes(sizes[large[0]])} where the median video has "
            f"{_bytes(usual)}; a clip spreads its frames over the whole video: cut it, or name "
            "stretches of it in `segments`"
        )


def _twin_doubts(segments: list[dict]) -> Iterator[str]:
    """Video files of several classes that begin with the same bytes and are of one size."""
    labels = {row["path"]: row["label"] for row in _labelled(segments)}
    of_size, twins = defaultdict(list), defaultdict(list)
    for path in sorted(labels):
        if Path(path).is_file():
            of_size[Path(path).stat().st_size].append(path)
    for size, paths in of_size.items():
        for path in paths if len({labels[each] for each in paths}) > 1 else ():
            with Path(path).open("rb") as file:
                twins[size, file.read(BEGINNING)].append(path)
    if pairs := [paths for paths in twins.values() if len({labels[path] for path in paths}) > 1]:
        names = " and ".join("/".join(Path(path).parts[-2:]) for path in pairs[0][:2])
        yield f"the same file in several classes ({len(pairs)} of them), such as {names}; leave each in one class"


def _split_video_doubts(segments: list[dict]) -> Iterator[str]:
    """Test segments whose video has training or validation segments, too."""
    learned = {row["video_id"] for row in segments if row["split"] != "test"}
    tested = [row for row in segments if row["split"] == "test"]
    if shared := [row for row in tested if row["video_id"] in learned]:
        yield (
            f"{len(shared)} of {len(tested)} test segments are of a video that has training or validation segments, "
            f"too, such as {shared[0]['clip_id']}; keep a video in one split, unless the official split divides it"
        )


def _duplicate_doubts(segments: list[dict]) -> Iterator[str]:
    """Test videos of a sample that show the scene of one of the training videos whose names are nearest to theirs."""
    files = {Path(row["path"]): (row["label"], row["split"] == "test") for row in segments}
    by_name = sorted(files, key=lambda path: (files[path][0] or "", path.name, str(path)))
    trained = [number for number, path in enumerate(by_name) if not files[path][1]]
    tested = _sample([number for number, path in enumerate(by_name) if files[path][1]])
    places = [bisect(trained, number) for number in tested]
    near = sorted({number for place in places for number in trained[max(0, place - NEAR) : place + NEAR]})
    if alike := near_duplicates.pairs([by_name[number] for number in tested], [by_name[number] for number in near]):
        test, train = (f"{path.parent.name}/{path.name}" for path in alike[0])
        yield (
            f"{len(alike)} of {len(tested)} test videos opened show the scene of a training video ({len(near)} "
            f"opened), such as {test} and {train}; put videos of one source into one `group` (column of `videos`)"
        )


def _labelled(segments: list[dict]) -> list[dict]:
    return [row for row in segments if row["label"] is not None]


def _video_size(path: Path, stop: int | None) -> tuple[int, int, int | None] | None:
    """Height, width and number of frames, which is None if the segment ends earlier or that takes too long."""
    try:
        height, width = decoding.source_size(path, seconds=SECONDS)
    except (BadVideoError, OSError):
        return None
    if stop is not None:
        return height, width, None
    try:
        with decoding.decoded(path, Geometry(height, width, SIDE, SIDE), seconds=SECONDS) as frames:
            return height, width, len(frames)
    except (BadVideoError, OSError):
        return height, width, None


def _boxes_by_frame(boxes: list[dict], videos: set[str]) -> dict[str, dict[int, list[dict]]]:
    by_frame: dict[str, dict[int, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for row in boxes:
        if row["video_id"] in videos:
            by_frame[row["video_id"]][row["frame"]].append(row)
    return by_frame


def _sample(rows: list[Any]) -> list[Any]:
    """At most `SAMPLE` rows, evenly spread."""
    return rows[:: -(-len(rows) // SAMPLE)] if rows else []


def _bytes(count: float) -> str:
    return f"{count / 1e6:.1f} MB"
