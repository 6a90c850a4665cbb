"""Need of each clip by crisp masks: rows of `preservation` for the bound `sufficiency`."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from stepaudit.audit.requests import Request, for_runner_up
from stepaudit.clips.tensors import require_ok, tensors, to_tensor
from stepaudit.errors import NotApplicableError
from stepaudit.extremal.answers import Answer
from stepaudit.extremal.sufficiency import READINGS
from stepaudit.stages._soft_masks import Tools, key

LEVEL = READINGS[0]  # of the column `ratio`


def rows(requests: Sequence[Request], tools: Tools, asked: str, others: Sequence[Request]) -> list[list[dict]]:
    """A row for each clip.

    Args:
        asked: `label` or `runner_up`.
        others: the requests of the whole shard, whose clips are each other's backgrounds.
    """
    if tools.sufficiency is None:
        raise NotApplicableError(f"method '{tools.method}' has no search for the bound 'sufficiency'")
    requests = [require_class(request, asked) for request in requests]
    clips, targets = tensors(requests, tools.place)
    own = torch.tensor([request.clip["target"] for request in requests], device=tools.place)
    behind = [background(request, others) for request in requests]
    with tools.looks(clips):
        each, upsampling = tools.sufficiency(
            tools.net,
            clips,
            targets,
            own=own,
            backgrounds=_pixels(behind, clips),
            seed=requests[0].seed,
            controls=asked == "label",
            **tools.options,
        )
    columns = zip(requests, behind, each, strict=True)
    return [
        [{**key(request, "sufficiency", asked), **_row(answer, upsampling), "background": other and other["clip_id"]}]
        for request, other, answer in columns
    ]


def require_class(request: Request, asked: str) -> Request:
    """The request for the class that is asked for. Raises UpstreamError if its clip or its prediction failed."""
    require_ok(request.clip)
    require_ok(request.prediction)
    return for_runner_up(request) if asked == "runner_up" else request


def background(request: Request, others: Sequence[Request]) -> dict | None:
    """The clip whose blurred frames stand behind a clip's masks: one of another class, drawn by names and seed.

    Without clips of another class it is any other one of the shard; None if there is none.
    """
    sound = [other.clip for other in others if other.clip["status"] == "ok" and other.clip_id != request.clip_id]
    different = [clip for clip in sound if clip["target"] != request.clip["target"]]
    lot = lambda clip: hashlib.sha256(f"{request.seed} {request.clip_id} {clip['clip_id']}".encode()).hexdigest()  # noqa: E731
    return min(different or sound, key=lot, default=None)


def _pixels(behind: Sequence[dict | None], clips: Tensor) -> Tensor | None:
    pictures = [clip for clip in behind if clip is not None]
    return to_tensor(pictures).to(clips) if len(pictures) == len(behind) else None


def _row(answer: Answer, upsampling: str) -> dict:
    """Columns of an answer."""
    upper, lower = answer.upper(LEVEL), answer.lower(LEVEL)
    control = answer.random
    return {
        "target_probability": answer.probability,
        "ratio": upper,
        "lower": _lower_end(answer, upper, lower),
        "upper": upper,
        "censored": _censored(answer, upper, lower),
        "evaluations": len(answer.masks),
        "vacuous": answer.vacuous,
        "log2_ratio": answer.log2_area,
        "log2_lower": answer.log2_area_lower,
        **{f"ratio_{level:.0%}"[:-1]: answer.upper(level) for level in READINGS[1:]},
        **{f"lower_{level:.0%}"[:-1]: answer.lower(level) for level in READINGS[1:]},
        "volumes": [volume for volume, _ in answer.curve()],
        "shares": [share for _, share in answer.curve()],
        "fills": list(answer.empty),
        "empty_probabilities": list(answer.empty.values()),
        "asking_fills": answer.asks,
        "random_ratio": control and control.upper(LEVEL),
        "random_log2_ratio": control and control.log2_area,
        "elsewhere_share": answer.elsewhere,
        "passes": answer.passes,
        "status": "ok",
        **_mask(answer, upsampling),
    }


def _lower_end(answer: Answer, upper: float | None, lower: float | None) -> float:
    return 0.0 if lower is None or upper == 0.0 else lower


def _censored(answer: Answer, upper: float | None, lower: float | None) -> str | None:
    """'right' if no mask keeps the level, 'left' if none that is smaller fails."""
    if answer.vacuous:
        return None
    return "right" if upper is None else "left" if lower is None else None


def _mask(answer: Answer, upsampling: str) -> dict:
    """Columns of the smallest mask for the first level."""
    mask = None if answer.vacuous else answer.smallest(LEVEL)
    if mask is None:
        return {}
    seeds = mask.snapshot.seed_masks
    return {
        "crispness": mask.crispness,
        "grid": seeds.flatten().cpu().numpy(),
        "grid_shape": list(seeds.shape),
        "upsampling": upsampling,
        "shown_ratio": mask.snapshot.ratio,
    }
