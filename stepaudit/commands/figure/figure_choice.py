"""Rules that choose the clip and the maps of a figure: rows of an audit's tables in, the chosen ones out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from stepaudit.errors import UsageError

CLOSE = 0.05  # kept probabilities that differ by no more count as equal when a clip is chosen


def key(row: dict) -> tuple[str, str]:
    """Data set and clip of a row."""
    return row["dataset"], row["clip_id"]


def usable(clips: Sequence[dict], clip_id: str | None = None) -> list[dict]:
    """The extracted clips, or the requested one: annotated ones first, otherwise in the given order.

    Args:
        clips: rows of `clips`, with `boxed`.

    Raises:
        UsageError: there is no such clip, or none could be extracted.
    """
    candidates = [row for row in clips if clip_id in (None, row["clip_id"])]
    if clip_id is not None and not candidates:
        nearest = get_close_matches(clip_id, sorted({row["clip_id"] for row in clips}), n=3, cutoff=0)
        raise UsageError(f"no test clip '{clip_id}'; nearest names: {', '.join(nearest) or 'none, there is no clip'}")
    good = [row for row in candidates if row["status"] == "ok"]
    if not good:
        reason = (
            f"{candidates[0]['clip_id']} is {candidates[0]['status']}: {candidates[0]['error']}"
            if candidates
            else "there is none"
        )
        raise UsageError(f"no test clip to show: {reason}; name another with --clip")
    return sorted(good, key=lambda row: not row["boxed"])


def most_explained(clips: Sequence[dict], maps: Iterable[dict]) -> dict:
    """The first clip that the most methods have a map of."""
    pairs = {(key(row), row["method"]) for row in maps if row["status"] == "ok"}
    explained = Counter(clip for clip, _ in pairs)
    return max(clips, key=lambda row: explained[key(row)])


def nearest_ratio(maps: Iterable[dict], ratio: float) -> dict | None:
    """Map with the nearest ratio, ties to the smaller one, and the smallest seed; None without maps."""
    return min(
        maps, key=lambda row: (abs((row["ratio"] or ratio) - ratio), row["ratio"] or 0, row["seed"]), default=None
    )


def equally_kept(masks: Sequence[Sequence[dict]]) -> list[dict]:
    """For each model the mask whose kept probability is nearest to the greatest one that all models reach.

    Args:
        masks: of each model, one at least; rows of `maps` with a kept probability.
    """
    level = min(max(row["kept_probability"] for row in rows) for rows in masks)
    return [
        min(rows, key=lambda row: (abs(row["kept_probability"] - level), row["ratio"], row["seed"])) for rows in masks
    ]


def difference(chosen: Sequence[dict]) -> float:
    """Range of the kept probabilities of masks."""
    probabilities = [row["kept_probability"] for row in chosen]
    return max(probabilities) - min(probabilities)


def most_equal(choices: Sequence[list[dict]]) -> list[dict]:
    """The first choice of masks whose kept probabilities are about equal, or else the one where they are most equal."""
    return next((masks for masks in choices if difference(masks) <= CLOSE), min(choices, key=difference))
