"""Pictures of one explained clip: a movie of the clip, the map over it and the part kept, and a strip of frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from stepaudit.report.pictures import figures
from stepaudit.report.pictures.pictures import HEAT, Box, spread, tint

TILE_PX = 240  # height of a frame
GAP_PX, HEAD_PX, FOOT_PX, PAD_PX = 4, 30, 44, 6
TEXT_PX, SMALLEST_TEXT_PX = 16, 9
INK, PAPER, BAR, NOW = (235, 237, 240), (24, 26, 30), (96, 102, 112), tuple(int(part) for part in HEAT[-2])
STRIP_FRAMES = 8


@dataclass(frozen=True)
class Shown:
    """A clip with its map, ready to be drawn.

    Args:
        frames: uint8 [T, H, W, 3].
        share: the map as it is shown, [T, H, W] in [0, 1].
        kept: uint8 [T, H, W, 3], the clip of which the map's part is kept.
        captions: of the clip, of the map and of the part kept, a short line each.
    """

    frames: np.ndarray
    share: np.ndarray
    kept: np.ndarray
    captions: tuple[str, str, str]


def pictures_of(clip: Tensor) -> np.ndarray:
    """A clip [3, T, H, W] in [0, 1] as uint8 [T, H, W, 3]."""
    return (clip.detach().permute(1, 2, 3, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()


def movie(shown: Shown) -> np.ndarray:
    """The clip, the map over it and the part kept side by side, with the map's share of each frame as bars below.

    Returns:
        uint8 [T, h, w, 3], h and w even.
    """
    panels = [shown.frames, tint(shown.frames, shown.share), shown.kept]
    tile = _tile_size(shown.frames)
    width = len(panels) * (tile[0] + GAP_PX) - GAP_PX
    head = Image.new("RGB", (width, HEAD_PX), PAPER)
    for index, caption in enumerate(shown.captions):
        _write(head, (index * (tile[0] + GAP_PX) + PAD_PX, HEAD_PX // 2), caption, tile[0] - 2 * PAD_PX)
    volumes = shown.share.mean(axis=(1, 2))
    return np.stack([_composed([p[t] for p in panels], tile, head, volumes, t) for t in range(len(shown.frames))])


def strip(
    shown: Shown, title: str, subtitle: str, sources: Sequence[int], notes: Sequence[Sequence[str]]
) -> Image.Image:
    """A figure of frames in a row: as they are, with the map, and the part kept.

    They are spread evenly over the clip; the frame with most of the map takes the place of the nearest one.

    Args:
        sources: source frame of each clip frame, T.
        notes: numbers beside each of the three rows.
    """
    chosen = _strip_frames(shown.share)
    blank: list[list[Box]] = [[] for _ in chosen]
    headers = figures.Headers([f"frame {t}" for t in chosen], [f"source {sources[t]}" for t in chosen])
    names = ("clip", shown.captions[1], "kept")
    rows = [
        figures.Row(names[0], notes[0], shown.frames[chosen], blank),
        figures.Row(names[1], notes[1], shown.frames[chosen], blank, shown.share[chosen]),
        figures.Row(names[2], notes[2], shown.kept[chosen], blank),
    ]
    return figures.draw(title, subtitle, headers, rows)


def _strip_frames(share: np.ndarray) -> list[int]:
    """Frames of a strip."""
    evenly, fullest = list(spread(len(share), STRIP_FRAMES)), int(share.mean(axis=(1, 2)).argmax())
    evenly[min(range(len(evenly)), key=lambda place: abs(evenly[place] - fullest))] = fullest
    return evenly


def _tile_size(frames: np.ndarray) -> tuple[int, int]:
    """Width and height of a frame in the movie, even."""
    height, width = frames.shape[1:3]
    return 2 * round(TILE_PX * width / height / 2), TILE_PX


def _composed(
    panels: Sequence[np.ndarray], tile: tuple[int, int], head: Image.Image, volumes: np.ndarray, now: int
) -> np.ndarray:
    """One frame of the movie."""
    image = Image.new("RGB", (head.width, HEAD_PX + tile[1] + FOOT_PX), PAPER)
    image.paste(head, (0, 0))
    for index, panel in enumerate(panels):
        scaled = Image.fromarray(panel).resize(tile, Image.Resampling.BICUBIC)
        image.paste(scaled, (index * (tile[0] + GAP_PX), HEAD_PX))
    _draw_bars(image, volumes, now)
    return np.asarray(image)


def _draw_bars(image: Image.Image, volumes: np.ndarray, now: int) -> None:
    """Bars of the map's share of each frame, relative to the fullest frame; the current frame is highlighted."""
    canvas, bottom = ImageDraw.Draw(image), image.height - PAD_PX
    pitch, most = (image.width - 2 * PAD_PX) / len(volumes), max(float(volumes.max()), 1e-9)
    for index, volume in enumerate(volumes):
        left, height = PAD_PX + index * pitch, (FOOT_PX - 2 * PAD_PX) * float(volume) / most
        place = (round(left), round(bottom - max(height, 1)), round(left + pitch) - 3, bottom)
        canvas.rectangle(place, fill=NOW if index == now else BAR)


def _write(image: Image.Image, at: tuple[int, int], text: str, width: int) -> None:
    """A line, in letters as large as its width allows; cut where the smallest are too wide."""
    sizes = range(TEXT_PX, SMALLEST_TEXT_PX - 1, -1)
    fonts = [ImageFont.load_default(size) for size in sizes]
    font = next((font for font in fonts if font.getlength(text) <= width), fonts[-1])
    while font.getlength(text) > width:
        text = text.removesuffix("…")[:-1] + "…"
    ImageDraw.Draw(image).text(at, text, INK, font, "lm")
