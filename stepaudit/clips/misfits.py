"""Annotation that cannot belong to its video: boxes outside of the picture, frames after the last one."""

from collections.abc import Iterable, Mapping

from stepaudit.clips.geometry import Box

SHARE = 2.0  # pixels; if no box of a video reaches further, they are shares of the frame
PIXELS, PIXELS_SHARE = 2.0, 0.1  # that boxes may reach out of the picture: some annotators draw what is cut off
FRAMES, FRAMES_SHARE = 2, 0.02  # that annotation may go on behind the last frame: headers promise too many
EDGES = ("x0", "y0", "x1", "y1")


def misfit(
    segment: Mapping, boxes: Mapping[int, list[dict]], height: int, width: int, frames: int | None
) -> str | None:
    """Reason, with the next step, why a segment's boxes and action cannot belong to its video; None if they can.

    Args:
        segment: row of `segments`.
        boxes: rows of `boxes` of its video, by source frame.
        height: of the video, pixels; likewise `width`.
        frames: of the video that decode; None if that is not known, because the segment ends before the video.
    """
    start, stop = segment["start"] or 0, segment["stop"]
    rows = [row for frame in _annotated(boxes, start, stop) for row in boxes[frame]]
    last = max((*boxes, (segment["action_stop"] or 0) - 1), default=0)
    if frames is not None and last >= frames + max(FRAMES, FRAMES_SHARE * frames):
        return f"annotation up to frame {last}, but the video has {frames} frames; count its own frames, from 0"
    return outside([tuple(row[edge] for edge in EDGES) for row in rows], height, width)


def outside(boxes: list[Box], height: int, width: int) -> str | None:
    """Reason, with the next step, why boxes cannot have been drawn in pixels of a picture; None if they can."""
    if not boxes:
        return None
    left, top, right, bottom = enclosing_box(boxes)
    if max(right, bottom) <= SHARE:
        shares = f"boxes between 0 and {max(right, bottom):g}, which are shares of the frame"
        return f"{shares}; multiply them by its {width} and {height} pixels"
    across, down = (max(PIXELS, PIXELS_SHARE * side) for side in (width, height))
    if left < -across or top < -down or right > width + across or bottom > height + down:
        return (
            f"boxes from ({left:g}, {top:g}) to ({right:g}, {bottom:g}), but the video has {width}×{height} pixels; "
            "write its own pixels, and cut boxes at its edges"
        )
    return None


def enclosing_box(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _annotated(boxes: Mapping[int, list[dict]], start: int, stop: int | None) -> Iterable[int]:
    """Annotated frames of [start, stop)."""
    if stop is not None and stop - start < len(boxes):
        return [frame for frame in range(start, stop) if frame in boxes]
    return [frame for frame in boxes if frame >= start and (stop is None or frame < stop)]
