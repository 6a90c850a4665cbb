"""UCF101-24: UCF-101's videos and official split lists, with the corrected boxes of 24 of its classes.

The boxes come from `pyannot.pkl`, a dict by `Class/v_Class_gXX_cYY` of tubes: boxes as x, y, w, h, counted from 1, in
frames [sf, ef) counted from 0. Its frame counts are not used: one in eight or so is one more than decode.
"""

import re
from collections import defaultdict
from pathlib import Path
from random import Random

from stepaudit.datasets._tubes import Tube, load_tubes
from stepaudit.errors import UsageError, did_you_mean

ranges = {
    "split_list": (1, 3),
    "per_class": (1, 1_000_000),
    "train_per_class": (0, 1_000_000),
    "seed": (0, 2_147_483_647),
}
NAME = re.compile(r"[\w-]{1,100}/[\w-]{1,100}(\.avi)?", re.ASCII)  # no name leads out of the folder


def read(
    root: Path,
    *,
    classes: list[str] | None = None,
    split_list: int = 1,
    per_class: int | None = None,
    train_per_class: int | None = None,
    seed: int = 0,
    partial: bool = False,
    videos: str = "UCF-101",
    split_lists: str = "ucfTrainTestlist",
    annotations: str = "UCF101-24/pyannot.pkl",
) -> tuple[list[dict], list[dict]]:
    """UCF-101's videos and official split lists, with the corrected boxes of 24 of its classes.

    Args:
        root: folder of the three parts named below.
        classes: which classes of UCF-101; by default the 24 annotated ones.
        split_list: official list 1, 2 or 3.
        per_class: draws so many annotated test videos of each class, as the paper does with 5; by default all listed.
        train_per_class: draws so many training videos of each class; by default all listed.
        seed: of the draws.
        partial: leaves out listed videos that are not there, where only a part of UCF-101 is at hand; without it each
            of them becomes a clip with the status `bad_video`.
        videos: folder of the class folders, below `root`.
        split_lists: folder of `trainlist01.txt` and its like, below `root`.
        annotations: the corrected annotation, below `root`.

    Raises:
        UsageError: a part or a whole class is missing, a class is unknown, or there are too few videos to draw from.
    """
    tubes = load_tubes(root / annotations)
    listed = {split: _read_list(root / split_lists / f"{split}list{split_list:02d}.txt") for split in ("train", "test")}
    known = sorted({_label(name) for names in listed.values() for name in names})
    labels = sorted(classes or {_label(name) for name in tubes})
    _check_classes(labels, known, root / videos)
    segments = []
    for split, count in (("train", train_per_class), ("test", per_class)):
        names = [name for name in listed[split] if not partial or (root / videos / name).exists()]
        chosen = _draw_videos(names, labels, split, count, seed, tubes)
        segments += [_segment(root / videos / name, split, labels, tubes) for name in chosen]
    return segments, [row for segment in segments for row in _boxes(segment, tubes)]


def _read_list(path: Path) -> list[str]:
    """The videos of a split list, `Class/v_Class_gXX_cYY.avi`. The class number behind some is not needed.

    The lists that come with the corrected boxes name the same videos without `.avi`.
    """
    if not path.is_file():
        raise UsageError(
            f"{path}: not there; unpack UCF-101's split lists there, or set `split_lists` and `split_list`"
        )
    try:
        names = [line.split()[0] for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no list of videos ({error}); download the file again") from error
    if odd := [name for name in names if not NAME.fullmatch(name)]:
        raise UsageError(f"{path}: {odd[0][:80]!r} is no `Class/v_Class_gXX_cYY.avi`; download the file again")
    return [f"{_tube_key(name)}.avi" for name in names]


def _label(name: str) -> str:
    """The class is the folder: the files of HandstandPushups call themselves HandStandPushups."""
    return name.partition("/")[0]


def _check_classes(labels: list[str], known: list[str], folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"{folder}: not there; unpack UCF101.rar there, or set `root` and `videos`")
    for label in labels:
        if label not in known:
            raise UsageError(f"UCF-101 has no class '{label}'{did_you_mean(label, known)}")
    missing = [label for label in labels if not (folder / label).is_dir()]
    if missing:
        available = [label for label in labels if label not in missing]
        raise UsageError(
            f"{folder}: no folder {', '.join(missing)}; add {'it' if len(missing) == 1 else 'them'}, "
            f"or name the classes to use, such as `classes: [{', '.join(available)}]`"
        )


def _draw_videos(
    names: list[str], labels: list[str], split: str, count: int | None, seed: int, tubes: dict[str, list[Tube]]
) -> list[str]:
    """The videos of the chosen classes; `count` of each if it is given, annotated ones if they are to be tested."""
    by_label = defaultdict(list)
    for name in names:
        if count is None or split == "train" or _tube_key(name) in tubes:
            by_label[_label(name)].append(name)
    if count is not None:
        for label in labels:
            available = len(by_label[label])
            if available < count:
                raise UsageError(f"class '{label}' has {available} {split} videos to draw {count} from; ask for fewer")
            by_label[label] = sorted(Random(f"{seed}/{split}/{label}").sample(sorted(by_label[label]), count))
    return [name for label in labels for name in by_label[label]]


def _tube_key(name: str) -> str:
    return name.removesuffix(".avi")


def _segment(path: Path, split: str, labels: list[str], tubes: dict[str, list[Tube]]) -> dict:
    label, group = path.parent.name, re.search(r"_(g\d+)_c\d+$", path.stem)
    annotated = tubes.get(f"{label}/{path.stem}", [])
    return {
        "clip_id": path.stem,
        "video_id": path.stem,
        "path": str(path),
        "split": split,
        "group": f"{label}_{group[1]}" if group else None,
        "label": label,
        "target": labels.index(label),
        "start": 0,
        "stop": None,
        "action_start": min((tube.start for tube in annotated), default=None),
        "action_stop": max((tube.stop for tube in annotated), default=None),
    }


def _boxes(segment: dict, tubes: dict[str, list[Tube]]) -> list[dict]:
    rows = []
    for tube in tubes.get(f"{segment['label']}/{segment['video_id']}", []):
        for frame, (x, y, width, height) in enumerate(tube.boxes.tolist(), start=tube.start):
            edges = {"x0": x - 1, "y0": y - 1, "x1": x - 1 + width, "y1": y - 1 + height}
            rows.append({"video_id": segment["video_id"], "frame": frame, "label": segment["label"], **edges})
    return rows
