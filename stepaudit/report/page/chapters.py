"""The chapters of a report's page: which questions stand together, and in which order. Nothing else names them."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TypeVar

CHAPTERS = {  # title: names of reports, or patterns, in the order of the page
    "Models": ("accuracy", "accuracy_*", "training*", "confus*", "time_use"),
    "Minimum ratio": (
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
    """The chapter of a report; what no chapter names is a further question."""
    return next((title for title, patterns in CHAPTERS.items() if _place(name, patterns) is not None), OTHERS)


def in_chapters(named: Iterable[tuple[str, Item]]) -> dict[str, list[Item]]:
    """Items by chapter, each chapter in its own order; chapters without any are left out.

    Args:
        named: items with their report's name; those that one pattern takes, and further ones, stay in this order.
    """
    found: dict[str, list[tuple[int, Item]]] = {title: [] for title in (*CHAPTERS, OTHERS)}
    for name, item in named:
        title = chapter_of(name)
        found[title].append((_place(name, CHAPTERS.get(title, ())) or 0, item))
    return {
        title: [item for _, item in sorted(items, key=lambda placed: placed[0])]
        for title, items in found.items()
        if items
    }


def anchor(title: str) -> str:
    """The HTML id of a chapter; no report can have it, since it begins with a hyphenated word."""
    return f"chapter-{title.lower().replace(' ', '-')}"


def _place(name: str, patterns: tuple[str, ...]) -> int | None:
    """The exact name goes before a pattern that takes it as well."""
    places = [index for index, pattern in enumerate(patterns) if fnmatchcase(name, pattern)]
    return patterns.index(name) if name in patterns else places[0] if places else None
