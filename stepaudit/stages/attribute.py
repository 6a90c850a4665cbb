"""Stage attribute: a method explains a model's prediction for every test clip of a shard."""

import functools
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor, nn

from stepaudit.audit.jobs import Job
from stepaudit.audit.requests import Request, for_runner_up, with_names
from stepaudit.clips import box_prior
from stepaudit.clips.tensors import tensors, with_predictions
from stepaudit.errors import AuditError
from stepaudit.maps import Maps, checked_maps, map_values
from stepaudit.networks import asked, probe
from stepaudit.networks.checkpoint import output_names, trained
from stepaudit.running import device, shard
from stepaudit.running.guard import Guard, Loaded
from stepaudit.running.passes import passes_noted
from stepaudit.running.side_effects import settings_kept
from stepaudit.running.smaller_batches import run_batch
from stepaudit.stages._pure_maps import require_pure
from stepaudit.store import tables


def run(job: Job) -> None:
    """Writes a shard of the table `maps`, a row for each test clip, seed and ratio; resumes where it stopped."""
    size, requests = job.config.methods[job.method].batch_size, _requests(job)
    by_seed = [list(rows) for _, rows in groupby(requests, lambda request: request.seed)]
    batches = [batch for rows in by_seed for batch in shard.batches(rows, size)]
    parts = shard.parts_of(job, batches)
    load = functools.partial(_explainer, job)
    guard = Guard(job.config, parts.folder, f"method '{job.method}' of model '{job.model}'", load)
    title = f"{job.method} of {job.model} on {job.dataset} {job.shard}"
    clips, unasked = len({request.clip_id for request in requests}), [_may_be_impure(job)]
    names = output_names(job)

    def explained(number: int, batch: Sequence[Request]) -> list[dict]:
        rows = run_batch(batch, guard.over(number, batch), _failed)
        if unasked and unasked.pop():
            require_pure(rows, lambda place: guard.over("alone", batch[place:][:1])(batch[place:][:1])[0], job.method)
        return with_names(rows, names)

    shard.fill(parts, batches, explained, title, clips, guard)


def _may_be_impure(job: Job) -> bool:
    """True for a method of the user's; optimised masks may go another way in another batch, by rounding alone."""
    component = job.config.component("methods", job.method)
    return not (component.module.startswith("stepaudit.") or component.declares("optimises_masks"))


def _requests(job: Job) -> list[Request]:
    """A request for each seed, clip and ratio."""
    entry, requests = job.config.methods[job.method], with_predictions(job)
    if entry.target == "runner_up":
        requests = [for_runner_up(request) for request in requests]
    return [
        replace(request, ratio=ratio, seed=seed)
        for seed in entry.seeds
        for request in requests
        for ratio in entry.ratios or (None,)
    ]


def _explainer(job: Job) -> Loaded:
    """The model, and the method as a function from requests to rows of `maps`."""
    torch_device = device.choose(job.config)
    net, component = trained(job, torch_device), job.config.component("methods", job.method)
    entry = job.config.methods[job.method]
    with settings_kept(f"method '{job.method}'"):
        attribute = component.load()
    context = nullcontext if component.declares("ignores_model") else probe.differentiable(net)
    questions = asked.for_method(net, job.config.models[job.model], component)
    options = entry.options | (
        {"score": "logit"} if questions.of_value and "score" in (component.options or {}) else {}
    )
    extra = {"box_prior": box_prior.of_training(job).to(torch_device)} if "box_prior" in component.requires else {}

    def explain(model: nn.Module, requests: Sequence[Request]) -> list[dict]:
        clips, targets = tensors(requests, torch_device)
        ratios = (
            None if entry.ratios is None else torch.tensor([request.ratio for request in requests], device=torch_device)
        )
        start = time.monotonic()
        with context(clips), passes_noted(net):
            maps = attribute(
                model, clips, questions.targets(targets), ratios=ratios, seed=requests[0].seed, **extra, **options
            )
        maps = checked_maps(maps, job.method, [request.clip_id for request in requests], tuple(clips.shape[2:]))
        full = maps.full()
        seconds = (time.monotonic() - start) / len(requests)
        same = {"options": tables.as_json(options), "seconds": seconds}
        return [{**_row(request, maps, full, index), **same} for index, request in enumerate(requests)]

    return net, lambda requests: questions.by_question(requests, explain)


def _row(request: Request, maps: Maps, full: Tensor, index: int) -> dict:
    measured = {**map_values(maps, full, index), "target_probability": request.target_probability}
    return {**_key(request), **measured, "status": "ok"}


def _failed(request: Request, error: AuditError) -> dict:
    return {**_key(request), "status": error.status, "error": str(error)}


def _key(request: Request) -> dict:
    return {name: getattr(request, name) for name in ("clip_id", "target", "ratio", "seed")}
