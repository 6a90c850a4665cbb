"""Average precision of labels, with intervals whose observations are the videos that have the label."""

from dataclasses import dataclass

import numpy as np

from stepaudit.report.statistics.intervals import Array, wilson


@dataclass(frozen=True)
class Precision:
    """Average precision with its 95 % interval; None without a clip that has the label."""

    value: float | None
    low: float | None
    high: float | None


def average_precision(scores: Array, is_there: np.ndarray) -> float:
    """Sum over thresholds of the precision there times the gain in recall; equal scores share a threshold.

    Args:
        scores: [N].
        is_there: [N], bool, one at least.
    """
    order = np.argsort(-scores, kind="stable")
    scores, own = scores[order], is_there[order].astype(float)
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # the last clip at each threshold
    right = np.cumsum(own)[ends]
    return float((right / (ends + 1) * np.diff(right, prepend=0)).sum() / right[-1])


def of_label(scores: Array, is_there: np.ndarray, videos: np.ndarray) -> Precision:
    """Average precision of a label, with the interval of a share of as many observations as videos have it.

    Boyd, Eng and Page 2013 found the binomial interval with the number of positives to cover; clips of one video are
    nearly one of them.

    Args:
        scores, is_there, videos: [N], probability, annotation and video of each clip.
    """
    count = len(np.unique(videos[is_there]))
    if not count:
        return Precision(None, None, None)
    value = average_precision(scores, is_there)
    low, high = wilson(np.array(value), np.array(float(count)))
    return Precision(value, float(low), float(high))


def mean(labels: list[Precision]) -> Precision:
    """Mean over labels that clips have. Its ends are the means of theirs: the same videos decide all labels."""
    known = [(each.value, each.low, each.high) for each in labels if each.value is not None]
    if not known:
        return Precision(None, None, None)
    return Precision(*(float(end) for end in np.mean(np.array(known, float), axis=0)))
