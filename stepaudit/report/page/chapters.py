"""Chapters of a report's page, with their questions in order."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TypeVar

CHAPTERS = {  # title: names of reports, or patterns, in the order of the page
    "Models": (
        *("model_overview", "accuracy", "accuracy_*", "confusions", "label_precision", "value_errors", "videos"),
        *("kinds_of_clips", "class_cues", "near_duplicates", "training*", "time_use"),
    ),
    "What models need": (
        *("needs", "need_pairs", "need_levels", "need_readings", "need_curves", "need_starts"),
        *("min_ratio", "model_pairs", "claim_larger_ratio", "kaplan_meier*", "preservation*", "ratio_*"),
        "min_ratio_*",
    ),
    "Pointing": (
        *("method_gains", "spatial_pointing", "temporal_pointing", "smoothness", "mass_in_box", "claim_*"),
        *("method_comparisons", "annotation_*", "metric_reliability", "spatial_*", "temporal_*", "frame_volume*"),
        "pointing*",
    ),
    "Evidence and faithfulness": ("evidence", "evidence_*", "mask_*", "faithfulness", "faithfulness_*", "transfer*"),
    "Sanity checks": ("sanity_*", "seed_*"),
    "Planted evidence": ("planted_*",),
    "Failures": ("failures", "coverage"),
}
OTHERS = "Further questions"

Item = TypeVar("Item")


def chapter_of(name: str) -> str:
    """The chapter of a report; `OTHERS` if no chapter names it."""
    return _chapter_and_place(name)[0]


def in_chapters(named: Iterable[tuple[str, Item]]) -> dict[str, list[Item]]:
    """Items by chapter, each chapter in its own order; empty chapters are left out.

    Args:
        named: items with their report's name; items of one pattern, and of `OTHERS`, stay in this order.
    """
    chapters: dict[str, list[Item]] = {title: [] for title in (*CHAPTERS, OTHERS)}
    for name, item in sorted(named, key=lambda each: _chapter_and_place(each[0])[1]):
        chapters[chapter_of(name)].append(item)
    return {title: items for title, items in chapters.items() if items}


def anchor(title: str) -> str:
    """The HTML id of a chapter; the hyphen keeps it different from the names of reports."""
    return f"chapter-{title.lower().replace(' ', '-')}"


def _chapter_and_place(name: str) -> tuple[str, int]:
    """Chapter of a report and place in it; within a chapter an exact name goes before a pattern."""
    for title, patterns in CHAPTERS.items():
        matches = [index for index, pattern in enumerate(patterns) if fnmatchcase(name, pattern)]
        if matches:
            return title, patterns.index(name) if name in patterns else matches[0]
    return OTHERS, 0
