"""Tubes of UCF101-24's annotation, a dict by `Class/v_Class_gXX_cYY`, with every value checked."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stepaudit.datasets._csv import LIMIT
from stepaudit.datasets._pickle import load_arrays
from stepaudit.errors import UsageError

NAME = re.compile(r"[\w-]{1,100}/[\w-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Tube:
    """Object in the frames [start, stop), counted from 0, with a box x, y, w, h for each, counted from 1."""

    start: int
    stop: int
    boxes: np.ndarray


def load_tubes(path: Path) -> dict[str, list[Tube]]:
    """Tubes of each annotated video, by `Class/v_Class_gXX_cYY`. Raises UsageError for any other content."""
    content = load_arrays(path)
    try:
        return {
            _checked_name(name): [_checked_tube(tube) for tube in video["annotations"]]
            for name, video in content.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"{path}: no dict of videos with `annotations` ({str(error)[:200]}); name UCF101-24's pyannot.pkl"
        ) from error


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} names no video")
    return str(name)


def _checked_tube(tube: dict[str, Any]) -> Tube:
    boxes, start, stop = tube["boxes"], int(tube["sf"]), int(tube["ef"])
    if not isinstance(boxes, np.ndarray) or boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iuf":
        raise ValueError("boxes are no array of four numbers each")
    if not (np.abs(boxes.astype(np.float64)) < LIMIT).all():
        raise ValueError("a box lies outside of any frame")
    if not 0 <= start < stop < LIMIT or start + len(boxes) >= LIMIT:
        raise ValueError(f"frames {start} to {stop}")
    return Tube(start, stop, boxes.astype(np.int64))  # most are uint8, where x + w wraps around
