"""The command `explain`: one video, one model, one method, and all that is made of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stepaudit.audit.registry import Component
from stepaudit.audit.sections import Clips
from stepaudit.audit.work import SUFFICIENCY_PASSES
from stepaudit.clips import cutting, decoding
from stepaudit.clips.tensors import to_tensor
from stepaudit.commands.explain import arguments, explanation, need, timeline
from stepaudit.commands.explain.arguments import Request, quick_options
from stepaudit.commands.explain.clip_report import ClipReport
from stepaudit.commands.explain.files import missing_film, report_writer
from stepaudit.commands.explain.model_calls import Observer
from stepaudit.commands.explain.need_report import NeedReport
from stepaudit.errors import TooShortError, UsageError
from stepaudit.networks import probe
from stepaudit.networks.by_name import Chosen, choose
from stepaudit.networks.probe import Answers
from stepaudit.running.progress import progress

SLOW_PASSES = 1000
NEED_PASSES = 2 * SUFFICIENCY_PASSES  # of the class and of the most probable other one


def run(request: Request) -> Iterator[str]:
    """Explains the clip and writes its files. Yields the lines to print, as soon as each is known.

    Raises:
        UsageError: the video, model, method or an option does not exist or does not fit; nothing was written.
        AuditError: the clip cannot be explained: it does not decode, is too short, or the method does not suit it.
    """
    arguments.check_video(request)
    component, asked_windows = _checked_method(request), timeline.windows_of(request)
    options = {**(quick_options(component) if request.quick else {}), **request.options}
    device = arguments.device_of(request.device)
    decoding.source_size(request.video)  # before the model is fetched or read, which takes longer
    chosen = choose(request.model, weights=request.weights, classes=request.classes, layer=request.layer)
    clips = arguments.sized(chosen.clips, request.size, request.fit)
    place = None
    if asked_windows is not None:
        windows = timeline.places(request, asked_windows)
        place = None if request.at is None else timeline.at(windows, request.at)
        yield from _time_line(request, chosen, clips, windows, device)
        if place is None:
            return
        request = replace(request, start=place.start, stop=place.stop)
    folder = request.out or Path(f"{request.video.stem}_explained")
    with report_writer(folder, overwrite=request.overwrite) as write:
        clip = cutting.middle(request.video, clips, start=request.start, stop=request.stop)
        yield _clip_line(request, clip, "as asked" if request.size else chosen.origin)
        yield from (_notes_on_need(request) if request.need else _notes(component, options, request, clips))
        yield from missing_film()
        asked = _ask_model(request, chosen, to_tensor([clip]).to(device), clips)
        report = _explain_clip(request, chosen, clip, asked, options, component)
        yield from report.lines()
        if place is not None and isinstance(report, ClipReport):
            yield timeline.in_time(report.maps()[0]["frame_volume"], _seconds(request, clip), place.last_second)
        yield f"wrote {folder}: {', '.join(write(report))}"


def _time_line(
    request: Request, chosen: Chosen, clips: Clips, windows: list[timeline.Place], device: torch.device
) -> Iterator[str]:
    """A line for each window. The model is asked a few questions about the first that can be cut."""
    yield f"{request.video.name}: {len(windows)} windows"
    for place in windows:
        try:
            clip = cutting.middle(request.video, clips, start=place.start, stop=place.stop)
        except TooShortError:
            continue
        asked = _ask_model(request, chosen, to_tensor([clip]).to(device), clips)
        target = None if asked.target is None else int(asked.target[0])
        yield from timeline.lines(chosen.net, request.video, windows, clips, asked.classes, target, device)
        return
    raise TooShortError(
        f"{request.video.name}: no window has the {clips.frames} frames of a clip; give a longer --window"
    )


def _seconds(request: Request, clip: dict) -> list[float]:
    """Seconds of the video at which the frames of a clip are shown."""
    times = decoding.frame_times(request.video)
    return [float(times[frame]) for frame in clip["frames"]]


def _clip_line(request: Request, clip: dict, origin: str) -> str:
    frames = clip["frames"]
    size = f"{clip['height']} × {clip['width']} pixels"
    return f"clip: {request.video.name}, {len(frames)} frames from {frames[0]} to {frames[-1]}, {size} ({origin})"


def _notes(component: Component, options: dict[str, Any], request: Request, clips: Clips) -> Iterator[str]:
    """Notes to print before the method runs."""
    quick, passes = quick_options(component), _passes(component, options, clips)
    quick = {key: value for key, value in quick.items() if key not in request.options}
    if request.quick and not quick:
        yield f"note: --quick changes nothing for {request.method}"
    elif request.quick:
        given = ", ".join(f"{key}={value}" for key, value in quick.items())
        yield f"note: --quick ({given}) gives a rough map for a first look; docs/explain.md says what that costs"
    elif quick and passes > SLOW_PASSES:
        fewer = _passes(component, {**options, **quick}, clips)
        yield f"note: about {passes} passes through the model; --quick takes {fewer}, for a first look"


def _notes_on_need(request: Request) -> Iterator[str]:
    """Notes to print before the search for what a clip needs."""
    if request.background is None:
        yield "note: no other video stands behind hidden parts, as in an audit; give one with --background"


def _checked_method(request: Request) -> Component:
    """The method, if it can do what is asked. Raises UsageError otherwise."""
    arguments.check_need(request)
    if request.need:
        need.check_readings(request.readings or [])
        return need.checked(request.method, request.options)
    return explanation.checked(request.method, request.options, [request.share])


@dataclass(frozen=True)
class _Asked:
    """A clip [1, 3, T, H, W], the model's answers to a few questions about it, class names, and the target [1]."""

    clip: Tensor
    answers: Answers
    classes: list[str]
    target: Tensor | None
    size: Clips


def _ask_model(request: Request, chosen: Chosen, clip: Tensor, clips: Clips) -> _Asked:
    """The clip with the model's answers, its classes, and the index of the requested target."""
    chosen.net.to(clip.device)
    size = clips.model_copy(update={"frames": clip.shape[2], "height": clip.shape[3], "width": clip.shape[4]})
    answers = _probe_model(chosen, clip, size)
    classes = chosen.classes or [str(index) for index in range(answers.classes or 0)]
    index = None if request.target is None else arguments.target_of(request.target, classes)
    return _Asked(clip, answers, classes, None if index is None else torch.tensor([index], device=clip.device), size)


def _explain_clip(
    request: Request, chosen: Chosen, clip: dict, asked: _Asked, options: dict[str, Any], component: Component
) -> ClipReport | NeedReport:
    """The map of a clip, or what the model needs of it, with its names."""
    names = (request.video.stem, clip, chosen.name, request.model, asked.classes)
    given: dict[str, Any] = {
        "method": request.method,
        "options": options,
        "seed": request.seed,
        "answers": asked.answers,
    }
    readings = request.readings or []
    passes = (
        NEED_PASSES + SUFFICIENCY_PASSES * len(readings) if request.need else _passes(component, options, asked.size)
    )
    with _progress(f"{request.method} of {request.video.name}", passes) as observer:
        if request.need:
            behind = _background(request, asked)
            given |= {"backgrounds": behind, "readings": readings}
            least = need.needed(chosen.net, asked.clip, asked.target, observer=observer, **given)
            return NeedReport(*names, least, is_named=request.target is not None)
        result = explanation.explained(
            chosen.net, asked.clip, asked.target, [request.share], observer=observer, **given
        )
        return ClipReport(*names, result, is_named=request.target is not None)


def _background(request: Request, asked: _Asked) -> Tensor | None:
    """The clip that stands behind hidden parts, [1, 3, T, H, W]."""
    if request.background is None:
        return None
    return to_tensor([cutting.middle(request.background, asked.size)]).to(asked.clip)


def _probe_model(chosen: Chosen, clip: Tensor, clips: Clips) -> Answers:
    """The model's answers to a few questions about the clip. Raises UsageError if it fails or cannot be believed."""
    try:
        answers = probe.require(chosen.net, clip, name=chosen.name)
    except (UsageError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UsageError(
            f"model '{chosen.name}' fails on a clip of {clips.size} ({reason}); if it takes another size, add --size"
        ) from error
    if chosen.classes is not None and len(chosen.classes) != answers.classes:
        given = len(chosen.classes)
        raise UsageError(f"model '{chosen.name}' has {answers.classes} classes, {given} names were given for them")
    return answers


@contextmanager
def _progress(description: str, total: int) -> Iterator[Observer]:
    """Progress bar, or log lines, of the passes through a model, with the target's probability."""
    done, last = 0, ""
    with progress(description, total) as advance:

        def observer(passes: int, probability: float | None) -> None:
            nonlocal done, last
            last = "" if probability is None else f"probability {probability:.3f}"
            new = min(passes, total - 1) - done  # `total` is an estimate: the bar reaches it at the end
            done += new
            advance(new, last)

        yield observer
        advance(total - done, last)


def _passes(component: Component, options: dict[str, Any], clips: Clips) -> int:
    """Estimated forward passes of the model for a map; one with its gradient counts as three."""
    passes = component.companion("passes")
    return passes((clips.frames, clips.height, clips.width), **options) if passes else 3
