"""Figures for a publication: one clip, its frames in a row, a row of maps below it for each method or model."""

import itertools
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stepaudit.report.pictures.pictures import BOX_COLOUR, Box, draw_box, tint

TILE_PX = 224  # height of a frame
GAP_PX, MARGIN_PX, PAD_PX, LEAD_PX = 8, 32, 24, 8
BAR_PX, LINE_PX = 8, 3
COLOUR_BAR_PX = (320, 22)
TITLE, TEXT, NOTE = 34, 26, 20  # sizes of the font, pixels
INK, SOFT, PAPER, EMPTY = (28, 33, 38), (93, 102, 112), (255, 255, 255), (238, 240, 243)
GREY = 128  # of the frame under the colour bar
LEGEND = "map in shares of its greatest value in the clip, mask as it is"


@dataclass(frozen=True)
class Row:
    """A row of a figure: the frames with a map over them, or the reason if there is no picture.

    Args:
        name: in the margin, above the notes.
        notes: numbers, a line each.
        frames: uint8 [F, H, W, 3]; None if the row has no picture.
        boxes: (x0, y0, x1, y1) of each frame, pixels.
        share: the map in shares of its greatest value, [F, H, W] in [0, 1]; None leaves the frames in colour.
        missing: the reason if there is no picture.
    """

    name: str
    notes: Sequence[str] = ()
    frames: np.ndarray | None = None
    boxes: Sequence[Sequence[Box]] = ()
    share: np.ndarray | None = None
    missing: str = ""


@dataclass(frozen=True)
class Headers:
    """Headers of the columns: the frames' names, notes below them, and marks of the annotated action."""

    names: Sequence[str]
    notes: Sequence[str]
    in_action: Sequence[bool] | None = None


@dataclass(frozen=True)
class _Layout:
    """Left edge of the frames, top edge of the headers and size of a tile, in pixels."""

    left: int
    top: int
    tile: tuple[int, int]

    def x(self, column: int) -> int:
        return self.left + column * (self.tile[0] + GAP_PX)

    def y(self, row: int) -> int:
        return self.top + TEXT + NOTE + PAD_PX + row * (self.tile[1] + GAP_PX)


def draw(title: str, subtitle: str, headers: Headers, rows: Sequence[Row]) -> Image.Image:
    """The figure: title, frame numbers, the rows, a bar below frames of the action, and a legend with the colour bar.

    Args:
        rows: one at least has frames; their shape is that of all tiles.

    Returns:
        RGB, as large as it takes.
    """
    first = next(row.frames for row in rows if row.frames is not None)
    height, width = first.shape[1:3]
    left = MARGIN_PX + max(map(_label_width, rows)) + PAD_PX
    layout = _Layout(left, MARGIN_PX + TITLE + NOTE + 2 * PAD_PX, (round(TILE_PX * width / height), TILE_PX))
    legend = _legend(rows, headers)
    right = layout.x(len(headers.names)) - GAP_PX
    bottom = layout.y(len(rows)) + BAR_PX + PAD_PX
    needed = [right, left + legend.width, *(MARGIN_PX + _length(*line) for line in ((title, TITLE), (subtitle, NOTE)))]
    image = Image.new("RGB", (max(needed) + MARGIN_PX, bottom + legend.height + MARGIN_PX), PAPER)
    canvas = ImageDraw.Draw(image)
    _write(canvas, (MARGIN_PX, MARGIN_PX), [(title, TITLE, INK), (subtitle, NOTE, SOFT)])
    _draw_headers(canvas, headers, layout, len(rows))
    for index, row in enumerate(rows):
        _write(
            canvas, (MARGIN_PX, layout.y(index)), [(row.name, TEXT, INK), *((note, NOTE, SOFT) for note in row.notes)]
        )
        if row.frames is None:
            place = (layout.left, layout.y(index), right - 1, layout.y(index + 1) - GAP_PX - 1)
            _draw_missing(canvas, row.missing, place)
        else:
            painted = row.frames if row.share is None else tint(row.frames, row.share)
            _draw_tiles(image, painted, row.boxes, layout, index)
    image.paste(legend, (left, bottom))
    return image


def colour_bar() -> Image.Image:
    """The colours of a map over a grey frame, from 0 on the left to its greatest value on the right, with numbers."""
    width, height = COLOUR_BAR_PX
    share = np.broadcast_to(np.linspace(0, 1, width), (1, height, width))
    bar = Image.new("RGB", (width, height + LEAD_PX + NOTE), PAPER)
    bar.paste(Image.fromarray(tint(np.full((1, height, width, 3), GREY, np.uint8), share)[0]))
    for value, anchor in ((0, "la"), (0.5, "ma"), (1, "ra")):
        ImageDraw.Draw(bar).text((value * width, height + LEAD_PX), f"{value:g}", SOFT, _font(NOTE), anchor)
    return bar


def _label_width(row: Row) -> int:
    return max(_length(row.name, TEXT), *(_length(note, NOTE) for note in row.notes), 0)


def _write(canvas: ImageDraw.ImageDraw, at: tuple[int, int], lines: Sequence[tuple[str, int, tuple]]) -> None:
    """Lines of text below each other, each with its size and colour."""
    x, y = at
    for text, size, colour in lines:
        canvas.text((x, y), text, colour, _font(size))
        y += size + LEAD_PX


def _draw_headers(canvas: ImageDraw.ImageDraw, headers: Headers, layout: _Layout, rows: int) -> None:
    for index, (name, note) in enumerate(zip(headers.names, headers.notes, strict=True)):
        _write(canvas, (layout.x(index), layout.top), [(name, TEXT, INK), (note, NOTE, SOFT)])
        if headers.in_action and headers.in_action[index]:
            x, y = layout.x(index), layout.y(rows)
            canvas.rectangle((x, y, x + layout.tile[0] - 1, y + BAR_PX - 1), fill=BOX_COLOUR)


def _draw_tiles(
    image: Image.Image, frames: np.ndarray, boxes: Sequence[Sequence[Box]], layout: _Layout, index: int
) -> None:
    for column, frame in enumerate(frames):
        tile = Image.fromarray(frame).resize(layout.tile, Image.Resampling.BICUBIC)
        scale = (layout.tile[0] / frame.shape[1], layout.tile[1] / frame.shape[0])
        for x0, y0, x1, y1 in boxes[column]:
            draw_box(tile, (x0 * scale[0], y0 * scale[1], x1 * scale[0], y1 * scale[1]), LINE_PX)
        image.paste(tile, (layout.x(column), layout.y(index)))


def _draw_missing(canvas: ImageDraw.ImageDraw, reason: str, place: tuple[int, int, int, int]) -> None:
    canvas.rectangle(place, fill=EMPTY)
    lines = textwrap.wrap(reason, max(8, (place[2] - place[0]) // NOTE * 2 - 6), max_lines=5, placeholder=" …")
    start = (place[0] + PAD_PX, place[1] + PAD_PX)
    _write(canvas, start, [("/", TITLE, INK), *((line, NOTE, SOFT) for line in lines)])


def _legend(rows: Sequence[Row], headers: Headers) -> Image.Image:
    """The colour bar, and the meaning of boxes and bars if there are any, side by side."""
    parts = [(colour_bar(), LEGEND)] if any(row.share is not None for row in rows) else []
    if any(boxes for row in rows for boxes in row.boxes):
        sign = Image.new("RGB", (COLOUR_BAR_PX[1], COLOUR_BAR_PX[1]), PAPER)
        draw_box(sign, (0, 0, *sign.size), LINE_PX)
        parts.append((sign, "annotated box"))
    if any(headers.in_action or ()):
        parts.append((Image.new("RGB", (2 * COLOUR_BAR_PX[1], BAR_PX), BOX_COLOUR), "frame of the annotated action"))
    widths = [sign.width + LEAD_PX + _length(text, NOTE) + 2 * PAD_PX for sign, text in parts]
    legend = Image.new("RGB", (sum(widths) + 1, COLOUR_BAR_PX[1] + LEAD_PX + NOTE), PAPER)
    canvas, middle = ImageDraw.Draw(legend), COLOUR_BAR_PX[1] // 2
    for (sign, text), left in zip(parts, itertools.accumulate([0, *widths]), strict=False):
        legend.paste(sign, (left, 0 if sign.height > 2 * middle else middle - sign.height // 2))
        canvas.text((left + sign.width + LEAD_PX, middle), text, SOFT, _font(NOTE), "lm")
    return legend


def _length(text: str, size: int) -> int:
    return math.ceil(_font(size).getlength(text))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
