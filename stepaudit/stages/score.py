"""Stage score: every metric of every map of a shard."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from stepaudit.audit.config import Config, fingerprint
from stepaudit.audit.sections import Metric
from stepaudit.clips.tensors import batches
from stepaudit.errors import AuditError
from stepaudit.running.guard import Guard
from stepaudit.running.parts import Parts
from stepaudit.running.progress import progress
from stepaudit.running.run_records import inputs_fingerprint
from stepaudit.stages._measurements import Measurements, Shard
from stepaudit.store import tables
from stepaudit.store.checksums import sha256

BATCH = 32  # maps whose scores are kept together


def run(config: Config, dataset: str, model: str, method: str, shard: str) -> None:
    """Writes a shard of the table `scores`: for each map and metric a row, or one for each frame or part."""
    maps = tables.read("maps", config.path("maps", dataset=dataset, model=model, method=method, shard=shard))
    common = Shard(config, dataset, model, method, shard, maps)
    metrics = [
        (name, config.component("metrics", name).load(), entry)
        for name, entry in config.metrics.items()
        if entry.methods is None or method in entry.methods
    ]
    frames, todo = config.clips_of(model).frames, list(batches(maps, BATCH))
    output = config.path("scores", dataset=dataset, model=model, method=method, shard=shard)
    parts = Parts("scores", output, _decisive(config, dataset, model, method, shard), [len(batch) for batch in todo])
    with (
        progress(
            f"score {method} of {model} on {dataset} {shard}", len(maps), len({row["clip_id"] for row in maps})
        ) as advance,
        Guard(config, parts.folder, "metrics") as guard,
    ):
        for index, batch in enumerate(todo):
            if index in parts:
                advance(len(batch), kept=True)
                continue
            rows = _rows(batch, common, metrics, frames, guard)
            parts.add(index, rows)
            advance(len(batch), rows=rows)
    parts.finish(len(todo))


def _decisive(config: Config, dataset: str, model: str, method: str, shard: str) -> str:
    """Fingerprint of all that decides the rows of a shard."""
    keys = {"dataset": dataset, "model": model, "method": method, "shard": shard}
    sources = [config.component("metrics", name).source for name in config.metrics]
    boxes = config.sharing("clip_boxes", shard, dataset=dataset, model=model, method=method)
    files = [config.path("maps", **keys), *boxes, *config.reference_maps(**keys), *config.peer_checkpoints(**keys)]
    return fingerprint(
        [
            inputs_fingerprint(config, **keys),
            {name: entry.model_dump(mode="json") for name, entry in config.metrics.items()},
            [sha256(path) if path.exists() else None for path in [*filter(None, sources), *files]],
        ]
    )


def _rows(maps: Sequence[dict], common: Shard, metrics: list[tuple], frames: int, guard: Guard) -> list[dict]:
    """Rows of `scores` for some maps."""
    rows = []
    for row in maps:
        measurements = Measurements(common, row)
        key = {key: row[key] for key in ("clip_id", "ratio", "seed")}
        for name, score, entry in metrics:
            guarded = partial(_guarded, guard, common, name, row, score)
            rows += [{**key, **value} for value in _values(name, score, entry, measurements, frames, guarded)]
    return rows


def _guarded(guard: Guard, common: Shard, name: str, row: dict, score: Callable, asked: list, options: dict) -> Any:
    """What a metric gives for what it asked for."""
    model = common.model if {"model", "peers"} & set(_positional(score)) else None
    if model is not None:
        guard.renew()  # it may have been loaded for this call
    return guard.call(
        lambda: score(*asked, **options),
        key=f"{name} of {row['clip_id']}, ratio {row['ratio']}, seed {row['seed']}",
        clips=[row["clip_id"]],
        plugin=f"metric '{name}'",
        model=model,
        reload=lambda: vars(common).pop("model", None),
    )


def _values(
    name: str, score: Callable, entry: Metric, measurements: Measurements, frames: int, guarded: Callable
) -> list[dict]:
    """Metric, frame, value, status and error of each row that a metric gives for a map."""
    try:
        asked = [measurements.get(wanted, entry.annotation) for wanted in _positional(score)]
        result = guarded(asked, entry.options)
    except AuditError as error:
        result = error
    if _per_frame(score):
        values = result if isinstance(result, list) else [result] * frames
        return [{"metric": name, "frame": frame, **_outcome(value)} for frame, value in enumerate(values)]
    parts = {f"{name}.{part}": value for part, value in result.items()} if isinstance(result, dict) else {name: result}
    return [{"metric": metric, **_outcome(value)} for metric, value in parts.items()]


def _outcome(value: float | AuditError) -> dict:
    if isinstance(value, AuditError):
        return {"status": value.status, "error": str(value)}
    return {"value": value, "status": "ok"}


def _positional(score: Callable) -> list[str]:
    parameters = inspect.signature(score).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]


def _per_frame(score: Callable) -> bool:
    return "list" in str(inspect.signature(score).return_annotation)
