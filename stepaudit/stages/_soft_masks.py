"""The paper's minimum preservation ratio of clips: soft masks on one fill, searched ratio by ratio. Eq. 3."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stepaudit.audit.requests import Request, is_answered
from stepaudit.audit.sections import Preserve
from stepaudit.clips.tensors import require_ok, tensors
from stepaudit.errors import NotApplicableError
from stepaudit.extremal.minimum_ratio import (
    Bound,
    Evaluation,
    keeps_first_place,
    keeps_probability,
    minimum,
    next_ratio,
)
from stepaudit.maps import checked_maps
from stepaudit.stages._search_tools import Tools, key


def rows(requests: Sequence[Request], tools: Tools, settings: Preserve) -> list[list[dict]]:
    """The rows of each clip, one for each of the paper's bounds; in every round the open clips share a batch."""
    for request in requests:
        require_ok(request.clip)
        require_ok(request.prediction)
    searches: list[tuple[Request, list[Evaluation]]] = [(request, []) for request in requests]
    while True:
        ratios = [_next_ratio(request, masks, settings) for request, masks in searches]
        unfinished = [(*search, ratio) for search, ratio in zip(searches, ratios, strict=True) if ratio is not None]
        if not unfinished:
            return [_preservation_rows(request, masks, settings) for request, masks in searches]
        new = _evaluations([request for request, _, _ in unfinished], [ratio for _, _, ratio in unfinished], tools)
        for (_, masks, _), mask in zip(unfinished, new, strict=True):
            masks.append(mask)


def _next_ratio(request: Request, masks: list[Evaluation], settings: Preserve) -> float | None:
    """The next ratio that any of the bounds needs."""
    for bound in _bounds(request, settings).values():
        ratio = next_ratio(masks, bound, settings.grid, settings.tolerance)
        if ratio is not None:
            return ratio
    return None


def _bounds(request: Request, settings: Preserve) -> dict[str, Bound]:
    """The paper's bounds that make sense for the clip: keeping it needs having it."""
    bounds: dict[str, Bound] = {"probability": keeps_probability(settings.share)}
    prediction = request.prediction
    if request.explains == "predicted" or is_answered(prediction["rank"], prediction["target_probability"]):
        bounds["top1"] = keeps_first_place
    return {name: bounds[name] for name in settings.bounds if name in bounds}


def _evaluations(requests: list[Request], ratios: list[float], tools: Tools) -> list[Evaluation]:
    """Optimised masks of requests of one seed, at a ratio each."""
    clips, targets = tensors(requests, tools.torch_device)
    tensor = torch.tensor(ratios, device=tools.torch_device)
    with tools.looks(clips):
        maps = tools.attribute(
            tools.net, clips, tools.asked.targets(targets), ratios=tensor, seed=requests[0].seed, **tools.options
        )
    maps = checked_maps(maps, tools.method, [request.clip_id for request in requests], tuple(clips.shape[2:]))
    probabilities, ranks = (maps.details.get(name) for name in ("kept_probability", "kept_rank"))
    if not isinstance(probabilities, Tensor) or not isinstance(ranks, Tensor):
        raise NotApplicableError(
            f"method '{tools.method}' optimises no mask: its maps carry no kept_probability and kept_rank"
        )
    full = maps.details.get("full_probability")  # a method of the user's may not give it: then the clip's own
    own = [request.target_probability for request in requests]
    columns = (
        maps.full().mean(dim=(1, 2, 3)).tolist(),
        probabilities.tolist(),
        ranks.tolist(),
        full.tolist() if isinstance(full, Tensor) else own,
    )
    return [Evaluation(*values) for values in zip(ratios, *columns, strict=True)]


def _preservation_rows(request: Request, masks: list[Evaluation], settings: Preserve) -> list[dict]:
    bounds, measured_rows = _bounds(request, settings), []
    for name in settings.bounds:
        if name == "sufficiency":
            continue
        same = key(request, name, "label")
        if name not in bounds:
            rank = request.prediction["rank"]
            what = "is not more probable than its absence" if rank is None else f"has rank {rank}"
            error = NotApplicableError(f"the clip's target {what}, no first place to keep")
            measured_rows.append({**same, "status": error.status, "error": str(error)})
            continue
        measured = {
            **vars(minimum(masks, bounds[name])),
            "target_probability": request.target_probability,
            "required_probability": settings.share * masks[0].full_probability if name == "probability" else None,
            "evaluations": len(masks),
        }
        measured_rows.append({**same, **measured, "status": "ok"})
    return measured_rows
