"""Geometry of clips: scaling and cutting of pixels and boxes, and the choice of frames."""

from bisect import bisect
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Literal

from stepaudit.errors import TooShortError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Geometry:
    """Maps a source of `source_height` × `source_width` pixels to a clip of `height` × `width`.

    `fit` is 'stretch' (the whole frame, in another shape) or 'crop' (the centre, in its own shape). The source is
    scaled to `scaled_width` × `scaled_height`, and the clip is cut out of that at `left`, `top`.
    """

    source_height: int
    source_width: int
    height: int
    width: int
    fit: Literal["stretch", "crop"] = "stretch"

    @property
    def scale(self) -> tuple[float, float]:
        """Clip pixels per source pixel, (horizontal, vertical)."""
        return self.scaled_width / self.source_width, self.scaled_height / self.source_height

    @property
    def scaled_width(self) -> int:
        """Width of the scaled source, clip pixels."""
        return self.width if self.fit == "stretch" else max(self.width, round(self.source_width * self._cover))

    @property
    def scaled_height(self) -> int:
        """Height of the scaled source, clip pixels."""
        return self.height if self.fit == "stretch" else max(self.height, round(self.source_height * self._cover))

    @property
    def left(self) -> int:
        """Columns cut off on the left of the scaled source."""
        return (self.scaled_width - self.width) // 2

    @property
    def top(self) -> int:
        """Rows cut off at the top of the scaled source."""
        return (self.scaled_height - self.height) // 2

    def move(self, box: Box) -> Box | None:
        """Box in clip pixels, cut to the clip; None if it lies outside.

        Args:
            box: x0, y0, x1, y1 in source pixels, the last two exclusive.
        """
        horizontal, vertical = self.scale
        x0, x1 = (_clamped(x * horizontal - self.left, self.width) for x in (box[0], box[2]))
        y0, y1 = (_clamped(y * vertical - self.top, self.height) for y in (box[1], box[3]))
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    @property
    def _cover(self) -> float:
        return max(self.height / self.source_height, self.width / self.source_width)


def middle_frames(start: int, stop: int, count: int) -> list[int]:
    """Middle frame of each of `count` equal parts of [start, stop).

    Raises:
        TooShortError: there are fewer frames than parts.
    """
    return [(first + last) // 2 for first, last in _equal_parts(start, stop, count)]


def random_frames(start: int, stop: int, count: int, random: Random) -> list[int]:
    """Random frame of each of `count` equal parts of [start, stop).

    Raises:
        TooShortError: there are fewer frames than parts.
    """
    return [random.randrange(first, last) for first, last in _equal_parts(start, stop, count)]


def nearest_frame(frame: int, annotated: Collection[int], distance: int) -> int | None:
    """Annotated frame nearest to `frame`, the earlier of two; None if none lies within `distance` frames."""
    candidates = [frame + sign * step for step in range(distance + 1) for sign in (-1, 1)]
    return next((candidate for candidate in candidates if candidate in annotated), None)


def nearest_distance(frames: Collection[int], annotated: Collection[int]) -> int:
    """Smallest number of frames between any frame and any annotated one. Neither may be empty."""
    ordered = sorted(annotated)
    around = [ordered[max(bisect(ordered, frame) - 1, 0) :][:2] for frame in frames]
    return min(abs(frame - other) for frame, others in zip(frames, around, strict=True) for other in others)


def _equal_parts(start: int, stop: int, count: int) -> list[tuple[int, int]]:
    """`count` nearly equal parts of [start, stop), half-open. Raises TooShortError if a part would have no frame."""
    length = stop - start
    if length < count:
        raise TooShortError(f"{length} frame{'s' * (length != 1)}, a clip takes {count}")
    edges = [start + part * length // count for part in range(count + 1)]
    return list(pairwise(edges))


def _clamped(value: float, size: int) -> float:
    return min(max(value, 0.0), float(size))
