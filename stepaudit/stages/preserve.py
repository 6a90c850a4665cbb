"""Stage preserve: the minimum preservation ratio of every test clip of a shard, for each bound and class."""

import functools
from collections.abc import Sequence
from dataclasses import replace

from stepaudit.audit.jobs import Job
from stepaudit.audit.requests import Request, with_names
from stepaudit.audit.sections import Preserve
from stepaudit.clips.tensors import with_predictions
from stepaudit.errors import AuditError
from stepaudit.networks import asked, probe
from stepaudit.networks.checkpoint import output_names, trained
from stepaudit.running import device, shard
from stepaudit.running.guard import Guard, Loaded
from stepaudit.running.passes import passes_noted
from stepaudit.running.smaller_batches import run_batch
from stepaudit.stages import _crisp_masks, _soft_masks
from stepaudit.stages._search_tools import Tools, key

Row = dict
Search = tuple[list[tuple[str, str]], functools.partial]  # bounds and classes of a clip's rows, and what makes them


def run(job: Job) -> None:
    """Writes a shard of `preservation`, a row for each test clip, seed, bound and class; resumes where it stopped."""
    requests, entry, settings = with_predictions(job), job.config.methods[job.method], job.config.preserve
    batches = [
        [replace(request, seed=seed) for request in batch]
        for seed in entry.seeds
        for batch in shard.batches(requests, entry.batch_size)
    ]
    parts = shard.parts_of(job, batches, rows_per_item=len(settings.questions))
    load = functools.partial(_load_tools, job)
    guard = Guard(job.config, parts.folder, f"method '{job.method}' of model '{job.model}'", load)
    title = f"preserve with {job.method} of {job.model} on {job.dataset} {job.shard}"
    searches, names = _searches(settings, requests), output_names(job)

    def searched(number: int, batch: Sequence[Request]) -> list[Row]:
        return with_names(_rows(guard, searches, number, batch), names)

    shard.fill(parts, batches, searched, title, len(requests), guard)


def _searches(settings: Preserve, requests: Sequence[Request]) -> list[Search]:
    """The searches of a clip: one for the paper's bounds, which share masks, and one for each class by crisp masks."""
    soft = [(bound, asked) for bound, asked in settings.questions if bound != "sufficiency"]
    crisp = [(bound, asked) for bound, asked in settings.questions if bound == "sufficiency"]
    searches: list[Search] = [(soft, functools.partial(_soft_masks.rows, settings=settings))] if soft else []
    for question in crisp:
        readings = settings.readings if question[1] == "label" else []
        make = functools.partial(_crisp_masks.rows, asked=question[1], others=requests, readings=readings)
        searches.append(([question], make))
    return searches


def _rows(guard: Guard, searches: list[Search], number: int, batch: Sequence[Request]) -> list[Row]:
    """The rows of a batch, all of one clip together."""
    by_search = [_search_rows(guard, search, f"{number} {place}", batch) for place, search in enumerate(searches)]
    return [row for of_clip in zip(*by_search, strict=True) for rows in of_clip for row in rows]


def _search_rows(guard: Guard, search: Search, name: str, batch: Sequence[Request]) -> list[list[Row]]:
    """The rows of one search, for each clip."""
    questions, make = search

    def work(tools: Tools, part: Sequence[Request]) -> list[list[Row]]:
        with passes_noted(tools.asked.net):
            return tools.asked.by_question(part, lambda model, some: make(some, replace(tools, net=model)))

    def failed(request: Request, error: AuditError) -> list[Row]:
        outcome = {"status": error.status, "error": str(error)}
        return [{**key(request, *question), **outcome} for question in questions]

    return run_batch(batch, guard.over(name, batch, work), failed)


def _load_tools(job: Job) -> Loaded:
    """The model, and what the searches need: the model, the method, and the device."""
    torch_device = device.choose(job.config)
    net, component = trained(job, torch_device), job.config.component("methods", job.method)
    tools = Tools(
        net,
        asked.for_method(net, job.config.models[job.model], component),
        component.load(),
        component.companion("sufficiency"),
        job.method,
        job.config.methods[job.method].options,
        torch_device,
        probe.differentiable(net),
    )
    return net, tools
