"""Stage score: every metric of every map of a shard."""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from torch import Tensor

from stepaudit.audit.jobs import Job
from stepaudit.audit.sections import Metric
from stepaudit.errors import AuditError, NoAnnotationError, NonFiniteError, NotApplicableError, UsageError
from stepaudit.running import shard
from stepaudit.running.guard import Guard
from stepaudit.running.side_effects import settings_kept
from stepaudit.stages._measurements import Measurements, Shard
from stepaudit.store import tables

ROUNDING = 1e-6
BATCH = 32  # maps whose scores are kept together


@dataclass(frozen=True)
class Scorer:
    """A metric of the configuration, loaded.

    Args:
        measures: names of its positional parameters.
        per_frame: whether it gives a list with a value for each frame.
        is_share: whether its values are promised to lie in [0, 1].
    """

    name: str
    score: Callable
    entry: Metric
    measures: tuple[str, ...]
    per_frame: bool
    is_share: bool

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
    with settings_kept(f"metric '{name}'"):
        score = component.load()
    parameters = inspect.signature(score).parameters.values()
    measures = tuple(each.name for each in parameters if each.kind is not each.KEYWORD_ONLY)
    return Scorer(name, score, job.config.metrics[name], measures, component.per_frame, component.declares("is_share"))


def _rows(maps: Sequence[dict], common: Shard, scorers: list[Scorer], guard: Guard) -> list[dict]:
    """Rows of `scores` for some maps."""
    rows, frames = [], common.job.config.clips_of(common.job.model).frames
    for row in maps:
        measurements = Measurements(common, row)
        key = {name: row[name] for name in ("clip_id", "ratio", "seed")}
        for scorer in scorers:
            reason = common.no_annotation(row["clip_id"]) if scorer.entry.annotation == "own" else ""
            try:
                inputs = [_copied(measurements.get(name, scorer.entry.annotation)) for name in scorer.measures]
                result = _score_guarded(guard, common, scorer, row, inputs)
            except AuditError as error:
                result = error
            try:
                rows += [{**key, **value} for value in _values(scorer, result, frames, reason)]
            except UsageError as error:
                raise UsageError(f"metric '{scorer.name}' of clip '{row['clip_id']}': {error}") from error
    return rows


def _copied(value: Any) -> Any:
    """A copy, for a metric that writes into what it is given; not of models."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _score_guarded(guard: Guard, common: Shard, scorer: Scorer, row: dict, inputs: list) -> Any:
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
        reload=common.forget_model,
    )


def _values(scorer: Scorer, result: Any, frames: int, reason: str = "") -> list[dict]:
    """Metric, frame, value, status and error of each row that a metric's result stands for.

    Args:
        reason: why the clip has no annotation, if that is known.

    Raises:
        UsageError: the result is no number, or not as many as there are frames, or a share outside of [0, 1].
    """
    if scorer.per_frame:
        values = result if isinstance(result, list) else [result] * frames
        if len(values) != frames:
            raise UsageError(f"{len(values)} values for {frames} frames; return one for each")
        of_frames = [_outcome_columns(value, scorer, reason) for value in values]
        return [{"metric": scorer.name, "frame": frame, **outcome} for frame, outcome in enumerate(of_frames)]
    if isinstance(result, dict):
        return [
            {"metric": f"{scorer.name}.{part}", **_outcome_columns(value, scorer, reason)}
            for part, value in result.items()
        ]
    return [{"metric": scorer.name, **_outcome_columns(result, scorer, reason)}]


def _outcome_columns(value: Any, scorer: Scorer, reason: str = "") -> dict:
    if isinstance(value, NoAnnotationError) and reason:
        return {"status": value.status, "error": f"{value}: {reason}"}
    if isinstance(value, AuditError):
        return {"status": value.status, "error": str(value)}
    if value is None:
        return _outcome_columns(NotApplicableError("the metric gave no value (None)"), scorer)
    if isinstance(value, Tensor) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, Real):
        hint = "; annotate `-> list[float]` for a value of each frame" if isinstance(value, list) else ""
        raise UsageError(f"{value!r:.80} is no number{hint}; or raise an AuditError where none can be measured")
    number = float(value)
    if not math.isfinite(number):
        return _outcome_columns(NonFiniteError(f"the metric gave {number}"), scorer)
    if scorer.is_share and not -ROUNDING <= number <= 1 + ROUNDING:
        raise UsageError(f"{number:.6g} is no share; return values from 0 to 1, or remove `is_share`")
    return {"value": number, "status": "ok"}
