"""The frames of a clip with what is annotated in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from stepaudit.report.pictures import pictures
from stepaudit.store import arrays


@dataclass(frozen=True)
class ClipFrames:
    """Frames uint8 [T, H, W, 3], the boxes (x0, y0, x1, y1) of each, and which lie in the action, if annotated."""

    frames: np.ndarray
    boxes: list[list[pictures.Box]]
    in_action: list[bool] | None

    @classmethod
    def read(cls, clip: dict, boxes: Iterable[dict], folder: Path) -> Self:
        """Frames of a row of `clips` and its rows of `clip_boxes`. Raises UsageError if the pixels are gone."""
        frames = arrays.pixels(clip, folder)
        of_frame: list[list[pictures.Box]] = [[] for _ in frames]
        for box in boxes:
            of_frame[box["frame"]].append((box["x0"], box["y0"], box["x1"], box["y1"]))
        return cls(frames, of_frame, clip["in_action"])

    def some(self, chosen: list[int]) -> "ClipFrames":
        """The chosen frames alone."""
        marks = self.in_action and [self.in_action[frame] for frame in chosen]
        return ClipFrames(self.frames[chosen], [self.boxes[frame] for frame in chosen], marks)

    def strip(self, share: np.ndarray | None = None) -> Image.Image:
        """The frames in a row, with a map [T, H, W] if there is one."""
        return pictures.strip(self.frames, self.boxes, share, self.in_action)
