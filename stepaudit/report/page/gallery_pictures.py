"""Pictures of one clip in the gallery: sheets of frames and grids for the page's script, and strips of frames.

A film is a clip in one size. Its frames stand in one sheet, each map in another one at the resolution of its own grid;
`reports/gallery.js` makes the full map of that as `stepaudit.maps` does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from stepaudit.errors import UsageError
from stepaudit.report.pictures import pictures
from stepaudit.report.pictures.clip_frames import ClipFrames
from stepaudit.store import arrays

STRIP_FRAMES = 8
MAX_HEIGHT_PX = 144  # height of a frame; larger ones are made smaller
QUALITY = 80
FINE = 20_000  # values of a grid from which on every third grey level is used: noise does not compress
COARSER = 3


class Film(ClipFrames):
    """A clip in one size."""

    @classmethod
    def read(cls, clip: dict, boxes: Iterable[dict], folder: Path) -> Self:
        """A film of a row of `clips` and rows of `clip_boxes` of any size. Raises UsageError."""
        film = super().read(clip, [box for box in boxes if box["size"] == clip["size"]], folder)
        if "x".join(map(str, film.frames.shape[:3])) != clip["size"]:
            raise UsageError(f"clip '{clip['clip_id']}' is not of size {clip['size']}; `stepaudit check` says more")
        return film

    def data(self) -> dict:
        """The data for the script."""
        count, height, width = self.frames.shape[:3]
        return {
            "sheet": pictures.data_uri(pictures.sheet(_reduced(self.frames)), QUALITY),
            "columns": pictures.sheet_columns(count),
            "size": [count, height, width],
            "boxes": [[[round(edge, 1) for edge in box] for box in boxes] for boxes in self.boxes],
            "in_action": self.in_action,
        }

    def still(self, share: np.ndarray | None = None) -> str:
        """A picture of some frames in a row, with a map [T, H, W] if there is one."""
        shown = pictures.spread(len(self.frames), STRIP_FRAMES)
        return pictures.data_uri(self.some(shown).strip(None if share is None else share[shown]), QUALITY)


@dataclass(frozen=True)
class Drawn:
    """A map to be drawn: a row of `maps` with its grid, float16 [t, h, w]."""

    row: dict
    grid: np.ndarray

    @classmethod
    def read(cls, row: dict, folder: Path) -> "Drawn":
        """The map of a row. Raises UsageError."""
        return cls(row, arrays.grid(row, folder))

    @property
    def is_mask(self) -> bool:
        """True for masks, shown as they are; other maps are shown in shares of their greatest value."""
        return self.row["kept_probability"] is not None

    def is_like(self, other: "Drawn") -> bool:
        """True if both are the same picture, perhaps on different models."""
        same = ("size", "method", "upsampling", "kept_probability")
        return all(self.row[name] == other.row[name] for name in same) and np.array_equal(self.grid, other.grid)

    def share(self) -> np.ndarray:
        """The full map as it is shown, [T, H, W] in [0, 1]."""
        return pictures.shares(arrays.full(self.grid, self.row), mask=self.is_mask)

    def data(self) -> dict:
        """The data for the script: the grid in grey (255 is `top`), upsampling and scale of the full map."""
        top = max(float(self.grid.max()), 1e-9)
        greatest = 1.0 if self.is_mask else max(float(arrays.full(self.grid, self.row).max()), 1e-9)
        return {
            "film": self.row["size"],
            "sheet": pictures.exact_uri(pictures.sheet(_grey(self.grid.astype(np.float32) / top))),
            "columns": pictures.sheet_columns(len(self.grid)),
            "shape": list(self.grid.shape),
            "upsampling": self.row["upsampling"],
            "top": top,
            "greatest": greatest,
            "volumes": [round(value, 4) for value in self.row["frame_volume"] or []],
        }


@dataclass(frozen=True)
class DrawnNeed(Drawn):
    """The smallest piece of a clip that keeps half of a model's confidence: a row of `preservation` with its grid."""

    @classmethod
    def read(cls, row: dict, folder: Path) -> "DrawnNeed":
        """The piece of a row. Raises UsageError."""
        return cls(row, arrays.needed_grid(row, folder))

    def is_like(self, other: Drawn) -> bool:
        """False: every piece is drawn for itself."""
        return False

    def share(self) -> np.ndarray:
        """The mask as the model was shown it, [T, H, W] in [0, 1]."""
        return arrays.crisp_mask(self.grid, self.row)

    def data(self) -> dict:
        """The data for the script, which makes the mask crisp at the ratio."""
        volumes = self.share().mean(axis=(1, 2)).tolist()
        of_map = replace(self, row=self.row | {"frame_volume": volumes})
        return {**super(DrawnNeed, of_map).data(), "crisp": self.row["shown_ratio"]}


def _grey(values: np.ndarray) -> np.ndarray:
    step = COARSER if values.size > FINE else 1
    return (np.rint(values * (255 / step)) * step).astype(np.uint8)


def _reduced(frames: np.ndarray) -> np.ndarray:
    height, width = frames.shape[1:3]
    if height <= MAX_HEIGHT_PX:
        return frames
    size = (round(width * MAX_HEIGHT_PX / height), MAX_HEIGHT_PX)
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)) for frame in frames])
