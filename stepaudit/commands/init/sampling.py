"""A sample of a large data set for a small budget: a number of videos of each class, drawn with a fixed seed."""

import csv
import io
import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from stepaudit.audit import registry
from stepaudit.commands.init.budgets import Budget
from stepaudit.commands.init.survey import Survey

SEED = 0
PER_CLASS = {"train": "train_per_class", "test": "per_class"}  # options of data sets that draw for themselves


@dataclass(frozen=True)
class Listing:
    """A CSV file with the split of each video."""

    path: Path
    text: str
    used: int


def choose(survey: Survey, budget: Budget, out: Path) -> tuple[Listing | None, dict[str, Any]]:
    """Options of the data set that keep to the budget, and the list of videos that they need, if any.

    Args:
        out: the configuration; the list is written beside it.
    """
    source, limits = survey.source, {}  # videos of each class and split at most
    if budget.training_clips is not None:
        limits["train"] = budget.training_clips
    if budget.test_clips is not None and budget.most_test_clips is not None:
        limits["test"] = max(1, min(budget.test_clips, budget.most_test_clips // max(1, len(survey.labels))))
    counts = Counter((row["label"], row["split"]) for row in survey.segments)
    if all(count <= limits.get(split, count) for (_, split), count in counts.items()):
        return None, source.options
    if "per_class" in (registry.find("datasets", source.use).options or {}):
        fewest = {split: min(count for (_, of), count in counts.items() if of == split) for split in limits}
        return None, {
            **source.options,
            **{PER_CLASS[split]: min(limit, fewest[split]) for split, limit in limits.items()},
        }
    if "videos" in source.options:  # the user has chosen already
        return None, source.options
    listing = _listing(survey, limits, out.with_suffix(".videos.csv"))
    path, root = listing.path.absolute(), source.root.absolute()
    # A root that is a link has its `..` elsewhere, so that only the absolute path leads to the list.
    relative = os.path.relpath(path, root) if root == source.root.resolve() else str(path)
    return listing, {**source.options, "videos": relative}


def _listing(survey: Survey, limits: dict[str, int], path: Path) -> Listing:
    """Draw at most `limits[split]` videos of each class and split.

    The CSV lists every video with its split, or `unused`.
    """
    videos = {row["video_id"]: (row["label"], row["split"]) for row in survey.segments}
    members = defaultdict(list)
    for name, key in videos.items():
        members[key].append(name)
    used = set()
    for (label, split), names in members.items():
        count = min(len(names), limits.get(split, len(names)))
        used |= set(Random(f"{SEED}/{label}/{split}").sample(sorted(names), count))
    text = io.StringIO()
    rows = [(name, videos[name][1] if name in used else "unused") for name in sorted(videos)]
    csv.writer(text, lineterminator="\n").writerows([("video", "split"), *rows])
    return Listing(path, text.getvalue(), len(used))
