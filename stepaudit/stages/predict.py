"""Stage predict: what a model says of every test clip."""

import torch

from stepaudit import device, tables
from stepaudit.answers import logits_of
from stepaudit.checkpoint import trained
from stepaudit.clips import batches, of_split, require_ok, to_tensor
from stepaudit.config import Config
from stepaudit.errors import AuditError, NonFiniteError
from stepaudit.isolation import each
from stepaudit.layers import frozen, probability_and_rank
from stepaudit.progress import progress


def run(config: Config, dataset: str, model: str) -> None:
    """Writes the table `predictions` of a model on a data set: a row for each test clip."""
    place = device.choose(config)
    net, classes = trained(config, dataset, model, place)
    clips = of_split(config, dataset, model, "test")
    rows = []
    with progress(f"predict {model} on {dataset}", len(clips)) as advance, frozen(net), torch.no_grad():
        for batch in batches(clips, config.models[model].batch_size):
            rows += each(batch, lambda part: _predict(net, part, place, len(classes)), _failed)
            advance(len(batch))
    tables.write(rows, "predictions", config.path("predictions", dataset=dataset, model=model))


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
    return {key: clip[key] for key in ("clip_id", "target", "label")}
