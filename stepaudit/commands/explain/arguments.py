"""Arguments of the command `explain`, checked before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stepaudit.audit import yaml_file
from stepaudit.audit.registry import Component
from stepaudit.audit.sections import Clips
from stepaudit.errors import UsageError, did_you_mean

# Options that `--quick` sets, of the methods that have them.
QUICK = {"schedule": "short", "iterations": 50, "masks": 200}
RATIO = 0.05


@dataclass(frozen=True)
class Request:
    """Values of the command line; see its help."""

    video: Path
    model: str
    method: str
    ratio: float | None
    target: str | None
    out: Path | None
    quick: bool
    need: bool
    background: Path | None
    readings: list[str] | None
    options: dict[str, Any]
    weights: str | None
    classes: str | None
    layer: str | None
    size: str | None
    fit: str | None
    start: int | None
    stop: int | None
    window: float | None
    stride: float | None
    at: float | None
    seed: int
    device: str
    overwrite: bool

    @property
    def share(self) -> float:
        """Share of the clip to keep."""
        return RATIO if self.ratio is None else self.ratio


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Options given as `key=value`, whose values are read as YAML. Raises UsageError for anything else."""
    options = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        name = key.strip()
        if not (sign and name):
            raise UsageError(f"--option {pair}: write key=value, such as preset=corrected")
        if name in options:
            raise UsageError(f"--option {pair}: '{name}' is given twice; leave one out")
        options[name] = yaml_file.parse(value, f"--option {pair}")
    return options


def check_need(request: Request) -> None:
    """Raises UsageError for options that `--need` makes no use of, or that only it uses."""
    if request.need and (request.quick or request.ratio is not None):
        name = "--quick" if request.quick else "--ratio"
        raise UsageError(f"--need finds the ratio, in a schedule of its own; leave out {name}")
    for name, given in (("--background", request.background is not None), ("--reading", request.readings)):
        if given and not request.need:
            raise UsageError(f"{name} belongs to --need; add --need, or leave it out")
    if request.background is not None and not request.background.exists():
        raise UsageError(f"--background {request.background}: there is no such video")


def check_video(request: Request) -> None:
    """Raises UsageError if there is no such video, or no such segment of one."""
    if not request.video.exists():
        raise UsageError(f"{request.video}: there is no such video; name a video file or a folder of numbered pictures")
    start = request.start or 0
    if start < 0 or (request.stop is not None and request.stop <= start):
        raise UsageError(
            f"--start {start} --stop {request.stop}: give frames of the video from 0 on, the first before the last"
        )


def quick_options(component: Component) -> dict[str, Any]:
    """Options of `explain --quick` for a method; none if it has nothing to save."""
    return {key: value for key, value in QUICK.items() if key in (component.options or {})}


def device_of(name: str) -> torch.device:
    """The device of a name; `auto` takes a GPU where there is one. Raises UsageError for a GPU that is not there.

    Unlike a job of the workflow, this process has the machine for itself: torch takes all cores.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no GPU; install a CUDA build of PyTorch, or leave it out")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def sized(clips: Clips, size: str | None, fit: str | None) -> Clips:
    """Frames, size and fit of the clip: as requested, else the model's. Raises UsageError for an invalid one."""
    clips = clips if size is None else clips.resized(size)
    return clips if fit is None else clips.model_copy(update={"fit": fit})


def target_of(text: str, classes: Sequence[str]) -> int:
    """The class of a name, or of a number from 0. Raises UsageError with the nearest name."""
    folded = [name.lower() for name in classes]
    for name, names in ((text, classes), (text.lower(), folded)):
        if name in names:
            return list(names).index(name)
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    nearest = did_you_mean(text, list(classes)).partition(" (known")[0]
    raise UsageError(f"--target {text}: no class of this name, and none of 0 to {len(classes) - 1}{nearest}")
