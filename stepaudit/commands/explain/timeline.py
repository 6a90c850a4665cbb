"""The time line of `explain --window`: what the model answers in each window of long footage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from stepaudit.audit.sections import Clips, Windows
from stepaudit.clips import cutting, decoding
from stepaudit.clips.tensors import to_tensor
from stepaudit.clips.windows import window_bounds
from stepaudit.commands.explain.arguments import Request
from stepaudit.commands.explain.explanation import logits_of
from stepaudit.errors import AuditError, UsageError
from stepaudit.layers import frozen

AT_ONCE = 16  # windows in a forward pass
OF_EXPLANATION = {  # arguments of the explanation of one window, beside those that have a default
    **{name: f"--{name}" for name in ("need", "quick", "ratio", "background", "out", "overwrite")},
    "readings": "--reading",
    "options": "--option",
}


@dataclass(frozen=True)
class Place:
    """A window: frames of the video, half-open, and both ends in seconds of the video."""

    start: int
    stop: int
    second: float
    last_second: float

    def __str__(self) -> str:
        return f"{self.second:.1f} to {self.last_second:.1f} s"


def windows_of(request: Request) -> Windows | None:
    """The windows that are asked for; None without `--window`. Raises UsageError if they make no sense."""
    if request.window is None:
        for name in ("stride", "at"):
            if getattr(request, name) is not None:
                raise UsageError(f"--{name} belongs to windows of long footage; give their length, --window 10")
        return None
    for name in OF_EXPLANATION:
        if request.at is None and getattr(request, name) not in (None, False, [], {}):
            option = OF_EXPLANATION[name]
            raise UsageError(
                f"{option} belongs to a window that is explained; name a second of it, --at, or leave it out"
            )
    try:
        return Windows(seconds=request.window, stride=request.stride)
    except ValidationError as error:
        name = "stride" if "stride" in error.errors()[0]["loc"] else "window"
        raise UsageError(f"--{name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def places(request: Request, asked: Windows) -> list[Place]:
    """The windows of the video, or of its segment between `--start` and `--stop`.

    Raises:
        BadVideoError: its frames cannot be counted.
        UsageError: it has no such segment.
    """
    times = decoding.frame_times(request.video)
    start, stop = request.start or 0, min(len(times), request.stop or len(times))
    if start >= stop:
        raise UsageError(f"--start {start}: {request.video.name} has {len(times)} frames; give one before the last")
    return [Place(*each) for each in window_bounds(times, start, stop, asked)]


def at(windows: Sequence[Place], second: float) -> Place:
    """The window that holds a second, in the middle if there are several. Raises UsageError if there is none."""
    holding = [place for place in windows if place.second <= second < place.last_second]
    if not holding:
        raise UsageError(
            f"--at {second:g}: no window holds this second; give one from {windows[0].second:.1f} to "
            f"{windows[-1].last_second:.1f}, or a shorter --stride"
        )
    return min(holding, key=lambda place: abs(place.second + place.last_second - 2 * second))


def lines(
    net: torch.nn.Module,
    video: Path,
    windows: Sequence[Place],
    clips: Clips,
    classes: Sequence[str],
    target: int | None,
    device: torch.device,
) -> Iterator[str]:
    """A line for each window: its seconds, the most probable class, and the target's probability, if one is given.

    The video is decoded once. A window that cannot be cut says why.
    """
    spans = [(place.start, place.stop) for place in windows]
    for first in range(0, len(windows), AT_ONCE):
        some = windows[first : first + AT_ONCE]
        cut = [_cut_clip(video, place, clips, spans) for place in some]
        rows = [row for row in cut if isinstance(row, dict)]
        shares: list[torch.Tensor] = []
        if rows:
            with frozen(net), torch.no_grad():
                shares = list(logits_of(net, to_tensor(rows).to(device)).softmax(dim=1).cpu())
        left = iter(shares)
        for place, row in zip(some, cut, strict=True):
            yield f"{place}: {row if isinstance(row, str) else _answer_text(next(left), classes, target)}"


def _cut_clip(video: Path, place: Place, clips: Clips, spans: Sequence[tuple[int, int | None]]) -> dict | str:
    segment = {"clip_id": video.stem, "path": str(video), "start": place.start, "stop": place.stop}
    try:
        return cutting.cut({**segment, "action_start": None, "action_stop": None}, ["middle"], clips, 0, spans)[0]
    except AuditError as error:
        return f"{error.status}: {error}"


def _answer_text(probabilities: torch.Tensor, classes: Sequence[str], target: int | None) -> str:
    best = int(probabilities.argmax())
    names = [best] if target in (None, best) else [best, target]
    return ", ".join(f"{classes[name]} {probabilities[name].item():.3f}" for name in names)


def in_time(volumes: Sequence[float], seconds: Sequence[float], last: float) -> str:
    """The shortest segment of the window that holds half of a map, in a sentence.

    Args:
        volumes: share of each clip frame that the map covers, [T].
        seconds: of the video, at which each clip frame is shown, [T].
        last: second at which the window ends.
    """
    total, ends = sum(volumes), [*seconds[1:], last]
    if total <= 0:
        return "in time: the map is 0"
    frames = range(len(volumes))
    enough = [
        (ends[stop] - seconds[start], seconds[start], ends[stop])
        for start in frames
        for stop in frames[start:]
        if sum(volumes[start : stop + 1]) >= total / 2
    ]
    _, begins, end = min(enough)
    return f"in time: half of the map lies between {begins:.1f} and {end:.1f} s of the video"
