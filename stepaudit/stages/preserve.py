"""Stage preserve: the minimum preservation ratio of every test clip of a shard."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from stepaudit.audit.jobs import Job
from stepaudit.audit.requests import Request
from stepaudit.audit.sections import Preserve
from stepaudit.clips.tensors import require_ok, tensors, with_predictions
from stepaudit.errors import AuditError, NotApplicableError
from stepaudit.extremal.minimum_ratio import (
    Bound,
    Evaluation,
    keeps_first_place,
    keeps_probability,
    minimum,
    next_ratio,
)
from stepaudit.maps import Maps, checked_maps
from stepaudit.networks import probe
from stepaudit.networks.checkpoint import trained
from stepaudit.running import device, shard
from stepaudit.running.guard import Guard, Loaded
from stepaudit.running.smaller_batches import each

Evaluate = Callable[[list[Request], list[float]], list[Evaluation]]


def run(job: Job) -> None:
    """Writes a shard of `preservation`, a row for each test clip, seed and bound; resumes where it stopped."""
    requests, entry, settings = with_predictions(job), job.config.methods[job.method], job.config.preserve
    batches = [
        [replace(request, seed=seed) for request in batch]
        for seed in entry.seeds
        for batch in shard.batches(requests, entry.batch_size)
    ]
    parts = shard.parts_of(job, batches, rows_per_item=len(settings.bounds))
    load = functools.partial(_evaluator, job)
    guard = Guard(job.config, parts.folder, f"method '{job.method}' of model '{job.model}'", load)
    title = f"preserve with {job.method} of {job.model} on {job.dataset} {job.shard}"
    shard.fill(parts, batches, functools.partial(_minima, guard, settings), title, len(requests), guard)


def _minima(guard: Guard, settings: Preserve, number: int, batch: Sequence[Request]) -> list[dict]:
    """The rows of a batch: one for each clip and bound."""
    by_clip = each(
        batch,
        guard.over(number, batch, lambda evaluate, part: _searched(part, evaluate, settings)),
        lambda request, error: [_failed(request, bound, error) for bound in settings.bounds],
    )
    return [row for rows in by_clip for row in rows]


def _searched(requests: Sequence[Request], evaluate: Evaluate, settings: Preserve) -> list[list[dict]]:
    """The rows of each clip, one for each bound."""
    return [_rows(request, masks, settings) for request, masks in _search(requests, evaluate, settings)]


def _search(
    requests: Sequence[Request], evaluate: Evaluate, settings: Preserve
) -> list[tuple[Request, list[Evaluation]]]:
    """All masks that the search needs, for each clip; in every round the open clips share a batch."""
    for request in requests:
        require_ok(request.clip)
        require_ok(request.prediction)
    searches: list[tuple[Request, list[Evaluation]]] = [(request, []) for request in requests]
    while True:
        ratios = [_next(request, masks, settings) for request, masks in searches]
        unfinished = [(*search, ratio) for search, ratio in zip(searches, ratios, strict=True) if ratio is not None]
        if not unfinished:
            return searches
        new = evaluate([request for request, _, _ in unfinished], [ratio for _, _, ratio in unfinished])
        for (_, masks, _), mask in zip(unfinished, new, strict=True):
            masks.append(mask)


def _next(request: Request, masks: list[Evaluation], settings: Preserve) -> float | None:
    """The next ratio that any of the bounds needs."""
    for bound in _bounds(request, settings).values():
        ratio = next_ratio(masks, bound, settings.grid, settings.tolerance)
        if ratio is not None:
            return ratio
    return None


def _bounds(request: Request, settings: Preserve) -> dict[str, Bound]:
    """The bounds that make sense for the clip: keeping the first place needs having it."""
    bounds: dict[str, Bound] = {"probability": keeps_probability(_required(request, settings))}
    if request.prediction["rank"] == 1:
        bounds["top1"] = keeps_first_place
    return {name: bounds[name] for name in settings.bounds if name in bounds}


def _required(request: Request, settings: Preserve) -> float:
    """The least probability that satisfies the bound `probability`."""
    return settings.share * request.prediction["target_probability"]


def _evaluator(job: Job) -> Loaded:
    """The model, and the method as a function from requests of one seed and ratios to optimised masks."""
    place = device.choose(job.config)
    net, entry = trained(job, place), job.config.methods[job.method]
    attribute, looks = job.config.component("methods", job.method).load(), probe.differentiable(net)

    def evaluate(requests: list[Request], ratios: list[float]) -> list[Evaluation]:
        clips, targets = tensors(requests, place)
        tensor = torch.tensor(ratios, device=place)
        with looks(clips):
            maps = attribute(net, clips, targets, ratios=tensor, seed=requests[0].seed, **entry.options)
        maps = checked_maps(maps, job.method, [request.clip_id for request in requests], tuple(clips.shape[2:]))
        return _evaluations(maps, ratios, job.method)

    return net, evaluate


def _evaluations(maps: Maps, ratios: list[float], method: str) -> list[Evaluation]:
    probabilities, ranks = (maps.details.get(name) for name in ("kept_probability", "kept_rank"))
    if not isinstance(probabilities, Tensor) or not isinstance(ranks, Tensor):
        raise NotApplicableError(
            f"method '{method}' optimises no mask: its maps carry no kept_probability and kept_rank"
        )
    volumes = maps.full().mean(dim=(1, 2, 3))
    columns = (volumes.tolist(), probabilities.tolist(), ranks.tolist())
    return [Evaluation(*values) for values in zip(ratios, *columns, strict=True)]


def _rows(request: Request, masks: list[Evaluation], settings: Preserve) -> list[dict]:
    bounds = _bounds(request, settings)
    rank, rows = request.prediction["rank"], []
    for name in settings.bounds:
        if name not in bounds:
            error = NotApplicableError(f"the clip's target has rank {rank}, no first place to keep")
            rows.append(_failed(request, name, error))
            continue
        measured = {
            **vars(minimum(masks, bounds[name])),
            "target_probability": request.target_probability,
            "required_probability": _required(request, settings) if name == "probability" else None,
            "evaluations": len(masks),
        }
        rows.append({**_key(request, name), **measured, "status": "ok"})
    return rows


def _failed(request: Request, bound: str, error: AuditError) -> dict:
    return {**_key(request, bound), "status": error.status, "error": str(error)}


def _key(request: Request, bound: str) -> dict:
    return {"clip_id": request.clip_id, "target": request.target, "bound": bound, "seed": request.seed}
