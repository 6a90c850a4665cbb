"""Stage score: every metric of every map of a shard."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stepaudit.audit.jobs import Job
from stepaudit.audit.sections import Metric
from stepaudit.errors import AuditError, NoAnnotationError
from stepaudit.running import shard
from stepaudit.running.guard import Guard
from stepaudit.stages._measurements import Measurements, Shard
from stepaudit.store import tables

BATCH = 32  # maps whose scores are kept together


@dataclass(frozen=True)
class Scorer:
    """A metric of the configuration, loaded.

    Args:
        measures: names of its positional parameters.
        per_frame: whether it gives a list with a value for each frame.
    """

    name: str
    score: Callable
    entry: Metric
    measures: tuple[str, ...]
    per_frame: bool

    @property
    def needs_model(self) -> bool:
        return not {"model", "peers"}.isdisjoint(self.measures)


def run(job: Job) -> None:
    """Writes a shard of the table `scores`: for each map and metric a row, or one for each frame or part."""
    maps, scorers = tables.read("maps", job.file("maps")), [_scorer(job, name) for name in job.metrics]
    common = Shard(job, maps, pixels=any("clip" in scorer.measures for scorer in scorers))
    batches = shard.batches(maps, BATCH)
    parts = shard.parts_of(job, batches)
    guard = Guard(job.config, parts.folder, "metrics")
    title = f"score {job.method} of {job.model} on {job.dataset} {job.shard}"
    clips = len({row["clip_id"] for row in maps})
    shard.fill(parts, batches, lambda _, batch: _rows(batch, common, scorers, guard), title, clips, guard)


def _scorer(job: Job, name: str) -> Scorer:
    component = job.config.component("metrics", name)
    score = component.load()
    parameters = inspect.signature(score).parameters.values()
    measures = tuple(each.name for each in parameters if each.kind is not each.KEYWORD_ONLY)
    return Scorer(name, score, job.config.metrics[name], measures, component.per_frame)


def _rows(maps: Sequence[dict], common: Shard, scorers: list[Scorer], guard: Guard) -> list[dict]:
    """Rows of `scores` for some maps."""
    rows, frames = [], common.job.config.clips_of(common.job.model).frames
    for row in maps:
        measurements = Measurements(common, row)
        key = {name: row[name] for name in ("clip_id", "ratio", "seed")}
        for scorer in scorers:
            reason = common.no_annotation(row["clip_id"]) if scorer.entry.annotation == "own" else ""
            try:
                inputs = [measurements.get(name, scorer.entry.annotation) for name in scorer.measures]
                result = _guarded(guard, common, scorer, row, inputs)
            except AuditError as error:
                result = error
            rows += [{**key, **value} for value in _values(scorer, result, frames, reason)]
    return rows


def _guarded(guard: Guard, common: Shard, scorer: Scorer, row: dict, inputs: list) -> Any:
    """Result of a metric for a row of `maps`."""
    model = common.model if scorer.needs_model else None
    if model is not None:
        guard.renew()  # it may have been loaded for this call
    return guard.call(
        lambda: scorer.score(*inputs, **scorer.entry.options),
        key=f"{scorer.name} of {row['clip_id']}, ratio {row['ratio']}, seed {row['seed']}",
        clips=[row["clip_id"]],
        plugin=f"metric '{scorer.name}'",
        model=model,
        reload=lambda: vars(common).pop("model", None),
    )


def _values(scorer: Scorer, result: Any, frames: int, reason: str) -> list[dict]:
    """Metric, frame, value, status and error of each row that a metric's result stands for.

    Args:
        reason: why the clip has no annotation, if that is known.
    """
    if scorer.per_frame:
        outcomes = [_outcome(value, reason) for value in (result if isinstance(result, list) else [result] * frames)]
        return [{"metric": scorer.name, "frame": frame, **outcome} for frame, outcome in enumerate(outcomes)]
    if isinstance(result, dict):
        return [{"metric": f"{scorer.name}.{part}", **_outcome(value, reason)} for part, value in result.items()]
    return [{"metric": scorer.name, **_outcome(result, reason)}]


def _outcome(value: float | AuditError | None, reason: str) -> dict:
    if isinstance(value, NoAnnotationError) and reason:
        return {"status": value.status, "error": f"{value}: {reason}"}
    if isinstance(value, AuditError):
        return {"status": value.status, "error": str(value)}
    return {"value": value, "status": "ok"}
