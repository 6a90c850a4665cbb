"""Pictures of clips and maps: arrays in, images out."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from math import ceil, sqrt
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from stepaudit.clips.geometry import Box

HEAT = np.array(
    [(20, 11, 53), (98, 20, 110), (186, 54, 85), (243, 120, 25), (249, 201, 50), (252, 255, 164)], np.float32
)
BOX_COLOUR = (80, 255, 170)
GAP_PX = 2
BAR_PX = 5


def spread(frames: int, count: int) -> list[int]:
    """Indices of `count` frames, the middle one of each of as many equal parts of a clip."""
    count = min(count, frames)
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def strip(
    frames: np.ndarray,
    boxes: Sequence[Sequence[Box]],
    share: np.ndarray | None = None,
    in_action: Sequence[bool] | None = None,
) -> Image.Image:
    """Frames side by side, with their boxes, a map as heat if there is one, and a bar below frames of the action.

    Args:
        frames: uint8 [F, H, W, 3].
        boxes: (x0, y0, x1, y1) of each frame, pixels.
        share: the map in [0, 1], see `shares`; [F, H, W].
        in_action: whether each frame lies in the annotated action.
    """
    painted = frames if share is None else tint(frames, share)
    count, height, width = painted.shape[:3]
    image = Image.new("RGBA", (count * (width + GAP_PX) - GAP_PX, height + (BAR_PX if in_action else 0)))
    for index in range(count):
        left = index * (width + GAP_PX)
        tile = Image.fromarray(painted[index])
        for box in boxes[index]:
            draw_box(tile, box)
        image.paste(tile, (left, 0))
        if in_action and in_action[index]:
            image.paste(BOX_COLOUR, (left, height + 1, left + width, height + BAR_PX))
    return image


def shares(importance: np.ndarray, *, mask: bool) -> np.ndarray:
    """A map as it is shown, in [0, 1]: in shares of its greatest value, but a mask as it is.

    A mask that has fallen to nearly 0 everywhere would look like one that keeps everything.
    """
    return importance.astype(np.float32) / (1 if mask else max(float(importance.max()), 1e-9))


def overlay(frames: np.ndarray, importance: np.ndarray, *, mask: bool = False) -> np.ndarray:
    """The frames in grey with a map over them as heat: dark where it is 0, light yellow where it is greatest.

    Args:
        frames: uint8 [T, H, W, 3].
        importance: the map, [T, H, W], not negative.
        mask: draws the values as they are; other maps are drawn in shares of their greatest value.

    Returns:
        uint8 [T, H, W, 3].
    """
    return tint(frames, shares(importance, mask=mask).clip(0, 1))


def tint(frames: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Frames in grey, coloured by a map: dark where it is 0, bright yellow where it is 1.

    Args:
        frames: uint8 [F, H, W, 3].
        share: [F, H, W] in [0, 1].

    Returns:
        uint8 [F, H, W, 3].
    """
    grey = frames.mean(axis=3, keepdims=True) * 0.55
    opacity = 0.75 * share[..., None] ** 0.55
    return (grey * (1 - opacity) + heat(share) * opacity + frames * 0.3 * opacity).clip(0, 255).astype(np.uint8)


def heat(share: np.ndarray) -> np.ndarray:
    """Colours of values in [0, 1], from dark violet over red to light yellow, float [..., 3] in [0, 255]."""
    stops = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(share, stops, HEAT[:, channel]) for channel in range(3)], axis=-1)


def sheet(tiles: np.ndarray) -> Image.Image:
    """Pictures of one size in rows of `sheet_columns`; the rest of the last row stays black.

    Args:
        tiles: uint8 [F, H, W, 3], or [F, H, W] in grey.
    """
    count, height, width = tiles.shape[:3]
    columns = sheet_columns(count)
    rows = -(-count // columns)
    full = np.zeros((rows * columns, *tiles.shape[1:]), np.uint8)
    full[:count] = tiles
    beside = full.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2)
    return Image.fromarray(beside.reshape(rows * height, columns * width, *tiles.shape[3:]))


def sheet_columns(count: int) -> int:
    """Number of pictures side by side in a sheet with about as many rows as columns."""
    return ceil(sqrt(count))


def data_uri(image: Image.Image, quality: int = 70) -> str:
    """An image as a WebP inside a `data:` address, for a page that loads nothing."""
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=quality)
    return "data:image/webp;base64," + b64encode(buffer.getvalue()).decode()


def exact_uri(image: Image.Image) -> str:
    """An image as a PNG or a WebP inside a `data:` address, each pixel as it is; whichever is smaller."""
    formats: dict[str, dict[str, Any]] = {"png": {"optimize": True}, "webp": {"lossless": True, "quality": 50}}
    buffers = {kind: BytesIO() for kind in formats}
    for kind, options in formats.items():
        image.save(buffers[kind], kind, **options)
    kind = min(buffers, key=lambda kind: len(buffers[kind].getvalue()))
    return f"data:image/{kind};base64," + b64encode(buffers[kind].getvalue()).decode()


def draw_box(frame: Image.Image, box: Box, width: int = 1) -> None:
    """Draw the outline of a box (x0, y0, x1, y1) into a frame."""
    x0, y0, x1, y1 = (round(edge) for edge in box)
    place = (x0, y0, max(x0, x1 - 1), max(y0, y1 - 1))
    ImageDraw.Draw(frame).rectangle(place, outline=BOX_COLOUR, width=width)
