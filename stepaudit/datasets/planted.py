"""Generated videos whose class is a small moving object, known in every frame: the data set with a known answer.

A class is a shape and a motion (`disc-horizontal`). The object is seen only in the head, middle or tail third of its
video; a decoy that is as large, bright and quick, but of another shape, is drawn without looking at the class.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Literal

from stepaudit.clips.encoding import encode
from stepaudit.datasets._plan import BROKEN, Video, plan_videos
from stepaudit.datasets._render import SHAPES, boxes, render
from stepaudit.datasets._scene import MOTIONS
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store.writing import own_name, write_text, written

makes_videos = True  # so that no file of the user's decides its rows
ranges = {
    "train_per_class": (1, 1_000_000),
    "test_per_class": (1, 1_000_000),
    "seed": (0, 2_147_483_647),
    "object_size": (0.01, 1),
    "speed": (0, 10),
    "scenes": (0, 1_000_000),
    "noise": (0, 1),
    "longest": (32, 10_000),
}
GENERATOR = 4  # of the pixels: count up when the same options would draw another video
# These came later: a default is left out of the options that name a folder, so that older folders keep their names.
DEFAULT_LOOKS = {
    **{"evidence": "moving", "colours": "drawn", "background": "neutral"},
    **{"tint": "none", "camera": "still", "visible": "third", "longest": 96},
}
DAMAGED_SHARE = 0.6


def read(
    root: Path,
    *,
    classes: tuple[str, ...] = ("disc-horizontal", "disc-vertical", "cross-horizontal", "cross-vertical"),
    train_per_class: int = 36,
    test_per_class: int = 12,
    seed: int = 0,
    object_size: float = 0.2,
    speed: float = 0.45,
    scenes: int = 8,
    noise: float = 0.015,
    broken: bool = True,
    erase: Literal["none", "object", "decoy"] = "none",
    evidence: Literal["moving", "static"] = "moving",
    colours: Literal["drawn", "class"] = "drawn",
    background: Literal["neutral", "striped", "confounded"] = "neutral",
    tint: Literal["none", "any", "confounded"] = "none",
    camera: Literal["still", "moving"] = "still",
    visible: Literal["third", "throughout"] = "third",
    longest: int = 96,
) -> tuple[list[dict], list[dict]]:
    """Generated videos whose class is a small moving object, known in every frame.

    The videos of each set of options lie in a folder of their own below `root`, and are made where they are missing.

    Args:
        root: folder of the videos; made if it is not there.
        classes: `<shape>-<motion>` each, of disc, square, diamond, cross, star and horizontal, vertical, diagonal,
            circular.
        train_per_class: training videos of each class; a multiple of 3 fills head, middle and tail alike.
        test_per_class: test videos of each class, likewise.
        seed: of everything that is drawn.
        object_size: diameter of a disc of the object's area, of the frame's shorter side.
        speed: way in a frame, in diameters; the shutter stays open for it, so motion shows in a single frame.
        scenes: how many backgrounds the videos share, drawn without looking at the class, as a few cameras would see
            them; 0 gives every video its own, which a small network learns by heart.
        noise: standard deviation of the sensor noise, of a brightness range of 1.
        broken: adds four test videos that are no video, too short, damaged, and not annotated.
        erase: leaves out the object or the decoy, and changes nothing else; the annotation stays.
        evidence: `static` lets object and decoy stay where they are, so that shape or colour alone tells the class.
        colours: `class` gives the object a saturated hue of its class, less bright than the decoy, which stays pale.
        background: `striped` paints stripes on the scenes, of as many directions as there are classes. Each class shows
            each direction equally often, in head, middle and tail, if it has a multiple of 3 × classes videos.
            `confounded` has the same test videos, but in training a class shows stripes in a direction of its own
            alone: a model that looks at the background learns, and is found out in testing.
        tint: `any` gives each video's background one of as many hues as there are classes; each class has each hue
            equally often. `confounded` has the same test videos, but in training a class has a hue of its own alone.
        camera: `moving` lets the whole background slide, so that not only object and decoy move.
        visible: `throughout` shows object and decoy in every frame.
        longest: frames of the longest video; the shortest has 32.

    Raises:
        UsageError: an unknown class, an object too large or too fast, classes that nothing tells apart, too few scenes
            for the stripes, or an ffmpeg that cannot encode.
    """
    _check_options(classes, train_per_class, test_per_class, object_size, speed)
    _check_look(classes, scenes, evidence, colours, background)
    options = {
        "classes": list(classes), "train_per_class": train_per_class, "test_per_class": test_per_class, "seed": seed,
        "object_size": object_size, "speed": speed, "scenes": scenes, "noise": noise, "broken": broken, "erase": erase,
    }  # fmt: skip
    signs: dict[str, str] = {"colours": colours, "background": background, "tint": tint}
    looks = {**signs, "evidence": evidence, "camera": camera, "visible": visible, "longest": longest}
    folder = _videos_folder(root, options | {name: look for name, look in looks.items() if look != DEFAULT_LOOKS[name]})
    moving = speed if evidence == "moving" else 0.0
    look = {"object_size": object_size, "speed": moving, "scenes": scenes, "pans": camera == "moving"}
    look |= {"throughout": visible == "throughout", "longest": longest}
    videos = plan_videos(tuple(classes), train_per_class, test_per_class, seed, look, signs, broken)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda video: _write_video(video, _path(folder, video), seed, noise, erase), videos))
    labels = sorted(classes)
    segments = [_segment(video, _path(folder, video), labels.index(video.label)) for video in videos]
    return segments, [row for video in videos for row in _boxes(video)]


def count(
    root: Path,
    *,
    classes: tuple[str, ...] = ("disc-horizontal", "disc-vertical", "cross-horizontal", "cross-vertical"),
    train_per_class: int = 36,
    test_per_class: int = 12,
    broken: bool = True,
    **_options: object,
) -> dict[str, int]:
    """Segments of each split, without making any video."""
    return {
        "train": len(classes) * train_per_class,
        "test": len(classes) * test_per_class + (len(BROKEN) if broken else 0),
    }


def _check_options(
    classes: Sequence[str], train_per_class: int, test_per_class: int, object_size: float, speed: float
) -> None:
    known = [f"{shape}-{motion}" for shape, motion in product(SHAPES, MOTIONS)]
    for name in classes:
        if name not in known:
            raise UsageError(f"planted has no class '{name}'{did_you_mean(name, known)}")
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise UsageError("planted needs two or more classes, each named once")
    if min(train_per_class, test_per_class) < 1:
        raise UsageError("planted needs at least one training and one test video of each class")
    if not 0.05 <= object_size <= 0.4 or not 0 < speed <= 1:
        raise UsageError("planted: choose an object_size in [0.05, 0.4] and a speed in (0, 1]")


def _check_look(classes: Sequence[str], scenes: int, evidence: str, colours: str, background: str) -> None:
    shapes = [name.split("-")[0] for name in classes]
    if evidence == "static" and colours == "drawn" and len(set(shapes)) < len(shapes):
        raise UsageError(
            "planted: with static evidence nothing tells classes of one shape apart; "
            "name a shape once, or choose colours: class"
        )
    if background != "neutral" and scenes < len(classes):
        raise UsageError(f"planted: stripes in {len(classes)} directions need at least as many scenes; raise `scenes`")


def _videos_folder(root: Path, options: dict) -> Path:
    """Folder of the videos of these options, named by their hash; `options.json` in it lists them."""
    text = json.dumps({"generator": GENERATOR, **options}, indent=2, sort_keys=True) + "\n"
    folder = root / hashlib.sha256(text.encode()).hexdigest()[:12]
    write_text(folder / "options.json", text)
    return folder


def _path(folder: Path, video: Video) -> Path:
    return folder / video.label / f"{video.name}.mp4"


def _write_video(video: Video, path: Path, seed: int, noise: float, erase: str) -> None:
    """Render and encode a video, or write the broken file that it is to be; an existing file stays."""
    if path.exists():
        return
    if video.broken == "no_video":
        write_text(path, "This is not a video. It is here so that an audit meets one.\n")
        return
    frames = render(video.scene, seed, video.name, noise=noise, erase=erase)
    if video.broken != "damaged":
        encode(frames, path, video.scene.rate)
        return
    with written(path, own_name(path)) as whole:
        encode(frames, whole, video.scene.rate)
        os.truncate(whole, int(DAMAGED_SHARE * whole.stat().st_size))


def _segment(video: Video, path: Path, target: int) -> dict:
    annotated = video.broken != "not_annotated"
    return {
        "clip_id": video.name,
        "video_id": video.name,
        "path": str(path),
        "split": video.split,
        "group": video.name,
        "label": video.label,
        "target": target,
        "start": 0,
        "stop": video.scene.frames,
        "action_start": video.scene.object.start if annotated else None,
        "action_stop": video.scene.object.stop if annotated else None,
    }


def _boxes(video: Video) -> list[dict]:
    if video.broken == "not_annotated":
        return []
    scene = video.scene
    return [
        {"video_id": video.name, "frame": frame, "label": label, "x0": x0, "y0": y0, "x1": x1, "y1": y1}
        for label, actor in ((video.label, scene.object), ("decoy", scene.decoy))
        for frame, x0, y0, x1, y1 in boxes(actor, scene.height, scene.width)
    ]
