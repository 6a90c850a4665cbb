"""The command `explain`: one video, one model, one method, and all that is made of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stepaudit.audit.registry import Component
from stepaudit.audit.sections import Clips
from stepaudit.clips import cutting, decoding
from stepaudit.clips.tensors import to_tensor
from stepaudit.commands.explain import arguments, explanation
from stepaudit.commands.explain.arguments import Request, quick_options
from stepaudit.commands.explain.clip_report import ClipReport
from stepaudit.commands.explain.explanation import Explanation, explained
from stepaudit.commands.explain.files import missing_film, output_folder
from stepaudit.commands.explain.model_calls import Observer
from stepaudit.errors import UsageError
from stepaudit.networks import probe
from stepaudit.networks.by_name import Chosen, choose
from stepaudit.networks.probe import Answers
from stepaudit.running.progress import progress

SLOW_PASSES = 1000


def run(request: Request) -> Iterator[str]:
    """Explains the clip and writes its files. Yields the lines to print, as soon as each is known.

    Raises:
        UsageError: the video, model, method or an option does not exist or does not fit; nothing was written.
        AuditError: the clip cannot be explained: it does not decode, is too short, or the method does not suit it.
    """
    arguments.check_video(request)
    component = explanation.checked(request.method, request.options, [request.ratio])
    options = {**(quick_options(component) if request.quick else {}), **request.options}
    device = arguments.device_of(request.device)
    decoding.source_size(request.video)  # before the model is fetched or read, which takes longer
    chosen = choose(request.model, weights=request.weights, classes=request.classes)
    clips = arguments.sized(chosen.clips, request.size, request.fit)
    folder = request.out or Path(f"{request.video.stem}_explained")
    with output_folder(folder, overwrite=request.overwrite) as write:
        clip = cutting.middle(request.video, clips, start=request.start, stop=request.stop)
        yield _clip_line(request, clip, "as asked" if request.size else chosen.origin)
        yield from _notes(component, options, request, clips)
        yield from missing_film()
        explained_clip, classes = _explained(request, chosen, to_tensor([clip]).to(device), options, component)
        report = ClipReport(request.video.stem, clip, chosen.name, request.model, classes, explained_clip)
        yield from report.lines()
        yield f"wrote {folder}: {', '.join(write(report))}"


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


def _explained(
    request: Request, chosen: Chosen, clip: Tensor, options: dict[str, Any], component: Component
) -> tuple[Explanation, list[str]]:
    """The explanation of a clip [1, 3, T, H, W], and the names of the classes."""
    chosen.net.to(clip.device)
    size = Clips(frames=clip.shape[2], height=clip.shape[3], width=clip.shape[4])
    answers = _asked(chosen, clip, size)
    classes = chosen.classes or [str(index) for index in range(answers.classes or 0)]
    index = None if request.target is None else arguments.target_of(request.target, classes)
    target = None if index is None else torch.tensor([index], device=clip.device)
    with _progress(f"{request.method} of {request.video.name}", _passes(component, options, size)) as observer:
        result = explained(
            chosen.net, clip, target, [request.ratio],
            method=request.method, options=options, seed=request.seed, observer=observer, answers=answers,
        )  # fmt: skip
    return result, classes


def _asked(chosen: Chosen, clip: Tensor, clips: Clips) -> Answers:
    """The model's answers to a few questions about the clip. Raises UsageError if it fails or cannot be believed."""
    try:
        answers = probe.require(chosen.net, clip, name=chosen.name)
    except (UsageError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UsageError(
            f"model '{chosen.name}' fails on a clip of {clips.size} ({reason}); give the size that it takes, --size"
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
