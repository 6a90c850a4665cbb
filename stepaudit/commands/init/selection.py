"""A part of a large data set for a small budget: so many videos of each class, drawn with a fixed seed."""

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


@dataclass(frozen=True)
class Listing:
    """A CSV file that says of each video what it is for."""

    path: Path
    text: str
    used: int


def choose(survey: Survey, budget: Budget, out: Path) -> tuple[Listing | None, dict[str, Any]]:
    """Options of the data set that leave no more videos than the budget asks for, and the list that they need, if any.

    Args:
        out: the configuration, beside which the list is to stand.
    """
    limits = _limits(survey, budget)
    source = survey.source
    counts = Counter((row["label"], row["split"]) for row in survey.segments)
    if all(count <= limits.get(split, count) for (_, split), count in counts.items()):
        return None, source.options
    if "per_class" in (registry.find("datasets", source.use).options or {}):
        return None, {**source.options, **_per_class(counts, limits)}
    if "videos" in source.options:  # the user has chosen already
        return None, source.options
    listing = _listing(survey, limits, out.with_suffix(".videos.csv"))
    return listing, {**source.options, "videos": _below(listing.path, source.root)}


def _limits(survey: Survey, budget: Budget) -> dict[str, int]:
    """Videos of each class and split at most."""
    found = {} if budget.training_clips is None else {"train": budget.training_clips}
    if budget.test_clips is not None and budget.most_test_clips is not None:
        found["test"] = max(1, min(budget.test_clips, budget.most_test_clips // len(survey.labels)))
    return found


def _per_class(counts: Counter, limits: dict[str, int]) -> dict[str, int]:
    """Options of data sets that draw for themselves, the same number of each class."""
    fewest = {split: min(count for (_, of), count in counts.items() if of == split) for split in limits}
    names = {"train": "train_per_class", "test": "per_class"}
    return {names[split]: min(limit, fewest[split]) for split, limit in limits.items()}


def _listing(survey: Survey, limits: dict[str, int], path: Path) -> Listing:
    """Every video with its split, or `unused`."""
    splits = {row["video_id"]: row["split"] for row in survey.segments}
    members = defaultdict(list)
    for name, (label, split) in {row["video_id"]: (row["label"], row["split"]) for row in survey.segments}.items():
        members[label, split].append(name)
    used = set()
    for (label, split), names in members.items():
        some = Random(f"{SEED}/{label}/{split}").sample(sorted(names), min(len(names), limits.get(split, len(names))))
        used |= set(some)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerows(
        [("video", "split"), *((name, splits[name] if name in used else "unused") for name in sorted(splits))]
    )
    return Listing(path, text.getvalue(), len(used))


def _below(path: Path, root: Path) -> str:
    """The path as seen from the root; whole if the root is a link, whose `..` lies elsewhere."""
    if root.absolute() != root.resolve():
        return str(path.absolute())
    return os.path.relpath(path.absolute(), root.absolute())
