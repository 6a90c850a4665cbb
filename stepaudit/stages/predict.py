"""Stage predict: the model's answers to every test clip, and for its frames in other orders."""

import functools
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import torch

from stepaudit.adapters import logits_of
from stepaudit.audit import decides
from stepaudit.audit.jobs import Job
from stepaudit.audit.requests import UNMOVED, Request, explained
from stepaudit.audit.sections import Model
from stepaudit.clips.tensors import of_clips, pixels, tensors
from stepaudit.errors import AuditError, NonFiniteError
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.layers import answers, gaussian_blur, probability_and_rank, target_log_probability
from stepaudit.networks import checkpoint, probe
from stepaudit.networks.asked import Asked
from stepaudit.networks.checkpoint import trained
from stepaudit.running import device
from stepaudit.running.guard import Guard
from stepaudit.running.ledger import Ledger
from stepaudit.running.progress import progress
from stepaudit.running.shard import batches
from stepaudit.running.smaller_batches import run_batch
from stepaudit.store import tables

PERMUTATIONS = 4

log = logging.getLogger(__name__)


def run(job: Job) -> None:
    """Writes a shard of the tables `predictions` and `frame_orders` of a model on a data set: rows for each clip."""
    config, torch_device = job.config, device.choose(job.config)
    names, entry = checkpoint.output_names(job), config.models[job.model]
    requests, orders = of_clips(job), frame_orders(config.clips_of(job.model).frames)
    rows: list[dict] = []
    reordered: list[dict] = []
    title = f"predict {job.model} on {job.dataset} {job.shard}"
    notes = Ledger(job.file("predictions"), decides.rows(job))  # of calls that did not end; not those of another model
    guard = Guard(config, notes.folder, f"model '{job.model}'", lambda: (trained(job, torch_device),) * 2)
    with progress(title, len(requests), len(requests)) as advance, torch.no_grad(), guard:
        _probe_model(job, guard, requests, torch_device, len(names))
        for index, batch in enumerate(batches(requests, entry.batch_size)):
            work = guard.over(index, batch, lambda net, part: _predict(net, part, torch_device, names, entry.gives))
            predictions = [
                {**row, "label": request.clip["label"], "outputs": entry.outputs, "gives": entry.gives}
                for row, request in zip(run_batch(batch, work, _failed), batch, strict=True)
            ]
            rows += predictions
            asked = [_explained(request, row, config.target) for request, row in zip(batch, predictions, strict=True)]
            for name, same in orders.items():
                use = functools.partial(_reordered_rows, entry=entry, torch_device=torch_device, orders=same)
                work = guard.over(f"{index} {name}", asked, use)
                reordered += [{**row, "frame_order": name} for row in run_batch(asked, work, _failed)]
            advance(len(batch), rows=predictions)
    if entry.of is None and (note := unmoved(rows)):
        log.warning("model '%s': %s", job.model, note)
    tables.write(rows, "predictions", job.file("predictions"))
    tables.write(reordered, "frame_orders", job.file("frame_orders"))
    notes.remove()


def _explained(request: Request, prediction: dict, which: Literal["label", "predicted"]) -> Request:
    """The request for the class to explain, which other frame orders are asked for; of a value with its prediction."""
    target = explained(replace(request, prediction=prediction), which).target
    return replace(request, target=target, prediction={} if prediction.get("output") is None else prediction)


def _probe_model(job: Job, guard: Guard, requests: Sequence[Request], torch_device: torch.device, classes: int) -> None:
    """Ask the model, with the first clip that was extracted. Raises UsageError if its values cannot be believed."""
    some = [request for request in requests if request.clip["status"] == "ok"][:1]

    def ask(net: torch.nn.Module, part: Sequence[Request]) -> list[probe.Finding]:
        clips, rebuild = (
            pixels(part, torch_device),
            None if checkpoint.is_ours(job) else lambda: trained(job, torch_device),
        )
        gives = job.config.models[job.model].gives
        return probe.require(net, clips, classes, name=job.model, rebuild=rebuild, gives=gives).findings

    with suppress(AuditError):  # its row will say the same
        for finding in guard.over("probe", some, ask)(some) if some else ():
            log.warning("model '%s': %s", job.model, finding)


def unmoved(rows: Sequence[dict]) -> str:
    """A note if a model gives all clips of some rows of `predictions` almost the same probabilities; else empty."""
    known = [row["probabilities"] for row in rows if row["status"] == "ok" and row.get("probabilities")]
    if len(known) < 2 or len(known[0]) < 2:
        return ""
    spread = max(max(column) - min(column) for column in zip(*known, strict=True))
    if spread >= UNMOVED:
        return ""
    return (
        f"it answers {len(known)} clips almost the same (no probability differs by more than {spread:.1g}); see that "
        "it is trained, and that it takes clips in [0, 1]: a network that expects 0 to 255 multiplies them itself"
    )


def frame_orders(frames: int) -> dict[str, list[list[int]]]:
    """Other orders of a clip's frames by name; probabilities are means over the several orders of a name."""
    generator = torch.Generator().manual_seed(0)
    return {
        "shuffled": [torch.randperm(frames, generator=generator).tolist() for _ in range(PERMUTATIONS)],
        "reversed": [list(reversed(range(frames)))],
        "frozen": [[frames // 2] * frames],
    }


def _reordered_rows(
    net: torch.nn.Module,
    requests: Sequence[Request],
    *,
    entry: Model,
    torch_device: torch.device,
    orders: list[list[int]],
) -> list[dict]:
    """Rows of `frame_orders` for a batch: the target's mean probability over some orders of the frames."""
    questions = Asked(net, entry)

    def reorder(model: torch.nn.Module, some: Sequence[Request]) -> list[dict]:
        clips, targets = tensors(some, torch_device)
        targets = questions.targets(targets)
        by_order = [target_log_probability(model, clips[:, :, order], targets).exp() for order in orders]
        probabilities = torch.stack(by_order).mean(dim=0)
        if not probabilities.isfinite().all():
            raise NonFiniteError("the model's answer to reordered frames is NaN or infinite")
        return [
            {**_key(request), "target_probability": value, "status": "ok"}
            for request, value in zip(some, probabilities.tolist(), strict=True)
        ]

    return questions.by_question(requests, reorder)


def _predict(
    net: torch.nn.Module, requests: Sequence[Request], torch_device: torch.device, names: Sequence[str], gives: str
) -> list[dict]:
    """Rows of `predictions` for a batch.

    Models that name a class are also asked for their answer to the clips when these are completely blurred. A
    regression has no class whose probability there is: 1 stands in its torch_device.
    """
    clips = pixels(requests, torch_device)
    logits = logits_of(net, clips, len(names), gives)
    if not logits.isfinite().all():
        raise NonFiniteError(f"the model's logits hold {(~logits.isfinite()).sum().item()} NaN or infinite values")
    targets = [request.target for request in requests]
    if gives == "regression":
        rows = [{"output": value, "target_probability": 1.0} for value in logits[:, 0].tolist()]
    elif gives == "sigmoid":
        rows = _label_columns(logits, targets)
    else:
        blurred = logits_of(net, gaussian_blur(clips, Perturbation("blur").sigma_of(*clips.shape[-2:])), len(names))
        rows = _class_columns(logits, blurred, targets, names)
    return [{**_key(request), **row, "status": "ok"} for request, row in zip(requests, rows, strict=True)]


def _label_columns(logits: torch.Tensor, targets: Sequence[int | None]) -> list[dict]:
    """Columns of each row; no label stands against the others, so that there is neither rank nor first answer."""
    probabilities = answers(logits, "sigmoid").tolist()
    return [
        {"target_probability": None if target is None else each[target], "probabilities": each}
        for each, target in zip(probabilities, targets, strict=True)
    ]


def _class_columns(
    logits: torch.Tensor, blurred: torch.Tensor, targets: Sequence[int | None], names: Sequence[str]
) -> list[dict]:
    """Columns of each row, from logits [N, K] of the clips and of the blurred clips."""
    known = torch.tensor([target or 0 for target in targets], device=logits.device)  # without a label: not read
    first = (_first_answers(part, names) for part in (logits, blurred))
    values = zip(targets, answers(logits, "softmax"), *probability_and_rank(logits, known), *first, strict=True)
    return [
        {
            "target_probability": None if target is None else probability.item(),
            "rank": None if target is None else rank.item(),
            "probabilities": probabilities.tolist(),
            "predicted": first_answer,
            "predicted_when_blurred": first_when_blurred,
        }
        for target, probabilities, probability, rank, first_answer, first_when_blurred in values
    ]


def _first_answers(logits: torch.Tensor, names: Sequence[str]) -> list[str | None]:
    """The most probable class of each row of logits [N, K]; None if they are not finite."""
    known = logits.isfinite().all(dim=1).tolist()
    return [names[index] if finite else None for index, finite in zip(logits.argmax(dim=1), known, strict=True)]


def _failed(request: Request, error: AuditError) -> dict:
    return {**_key(request), "status": error.status, "error": str(error)}


def _key(request: Request) -> dict:
    return {"clip_id": request.clip_id, "target": request.target}
