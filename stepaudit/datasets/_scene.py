"""Scene of a planted video: actors, paths and times. Numbers only; `_render` draws it."""

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np

MOTIONS = ("horizontal", "vertical", "diagonal", "circular")
PARTS = ("head", "middle", "tail")
DECOY_SHAPES = ("ring", "triangle")
SIZES = ((96, 128), (120, 160), (128, 128), (144, 176))
RATES = ("12", "25", "30000/1001")
LENGTHS = (32, 96)
REACH = 0.8  # px from an actor's centre to its furthest point (a triangle's corners), per px of `size`
PATHS = 12  # candidates for the object's path
PAN, PAN_SPEEDS = 12, (0.5, 1.5)  # of a camera: furthest from the middle, px, and px a frame
APART = 1.3  # two actors touch when their centres are nearer than this many sizes


@dataclass(frozen=True)
class Track:
    """Endless path: back and forth on a line, or round a circle.

    `x`, `y` is its centre, `amplitude` its reach along each axis of motion (px), `phase` in [0, 4), `speed` in px a
    frame, `slope` the direction of a diagonal (1 or −1).
    """

    motion: str
    x: float
    y: float
    amplitude: float
    phase: float
    speed: float
    slope: int

    def positions(self, times: np.ndarray) -> np.ndarray:
        """Centres at `times` (frames), [..., 2] as x, y in px."""
        turn = self.phase + self.speed * times / self.amplitude
        swing = np.abs(np.mod(turn, 4) - 2) - 1
        still = np.zeros_like(swing)
        along, down = {
            "horizontal": (swing, still),
            "vertical": (still, swing),
            "diagonal": (swing * np.sqrt(0.5), swing * self.slope * np.sqrt(0.5)),
            "circular": (np.cos(turn), np.sin(turn)),
        }[self.motion]
        return np.stack([self.x + self.amplitude * along, self.y + self.amplitude * down], axis=-1)


@dataclass(frozen=True)
class Actor:
    """Moving shape with the area of a disc of diameter `size` (px), in frames [start, stop)."""

    shape: str
    size: float
    colour: tuple[float, float, float]
    track: Track
    start: int
    stop: int


@dataclass(frozen=True)
class Scene:
    """All parameters of a video's pixels but the seed of background and noise.

    `backdrop` names the background's random numbers: videos of one backdrop and size have the same background.
    `stripes` is the direction of its stripes, in turns of half a circle; None: no stripes. `tint` is its hue, in turns
    of the colour circle; None: grey. `pan` is the way on which the camera slides over it; None: it stands.
    """

    height: int
    width: int
    frames: int
    rate: str
    backdrop: str
    object: Actor
    decoy: Actor
    stripes: float | None = None
    tint: float | None = None
    pan: Track | None = None


def stream(seed: int, name: str, purpose: str) -> np.random.Generator:
    """Random numbers of one purpose of one video, independent of all others."""
    digest = hashlib.sha256(f"{seed}/{name}/{purpose}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def draw_scene(
    seed: int,
    name: str,
    label: str,
    part: str,
    *,
    object_size: float,
    speed: float,
    scenes: int = 0,
    frames: int | None = None,
    hue: float | None = None,
    stripes: tuple[int, int] | None = None,
    tint: float | None = None,
    pans: bool = False,
    throughout: bool = False,
    longest: int = LENGTHS[1],
) -> Scene:
    """Random scene of a video. Nothing but the arguments depends on the class.

    The decoy comes first. The object then takes the path, of a few, with the fewest contacts with the decoy.

    Args:
        label: `<shape>-<motion>` of the object.
        part: 'head', 'middle' or 'tail': the object's part of the video.
        object_size: diameter of a disc of its area, of the shorter side.
        speed: diameters a frame; 0: both actors stand still.
        scenes: number of backgrounds; 0: one for each video.
        frames: length of the video; drawn if None.
        hue: of the object, in turns of the colour circle; None draws a light colour, like the decoy's.
        stripes: direction of the background's stripes, and number of directions; scene k has direction k modulo their
            number. None: all backgrounds, without stripes.
        tint: hue of the background, in turns of the colour circle; None: none.
        pans: whether the camera slides over the background.
        throughout: shows both actors in every frame, whatever their part.
        longest: greatest length that is drawn.
    """
    shape, motion = label.split("-")
    random = stream(seed, name, "scene")
    height, width = SIZES[random.integers(len(SIZES))]
    length = int(random.integers(LENGTHS[0], longest + 1))
    frames = frames or length
    rate = RATES[random.integers(len(RATES))]

    def actor(shape: str, motion: str, part: str) -> Actor:
        drawn = _draw_actor(random, shape, motion, part, height, width, frames or length, object_size, speed)
        return replace(drawn, start=0, stop=frames or length) if throughout else drawn

    random = stream(seed, name, "decoy")
    decoy = actor(*(options[random.integers(len(options))] for options in (DECOY_SHAPES, MOTIONS, PARTS)))
    random = stream(seed, name, "object")
    candidates = [actor(shape, motion, part) for _ in range(PATHS)]
    apart = min(candidates, key=lambda actor: _meetings(actor, decoy))
    if hue is not None:
        apart = replace(apart, colour=colour_of(hue))
    direction, directions = stripes or (0, 1)
    choices = range(direction, scenes, directions)
    backdrop = f"scene-{choices[stream(seed, name, 'place').integers(len(choices))]}" if scenes else name
    pan = _draw_pan(stream(seed, name, "camera")) if pans else None
    turn = direction / directions if stripes else None
    return Scene(height, width, frames, rate, backdrop, apart, decoy, turn, tint, pan)


def _draw_pan(random: np.random.Generator) -> Track:
    """Way of a camera's top left corner, in [0, 2 · PAN] px along both axes."""
    motion = MOTIONS[random.integers(len(MOTIONS))]
    phase, speed, slope = random.uniform(0, 4), random.uniform(*PAN_SPEEDS), int(random.choice([-1, 1]))
    return Track(motion, PAN, PAN, PAN, phase, speed, slope)


def colour_of(hue: float) -> tuple[float, float, float]:
    """A saturated colour of mean 0.5, darker than any decoy. `hue` in turns: 0 red, 1/3 green, 2/3 blue."""
    red, green, blue = (0.5 + 0.5 * math.cos(2 * math.pi * (hue - third / 3)) for third in range(3))
    return red, green, blue


def _draw_actor(
    random: np.random.Generator, shape: str, motion: str, part: str,
    height: int, width: int, frames: int, object_size: float, speed: float,
) -> Actor:  # fmt: skip
    size = object_size * min(height, width) * random.uniform(0.9, 1.1)
    edge = REACH * size + 1
    amplitude = random.uniform(0.65, 1) * (min(height, width) / 2 - edge)
    across = 0 if motion == "vertical" else amplitude
    down = 0 if motion == "horizontal" else amplitude
    track = Track(
        motion,
        x=_draw_off_centre(random, edge, width)
        if motion == "vertical"
        else random.uniform(edge + across, width - edge - across),
        y=_draw_off_centre(random, edge, height)
        if motion == "horizontal"
        else random.uniform(edge + down, height - edge - down),
        amplitude=amplitude,
        phase=random.uniform(0, 4),
        speed=speed * size * random.uniform(0.85, 1.15),
        slope=int(random.choice([-1, 1])),
    )
    start, stop = _draw_segment(random, part, frames)
    red, green, blue = random.uniform(0.7, 1, 3)
    return Actor(shape, size, (red, green, blue), track, start, stop)


def _draw_off_centre(random: np.random.Generator, edge: float, length: int) -> float:
    """Position near either side, so that the frame's centre does not lie on the actor."""
    place = random.uniform(edge, max(edge, 0.3 * length))
    return place if random.random() < 0.5 else length - place


def _draw_segment(random: np.random.Generator, part: str, frames: int) -> tuple[int, int]:
    """Segment in the head, middle or tail third, shorter by up to a twelfth of the third at either end."""
    index = PARTS.index(part)
    first, last = index * frames // 3, (index + 1) * frames // 3
    slack = (last - first) // 12
    return first + int(random.integers(slack + 1)), last - int(random.integers(slack + 1))


def _meetings(actor: Actor, decoy: Actor) -> float:
    """Number of frames with the two in contact."""
    times = np.arange(max(actor.start, decoy.start), min(actor.stop, decoy.stop)) + 0.5
    gap = np.linalg.norm(actor.track.positions(times) - decoy.track.positions(times), axis=-1)
    return float((gap < APART * (actor.size + decoy.size) / 2).sum())
