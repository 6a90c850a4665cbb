"""Stage score: every metric of every map of a shard."""

import inspect
from collections.abc import Callable

from stepaudit import tables
from stepaudit.config import Config
from stepaudit.errors import AuditError
from stepaudit.measurements import Measurements, Shard
from stepaudit.progress import progress
from stepaudit.sections import Metric


def run(config: Config, dataset: str, model: str, method: str, shard: str) -> None:
    """Writes a shard of the table `scores`: for each map and metric a row, or one for each frame or part."""
    maps = tables.read("maps", config.path("maps", dataset=dataset, model=model, method=method, shard=shard))
    common = Shard(config, dataset, model, shard, maps)
    metrics = [
        (name, config.component("metrics", name).load(), entry)
        for name, entry in config.metrics.items()
        if entry.methods is None or method in entry.methods
    ]
    rows, frames = [], config.clips_of(model).frames
    with progress(f"score {method} of {model} on {dataset} {shard}", len(maps)) as advance:
        for row in maps:
            measurements = Measurements(common, row)
            for name, score, entry in metrics:
                key = {key: row[key] for key in ("clip_id", "ratio", "seed")}
                rows += [{**key, **value} for value in _values(name, score, entry, measurements, frames)]
            advance()
    tables.write(rows, "scores", config.path("scores", dataset=dataset, model=model, method=method, shard=shard))


def _values(name: str, score: Callable, entry: Metric, measurements: Measurements, frames: int) -> list[dict]:
    """Metric, frame, value, status and error of each row that a metric gives for a map."""
    try:
        asked = [measurements.get(wanted, entry.annotation) for wanted in _positional(score)]
        result = score(*asked, **entry.options)
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
