"""Stage predict: what a model says of every test clip, and of its frames in other orders."""

import torch

from stepaudit.adapters import logits_of
from stepaudit.audit.config import Config
from stepaudit.clips.tensors import batches, class_names, of_shard, require_ok, to_tensor
from stepaudit.errors import AuditError, NonFiniteError
from stepaudit.layers import probability_and_rank, target_log_probability
from stepaudit.networks.checkpoint import trained
from stepaudit.running import device
from stepaudit.running.guard import Guard
from stepaudit.running.ledger import folder_of
from stepaudit.running.progress import progress
from stepaudit.running.smaller_batches import each
from stepaudit.store import tables

PERMUTATIONS = 4


def run(config: Config, dataset: str, model: str, shard: str) -> None:
    """Writes a shard of the tables `predictions` and `frame_orders` of a model on a data set: rows for each clip."""
    place = device.choose(config)
    classes = class_names(config.path("segments", dataset=dataset))
    clips = of_shard(config, "clips", dataset, model, shard)
    rows, reordered, orders = [], [], frame_orders(config.clips_of(model).frames)
    notes = folder_of(config.path("predictions", dataset=dataset, model=model, shard=shard))
    guard = Guard(config, notes, f"model '{model}'", lambda: (trained(config, dataset, model, place)[0],) * 2)
    with progress(f"predict {model} on {dataset} {shard}", len(clips), len(clips)) as advance, torch.no_grad(), guard:
        for index, batch in enumerate(batches(clips, config.models[model].batch_size)):
            work = guard.over(index, batch, lambda net, part: _predict(net, part, place, len(classes)))
            found = each(batch, work, _failed)
            answers = [{**row, "label": clip["label"]} for row, clip in zip(found, batch, strict=True)]
            rows += answers
            for name, same in orders.items():
                work = guard.over(
                    f"{index} {name}", batch, lambda net, part, same=same: _reordered(net, part, place, same)
                )
                found = each(batch, work, _failed)
                reordered += [{**row, "frame_order": name} for row in found]
            advance(len(batch), rows=answers)
    tables.write(rows, "predictions", config.path("predictions", dataset=dataset, model=model, shard=shard))
    tables.write(reordered, "frame_orders", config.path("frame_orders", dataset=dataset, model=model, shard=shard))


def frame_orders(frames: int) -> dict[str, list[list[int]]]:
    """Orders of a clip's frames that tell whether time counts, by name; probabilities are means over the several."""
    generator = torch.Generator().manual_seed(0)
    return {
        "shuffled": [torch.randperm(frames, generator=generator).tolist() for _ in range(PERMUTATIONS)],
        "reversed": [list(reversed(range(frames)))],
        "frozen": [[frames // 2] * frames],
    }


def _reordered(net: torch.nn.Module, clips: list[dict], place: torch.device, orders: list[list[int]]) -> list[dict]:
    tensor = to_tensor([require_ok(clip) for clip in clips]).to(place)
    targets = torch.tensor([clip["target"] for clip in clips], device=place)
    answers = [target_log_probability(net, tensor[:, :, order], targets).exp() for order in orders]
    probabilities = torch.stack(answers).mean(dim=0)
    if not probabilities.isfinite().all():
        raise NonFiniteError("the model's answer to reordered frames is NaN or infinite")
    return [
        {**_key(clip), "target_probability": value, "status": "ok"}
        for clip, value in zip(clips, probabilities.tolist(), strict=True)
    ]


def _predict(net: torch.nn.Module, clips: list[dict], place: torch.device, classes: int) -> list[dict]:
    tensor = to_tensor([require_ok(clip) for clip in clips]).to(place)
    targets = torch.tensor([clip["target"] for clip in clips], device=place)
    logits = logits_of(net, tensor, classes)
    if not logits.isfinite().all():
        raise NonFiniteError(f"the model's logits hold {(~logits.isfinite()).sum().item()} NaN or infinite values")
    values = zip(clips, logits.softmax(dim=1), *probability_and_rank(logits, targets), strict=True)
    return [
        {
            **_key(clip),
            "target_probability": probability.item(),
            "rank": rank.item(),
            "probabilities": probabilities.tolist(),
            "status": "ok",
        }
        for clip, probabilities, probability, rank in values
    ]


def _failed(clip: dict, error: AuditError) -> dict:
    return {**_key(clip), "status": error.status, "error": str(error)}


def _key(clip: dict) -> dict:
    return {key: clip[key] for key in ("clip_id", "target")}
