"""Arguments of the command `explain`, checked before anything is loaded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
import yaml

from stepaudit.audit.registry import Component
from stepaudit.audit.sections import Clips
from stepaudit.errors import UsageError

# Options that `--quick` sets, of the methods that have them.
QUICK = {"schedule": "short", "iterations": 50, "masks": 200}
NEAR = 3  # names of classes to suggest


@dataclass(frozen=True)
class Request:
    """Values of the command line; see its help."""

    video: Path
    model: str
    method: str = "step"
    ratio: float = 0.05
    target: str | None = None
    out: Path | None = None
    quick: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None
    classes: str | None = None
    size: str | None = None
    fit: str | None = None
    start: int | None = None
    stop: int | None = None
    seed: int = 0
    device: str = "auto"
    overwrite: bool = False


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Options given as `key=value`, whose values are read as YAML. Raises UsageError for anything else."""
    options = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not (sign and key.strip()):
            raise UsageError(f"--option {pair}: write key=value, such as preset=corrected")
        try:
            options[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"--option {pair}: the value is not valid YAML; put it in quotes") from error
    return options


def check_video(request: Request) -> None:
    """Raises UsageError if there is no such video, or no such stretch of one."""
    if not request.video.exists():
        raise UsageError(f"{request.video}: there is no such video; name a video file or a folder of numbered pictures")
    start = request.start or 0
    if start < 0 or (request.stop is not None and request.stop <= start):
        raise UsageError(
            f"--start {start} --stop {request.stop}: give frames of the video from 0 on, the first before the last"
        )


def options_of(component: Component, request: Request) -> dict[str, Any]:
    """Options of the method: the given ones, over those of `--quick`."""
    return {**(quick_options(component) if request.quick else {}), **request.options}


def quick_options(component: Component) -> dict[str, Any]:
    """Options of `explain --quick` for a method; none if it has nothing to save."""
    return {key: value for key, value in QUICK.items() if key in (component.options or {})}


def device_of(name: str) -> torch.device:
    """The device of a name; `auto` takes a GPU where there is one. Raises UsageError for another one.

    Unlike a job of the workflow, this process has the machine for itself: torch takes all cores.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {name}: auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no GPU; install a CUDA build of PyTorch, or leave it out")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def sized(clips: Clips, size: str | None, fit: str | None) -> Clips:
    """Frames, size and fit of the clip: requested ones over the model's. Raises UsageError for an invalid one."""
    change: dict[str, Any] = {}
    if size is not None:
        numbers = re.fullmatch(r"(\d{1,5})x(\d{1,5})x(\d{1,5})", size)
        if numbers is None or int(numbers[1]) < 1 or min(int(numbers[2]), int(numbers[3])) < 16:
            raise UsageError(f"--size {size}: give frames, height and width from 16 pixels on, such as 16x112x112")
        change = dict(zip(("frames", "height", "width"), map(int, numbers.groups()), strict=True))
    if fit is not None:
        if fit not in ("stretch", "crop"):
            raise UsageError(f"--fit {fit}: stretch (the whole frame) or crop (its shape stays, the centre is kept)")
        change["fit"] = fit
    return clips.model_copy(update=change)


def target_of(text: str, classes: Sequence[str]) -> int:
    """The class of a name, or of a number from 0. Raises UsageError with the nearest names."""
    if text in classes:
        return list(classes).index(text)
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    folded = {name.lower(): name for name in classes}
    if text.lower() in folded:
        return list(classes).index(folded[text.lower()])
    near = [folded[name] for name in get_close_matches(text.lower(), list(folded), n=NEAR)]
    hint = f"; did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
    raise UsageError(f"--target {text}: no class of this name, and none of 0 to {len(classes) - 1}{hint}")
