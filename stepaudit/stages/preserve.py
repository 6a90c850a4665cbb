"""Stage preserve: the minimum preservation ratio of every test clip of a shard."""

import functools
from collections.abc import Callable

import torch

from stepaudit.audit.config import Config
from stepaudit.audit.sections import Preserve
from stepaudit.clips.tensors import batches, require_ok, to_tensor, with_predictions
from stepaudit.errors import AuditError, NonFiniteError, NotApplicableError
from stepaudit.extremal.minimum_ratio import (
    Bound,
    Evaluation,
    keeps_first_place,
    keeps_probability,
    minimum,
    next_ratio,
)
from stepaudit.maps import Maps
from stepaudit.networks.checkpoint import trained
from stepaudit.running import device
from stepaudit.running.guard import Guard, Loaded
from stepaudit.running.parts import Parts
from stepaudit.running.progress import progress
from stepaudit.running.run_records import inputs_fingerprint
from stepaudit.running.smaller_batches import each

Evaluate = Callable[[list[dict], list[float]], list[Evaluation]]


def run(config: Config, dataset: str, model: str, method: str, shard: str) -> None:
    """Writes a shard of `preservation`, a row for each test clip, seed and bound; resumes where it stopped."""
    clips, entry = with_predictions(config, dataset, model, method, shard), config.methods[method]
    settings = config.preserve
    output = config.path("preservation", dataset=dataset, model=model, method=method, shard=shard)
    todo = [
        [{**row, "seed": seed} for row in batch] for seed in entry.seeds for batch in batches(clips, entry.batch_size)
    ]
    decisive = inputs_fingerprint(config, dataset, model, method, shard)
    parts = Parts("preservation", output, decisive, [len(batch) * len(settings.bounds) for batch in todo])
    load, name = functools.partial(_evaluator, config, dataset, model, method), f"method '{method}' of model '{model}'"
    with (
        progress(f"preserve with {method} of {model} on {dataset} {shard}", sum(map(len, todo)), len(clips)) as advance,
        Guard(config, parts.folder, name, load) as guard,
    ):
        for index, batch in enumerate(todo):
            if index in parts:
                advance(len(batch), kept=True)
                continue
            found = each(
                batch,
                guard.over(index, batch, lambda evaluate, part: _searched(part, evaluate, settings)),
                lambda clip, error: [_failed(clip, bound, error) for bound in settings.bounds],
            )
            rows = [row for clip_rows in found for row in clip_rows]
            parts.add(index, rows)
            advance(len(batch), rows=rows)
    parts.finish(len(todo))


def _searched(asked: list[dict], evaluate: Evaluate, settings: Preserve) -> list[list[dict]]:
    """The rows of each clip, one for each bound."""
    return [_rows(clip, masks, settings) for clip, masks in _search(asked, evaluate, settings)]


def _search(asked: list[dict], evaluate: Evaluate, settings: Preserve) -> list[tuple[dict, list[Evaluation]]]:
    """All masks that the search needs, for each clip; in every round the open clips share a batch."""
    for row in asked:
        require_ok(row["clip"])
        require_ok(row["prediction"])
    found: list[tuple[dict, list[Evaluation]]] = [(row, []) for row in asked]
    while True:
        wanted = [(row, masks, _next(row, masks, settings)) for row, masks in found]
        wanted = [(row, masks, ratio) for row, masks, ratio in wanted if ratio is not None]
        if not wanted:
            return found
        new = evaluate([row for row, _, _ in wanted], [ratio for _, _, ratio in wanted])
        for (_, masks, _), mask in zip(wanted, new, strict=True):
            masks.append(mask)


def _next(row: dict, masks: list[Evaluation], settings: Preserve) -> float | None:
    """The next ratio that any of the bounds needs."""
    for bound in _bounds(row, settings).values():
        ratio = next_ratio(masks, bound, settings.grid, settings.tolerance)
        if ratio is not None:
            return ratio
    return None


def _bounds(row: dict, settings: Preserve) -> dict[str, Bound]:
    """The bounds that make sense for the clip: keeping the first place needs having it."""
    prediction = row["prediction"]
    known = {"probability": keeps_probability(settings.share * prediction["target_probability"])}
    if prediction["rank"] == 1:
        known["top1"] = keeps_first_place
    return {name: known[name] for name in settings.bounds if name in known}


def _evaluator(config: Config, dataset: str, model: str, method: str) -> Loaded:
    """The model, and the method as a function from clips of one seed and ratios to optimised masks."""
    place = device.choose(config)
    net, _ = trained(config, dataset, model, place)
    entry, attribute = config.methods[method], config.component("methods", method).load()

    def evaluate(asked: list[dict], ratios: list[float]) -> list[Evaluation]:
        clips = to_tensor([row["clip"] for row in asked]).to(place)
        targets = torch.tensor([row["clip"]["target"] for row in asked], device=place)
        tensor = torch.tensor(ratios, device=place)
        maps = attribute(net, clips, targets, ratios=tensor, seed=asked[0]["seed"], **entry.options)
        return _evaluations(maps, ratios, method)

    return net, evaluate


def _evaluations(maps: Maps, ratios: list[float], method: str) -> list[Evaluation]:
    if not {"kept_probability", "kept_rank"} <= set(maps.details):
        raise NotApplicableError(
            f"method '{method}' optimises no mask: its maps carry no kept_probability and kept_rank"
        )
    volumes = maps.full().mean(dim=(1, 2, 3))
    kept = maps.details["kept_probability"]
    if not (volumes.isfinite().all() and kept.isfinite().all()):
        raise NonFiniteError("the mask, or the probability that it keeps, is NaN or infinite")
    columns = (volumes.tolist(), kept.tolist(), maps.details["kept_rank"].tolist())
    return [Evaluation(*values) for values in zip(ratios, *columns, strict=True)]


def _rows(asked: dict, masks: list[Evaluation], settings: Preserve) -> list[dict]:
    bounds = _bounds(asked, settings)
    rows = []
    for name in settings.bounds:
        if name not in bounds:
            rank = asked["prediction"]["rank"]
            rows.append(
                _failed(asked, name, NotApplicableError(f"the clip's target has rank {rank}, no first place to keep"))
            )
            continue
        own = asked["prediction"]["target_probability"]
        found = minimum(masks, bounds[name])
        rows.append(
            {
                **_key(asked, name),
                **vars(found),
                "target_probability": own,
                "required_probability": settings.share * own if name == "probability" else None,
                "evaluations": len(masks),
                "status": "ok",
            }
        )
    return rows


def _failed(asked: dict, bound: str, error: AuditError) -> dict:
    return {**_key(asked, bound), "status": error.status, "error": str(error)}


def _key(asked: dict, bound: str) -> dict:
    clip = asked["clip"]
    return {"clip_id": clip["clip_id"], "target": clip["target"], "bound": bound, "seed": asked["seed"]}
