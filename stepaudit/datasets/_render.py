"""Rendering of the planted scenes as numpy arrays."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from stepaudit.datasets._scene import PAN, Actor, Scene, colour_of, stream

EXPOSURES = 8  # moments that are averaged into a frame while the shutter is open
STRIPES, STRIPES_PER_FRAME = 0.08, 10  # of a background: amplitude, of a brightness range of 1; and how many there are

TINT = 0.24  # difference of a tinted background's strongest colour from grey is half of it


def _triangle_distance(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    """Distance to the edge of an equilateral triangle that points up."""
    return np.maximum(v, np.abs(u) * np.sqrt(0.75) - v / 2) - radius / 2


# Distance to the edge, negative inside. Each covers the area of the unit disc, so that no shape is larger than another.
Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]
SHAPES: dict[str, Shape] = {
    "disc": lambda u, v: np.hypot(u, v) - 1.0,
    "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)) - 0.886,
    "diamond": lambda u, v: (np.abs(u) + np.abs(v) - 1.253) * np.sqrt(0.5),
    "cross": lambda u, v: np.maximum(
        np.maximum(np.abs(u), np.abs(v)) - 1.166, np.minimum(np.abs(u), np.abs(v)) - 0.408
    ),
    "star": lambda u, v: np.minimum(_triangle_distance(u, v, 1.347), _triangle_distance(u, -v, 1.347)),
}
DECOYS: dict[str, Shape] = {
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.866) - 0.289,
    "triangle": lambda u, v: _triangle_distance(u, v, 1.555),
}


def coverage(actor: Actor, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of each pixel that the actor covers while the shutter is open, around the actor only.

    Returns:
        [n, P, P] in [0, 1] for the n frames with the actor, and the patches' left and top pixels, [n, 2].
    """
    moments = (np.arange(EXPOSURES) + 0.5) / EXPOSURES
    centres = actor.track.positions(np.arange(actor.start, actor.stop)[:, None] + moments)
    side = min(int(np.ceil(1.6 * actor.size + actor.track.speed)) + 3, height, width)
    corners = np.floor(centres.mean(axis=1) - side / 2).astype(int).clip(0, [width - side, height - side])
    pixels = corners[:, None, :, None] + np.arange(side) + 0.5 - centres[..., None]  # [n, moments, 2, P]
    radius = actor.size / 2
    across, down = (pixels / radius).astype(np.float32).transpose(2, 0, 1, 3)
    distance = {**SHAPES, **DECOYS}[actor.shape](across[:, :, None, :], down[:, :, :, None]) * radius
    return (0.5 - distance).clip(0, 1).mean(axis=1), corners


def boxes(actor: Actor, height: int, width: int) -> list[tuple[int, int, int, int, int]]:
    """(frame, x0, y0, x1, y1) of the pixels that the actor touches, in each frame with the actor."""
    rows = []
    for frame, (alpha, (left, top)) in enumerate(zip(*coverage(actor, height, width), strict=True), start=actor.start):
        across, down = np.flatnonzero(alpha.any(axis=0)), np.flatnonzero(alpha.any(axis=1))
        x0, y0 = int(left + across[0]), int(top + down[0])
        rows.append((frame, x0, y0, int(left + across[-1] + 1), int(top + down[-1] + 1)))
    return rows


def render(scene: Scene, seed: int, name: str, *, noise: float, erase: str = "none") -> np.ndarray:
    """The video, uint8 RGB [n, H, W, 3]. Erasing an actor leaves every other pixel, and the noise, as it was.

    Args:
        noise: standard deviation of the sensor noise, of a brightness range of 1.
        erase: 'object', 'decoy' or 'none'.
    """
    frames = _film_background(scene, stream(seed, scene.backdrop, "background"))
    for role in ("decoy", "object"):
        if role != erase:
            _paint(frames, getattr(scene, role))
    grain = stream(seed, name, "noise").standard_normal((*frames.shape[:3], 1), dtype=np.float32)
    grain *= noise
    frames += grain
    frames *= 255
    frames += 0.5
    return frames.clip(0, 255, out=frames).astype(np.uint8)


def _paint(frames: np.ndarray, actor: Actor) -> None:
    alphas, corners = coverage(actor, *frames.shape[1:3])
    side = alphas.shape[-1]
    for frame, alpha, (left, top) in zip(frames[actor.start : actor.stop], alphas, corners, strict=True):
        patch = frame[top : top + side, left : left + side]
        patch += alpha[..., None] * (np.asarray(actor.colour, np.float32) - patch)


def _film_background(scene: Scene, random: np.random.Generator) -> np.ndarray:
    """The background in every frame, [n, H, W, 3]."""
    if scene.pan is None:
        return np.repeat(_background(scene, random)[None], scene.frames, axis=0)
    wider = replace(scene, height=scene.height + 2 * PAN, width=scene.width + 2 * PAN)
    picture = _background(wider, random)
    corners = scene.pan.positions(np.arange(scene.frames)).round().astype(int)
    return np.stack([picture[top : top + scene.height, left : left + scene.width] for left, top in corners])


def _background(scene: Scene, random: np.random.Generator) -> np.ndarray:
    """Smooth coloured noise with a finer texture on it, [H, W, 3], darker than any actor."""
    coarse = [_smooth_noise(random, scene, cell=random.uniform(24, 48)) for _ in range(3)]
    grey, fine = _smooth_noise(random, scene, cell=32), _smooth_noise(random, scene, cell=random.uniform(5, 9))
    base = random.uniform(0.22, 0.4) + random.uniform(-0.04, 0.04, 3)
    picture = base + 0.03 * np.stack(coarse, axis=-1) + (0.06 * grey + 0.04 * fine)[..., None]
    if scene.stripes is not None:
        picture += _stripes(random, scene, scene.stripes)[..., None]
    if scene.tint is not None:
        picture += TINT * (np.asarray(colour_of(scene.tint)) - 0.5)
    return picture.clip(0.02, 0.62).astype(np.float32)


def _stripes(random: np.random.Generator, scene: Scene, direction: float) -> np.ndarray:
    """Waves of brightness in the scene's direction, equally wide in every size of video. [H, W]."""
    across, down = np.cos(np.pi * direction), np.sin(np.pi * direction)
    way = across * np.arange(scene.width)[None] / scene.width + down * np.arange(scene.height)[:, None] / scene.height
    return STRIPES * np.sin(2 * np.pi * (random.uniform() + STRIPES_PER_FRAME * way))


def _smooth_noise(random: np.random.Generator, scene: Scene, cell: float) -> np.ndarray:
    grid = random.standard_normal((int(scene.height / cell) + 2, int(scene.width / cell) + 2), dtype=np.float32)
    return np.asarray(Image.fromarray(grid).resize((scene.width, scene.height), Image.Resampling.BICUBIC))
