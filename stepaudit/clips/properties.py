"""Brightness, motion, cuts, borders, text and other properties of a clip, measured from its pixels.

They are compared over clips; none says what a clip shows.
"""

import numpy as np
from numpy.typing import NDArray

LUMA = np.array([0.299, 0.587, 0.114], np.float32) / 255  # of RGB (ITU-R BT.601)
COLOURS = 4  # levels of each channel in which colours are counted
CUT = 0.5  # of the pixels change their colour from one frame to the next
REPEATED = 0.1 / 255  # mean change below which a frame repeats the one before
FLAT = 8 / 255  # range of a border's luma
AT_REST = 0.06  # range of a pixel's luma over time that counts as no change
EDGE = 0.15  # luma difference of neighbours

Frames = NDArray[np.uint8]
Luma = NDArray[np.float32]


def measure(frames: Frames) -> dict[str, float | None]:
    """Properties of a clip, columns of the table `clips`; None where there is no answer.

    Args:
        frames: uint8 RGB, [T, H, W, 3].
    """
    luma = (frames @ LUMA).astype(np.float32)
    changes, is_cut = np.abs(np.diff(luma, axis=0)).mean(axis=(1, 2)), cuts(frames)
    inner = _without_borders(luma)
    return {
        "brightness": float(luma.mean()),
        "contrast": float(luma.std(axis=(1, 2)).mean()),
        "motion": float(changes[~is_cut].mean()) if (~is_cut).any() else None,
        "cuts": float(is_cut.sum()),
        "frozen_frames": float((changes < REPEATED).mean()) if len(changes) else None,
        "borders": 1 - inner.size / luma.size,
        "still_edges": still_edges(inner),
    }


def cuts(frames: Frames) -> NDArray[np.bool_]:
    """True after frames from which at least half of the pixels change their colour (of 64), [T - 1]."""
    bins = (frames // (256 // COLOURS)).astype(np.int64) @ np.array([COLOURS**2, COLOURS, 1])
    shares = np.stack([np.bincount(frame.ravel(), minlength=COLOURS**3) / frame.size for frame in bins])
    return np.abs(np.diff(shares, axis=0)).sum(axis=1) / 2 >= CUT


def still_edges(luma: Luma) -> float | None:
    """Share of the picture [T, H, W] that is part of an edge in every frame and never changes, such as text.

    None if half of the picture does not change: then text looks like the rest of the scene.
    """
    if min(luma.shape) < 3:
        return None
    still = np.ptp(luma, axis=0) <= AT_REST
    if still.mean() >= 0.5:
        return None
    middle = luma[:, 1:-1, 1:-1]
    beside = (luma[:, :-2, 1:-1], luma[:, 2:, 1:-1], luma[:, 1:-1, :-2], luma[:, 1:-1, 2:])
    is_edge = np.max([np.abs(middle - each) for each in beside], axis=0).min(axis=0) >= EDGE
    return float((is_edge & still[1:-1, 1:-1]).sum() / still.size)


def _without_borders(luma: Luma) -> Luma:
    """The picture without flat borders, which are the same in all frames; empty if all of it is flat."""
    rows = _unflat(luma.max(axis=(0, 2)), luma.min(axis=(0, 2)))
    part = luma[:, rows]
    return part[:, :, _unflat(part.max(axis=(0, 1), initial=0), part.min(axis=(0, 1), initial=1))]


def _unflat(greatest: NDArray[np.float32], least: NDArray[np.float32]) -> slice:
    """From the first to the last line that is not flat."""
    lively = np.flatnonzero(greatest - least > FLAT)
    return slice(int(lively[0]), int(lively[-1]) + 1) if len(lively) else slice(0, 0)
