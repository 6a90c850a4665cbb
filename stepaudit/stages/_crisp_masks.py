"""Need of each clip by crisp masks: rows of `preservation` for the bound `sufficiency`."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from stepaudit.audit.requests import Request, for_runner_up
from stepaudit.clips.tensors import require_ok, tensors, to_tensor
from stepaudit.clips.windows import show_different_scenes
from stepaudit.errors import NotApplicableError
from stepaudit.stages._search_tools import Tools, key
from stepaudit.store.answer_values import answer_values


def rows(
    requests: Sequence[Request], tools: Tools, asked: str, others: Sequence[Request], readings: Sequence[str] = ()
) -> list[list[dict]]:
    """A row for each clip.

    Args:
        asked: `label` or `runner_up`.
        others: the requests of the whole shard, whose clips are each other's backgrounds.
        readings: further ones, of `stepaudit.extremal.readings.READ`.
    """
    if tools.sufficiency is None:
        raise NotApplicableError(f"method '{tools.method}' has no search for the bound 'sufficiency'")
    explained, requests = requests, [require_class(request, asked) for request in requests]
    clips, targets = tensors(requests, tools.torch_device)
    own = torch.tensor([request.target for request in explained], device=tools.torch_device)
    behind = [background(request, others) for request in explained]
    with tools.looks(clips):
        each, upsampling = tools.sufficiency(
            tools.net,
            clips,
            tools.asked.targets(targets),
            own=tools.asked.targets(own),
            backgrounds=_stacked_pixels(behind, clips),
            seed=requests[0].seed,
            controls=asked == "label",
            readings=readings,
            **tools.options,
        )
    columns = zip(requests, behind, each, strict=True)
    return [
        [
            {
                **key(request, "sufficiency", asked),
                **answer_values(answer, upsampling),
                "background": other and other["clip_id"],
            }
        ]
        for request, other, answer in columns
    ]


def require_class(request: Request, asked: str) -> Request:
    """The request for the class that is asked for. Raises UpstreamError if its clip or its prediction failed."""
    require_ok(request.clip)
    require_ok(request.prediction)
    return for_runner_up(request) if asked == "runner_up" else request


def background(request: Request, others: Sequence[Request]) -> dict | None:
    """The clip whose blurred frames stand behind a clip's masks: one of another class, drawn by names and seed.

    Without clips of another explained class it is any other one of the shard; None if there is none. A window of the
    same video is none: it shows the same scene.
    """
    usable = [other for other in others if other.clip["status"] == "ok"]
    sound = [other for other in usable if show_different_scenes(request.clip, other.clip)]
    different = [other for other in sound if other.target not in (None, request.target)]
    lot = lambda clip: hashlib.sha256(f"{request.seed} {request.clip_id} {clip['clip_id']}".encode()).hexdigest()  # noqa: E731
    return min((other.clip for other in different or sound), key=lot, default=None)


def _stacked_pixels(behind: Sequence[dict | None], clips: Tensor) -> Tensor | None:
    pictures = [clip for clip in behind if clip is not None]
    return to_tensor(pictures).to(clips) if len(pictures) == len(behind) else None
