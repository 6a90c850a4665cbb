"""Progress of an audit: finished, running and failed jobs by stage, and the time left."""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.audit import audit_folder, decides, planning
from stepaudit.audit.audit_folder import Audit
from stepaudit.audit.jobs import WRITES, Job
from stepaudit.errors import UsageError
from stepaudit.running import job_notes
from stepaudit.running.job_notes import Note
from stepaudit.store import tables
from stepaudit.store.database import exact_names
from stepaudit.store.formats import duration, format_rows
from stepaudit.store.schema import TABLES

RECORDS = 2000  # finished jobs of a stage that estimate the duration of the others
SHOWN = 20  # jobs that are listed by name
STATES = ("done", "stale", "running", "stopped", "failed", "waiting")
COLUMNS = ["stage", "jobs", *STATES, "rows", "without a value", "job time left"]


@dataclass(frozen=True)
class Stage:
    """A stage of an audit.

    Args:
        states: number of jobs in each of `STATES`.
        rows: finished rows of tables that have a status.
        without_value: those of them that failed.
        seconds_left: of its jobs one after another; None if unknown.
    """

    name: str
    states: dict[str, int]
    rows: int = 0
    without_value: int = 0
    seconds_left: float | None = 0.0

    @property
    def jobs(self) -> int:
        return sum(self.states.values())


@dataclass(frozen=True)
class Status:
    """An audit's stages, the notes of the jobs that have not ended well, and the causes of stale results, as lines."""

    stages: list[Stage]
    notes: dict[tuple[str, str], Note]
    causes: list[str] = field(default_factory=list)

    @property
    def running(self) -> int:
        return sum(stage.states["running"] for stage in self.stages)

    @property
    def finished(self) -> bool:
        return all(stage.states["done"] == stage.jobs for stage in self.stages)

    @property
    def seconds_left(self) -> float | None:
        """With as many jobs at a time as run now, or one; None if it is unknown."""
        left = _sum_if_known(stage.seconds_left for stage in self.stages)
        return None if left is None else left / max(1, self.running)


def of_folder(folder: Path) -> Status:
    """The state of the audit in a folder. Raises UsageError if none lies there."""
    audit = audit_folder.of_folder(folder)
    notes = job_notes.read(folder)
    by_stage: dict[str, list[Job]] = defaultdict(list)
    for job in [*audit.jobs, Job(audit.config, "report")]:
        by_stage[job.stage].append(job)
    current = {(job.stage, job.name) for jobs in by_stage.values() for job in jobs}
    notes = {key: note for key, note in notes.items() if key in current}  # others are of an earlier configuration
    stale, causes = _stale_jobs(audit)
    return Status([_stage(audit, stage, jobs, notes, stale) for stage, jobs in by_stage.items()], notes, causes)


def text(status: Status) -> str:
    """The table of the stages, and the lines below it."""
    lines = "".join(f"{line}\n" for line in _summary(status))
    return f"{format_rows(COLUMNS, [_row(stage) for stage in status.stages])}{lines}"


def _row(stage: Stage) -> tuple:
    rows = (stage.rows, stage.without_value) if stage.rows else ("", "")
    left = "unknown" if stage.seconds_left is None else duration(stage.seconds_left) if stage.seconds_left else ""
    return stage.name, stage.jobs, *(stage.states[state] for state in STATES), *rows, left


def _summary(status: Status) -> Iterator[str]:
    """The causes of stale results, the jobs that run, failed or stopped, and the time left."""
    yield from (f"stale: {cause}" for cause in status.causes[:SHOWN])
    if len(status.causes) > SHOWN:
        yield f"stale: {len(status.causes) - SHOWN} other causes"
    for state in ("running", "failed", "stopped"):
        notes = [(key, note) for key, note in sorted(status.notes.items()) if note.state == state]
        yield from (f"{state}: {' '.join(key)}: {_note_text(note)}" for key, note in notes[:SHOWN])
        if len(notes) > SHOWN:
            yield f"{state}: {len(notes) - SHOWN} others"
    if status.finished:
        yield "All jobs are done."
    elif all(stage.states["done"] == stage.jobs for stage in status.stages if stage.name != "report"):
        yield "Only the report is left."
    elif status.seconds_left is None:
        yield "The time left is not known before a job of each kind has ended."
    else:
        parallel = f"{status.running} jobs at a time" if status.running > 1 else "one job at a time"
        yield f"About {duration(status.seconds_left)} left, with {parallel}."


def _note_text(note: Note) -> str:
    parts = [
        f"{note.done}/{note.total}" if note.total else "",
        f"{note.clips_per_second:.3g} clips/s" if note.clips_per_second and not note.error else "",
        f"{duration(note.seconds_left)} left" if note.seconds_left is not None and note.state == "running" else "",
        f"{note.failed} rows without a value" if note.failed else "",
        note.error,
        f"process {note.process} on {note.host}" + (f", Slurm job {note.cluster_job}" if note.cluster_job else ""),
    ]
    return ", ".join(filter(None, parts))


def _stale_jobs(audit: Audit) -> tuple[set[tuple[str, str]], list[str]]:
    """Jobs whose settings, code or files have changed since they ran, or those of a job before; and what has changed.

    How many clips another list of videos changes is known when the workflow starts.
    """
    sources = planning.changed_sources(audit.config)
    causes = [f"data set '{name}': {text}" for name, text in sources.items()]
    stale = {("index", name) for name in sources}
    files: set[Path] = set()
    for job in audit.jobs:
        changed = _changes(job)
        if changed or any(path in files for paths in job.dated.values() for path in paths):
            stale.add((job.stage, job.name))
            files.update(job.writes)
        causes += [f"{job.stage} {job.name}: {', '.join(changed)} changed"] if changed else []
    return stale | ({("report", "all")} if stale else set()), causes


def _changes(job: Job) -> list[str]:
    """Changes of a job since it ran; a damaged or missing record is left to `stepaudit check`."""
    with suppress(UsageError, OSError, KeyError, ValueError):
        return decides.changed(job, str(tables.metadata(job.record)["settings"]))
    return []


def _stage(
    audit: Audit, stage: str, jobs: list[Job], notes: dict[tuple[str, str], Note], stale: set[tuple[str, str]]
) -> Stage:
    states = [_state(audit, job, notes, stale) for job in jobs]
    files = [path for job in jobs for path in job.tables if path.exists()]
    means = _mean_seconds(audit, stage)
    left = _sum_if_known(
        _seconds_left(means, job.keys, notes.get((stage, job.name)))
        for job, state in zip(jobs, states, strict=True)
        if state != "done" and stage != "report"
    )
    return Stage(stage, {state: states.count(state) for state in STATES}, *_row_counts(audit, stage, files), left)


def _sum_if_known(seconds: Iterable[float | None]) -> float | None:
    """The sum; None if a part is unknown."""
    parts = list(seconds)
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _state(audit: Audit, job: Job, notes: dict[tuple[str, str], Note], stale: set[tuple[str, str]]) -> str:
    if note := notes.get((job.stage, job.name)):
        return note.state
    files = [audit_folder.page(audit.folder)] if job.stage == "report" else [job.record, *job.tables]
    if not all(path.exists() for path in files):
        return "waiting"
    return "stale" if (job.stage, job.name) in stale else "done"


def _row_counts(audit: Audit, stage: str, files: list[Path]) -> tuple[int, int]:
    """Number of finished rows, and of those without a value; damaged files are left to `stepaudit check`."""
    with_status = {table for table in WRITES.get(stage, ()) if "status" in TABLES[table].schema.names}
    paths = [path for path in files if path.relative_to(audit.config.folder).parts[0] in with_status]
    try:
        return _counts(paths)
    except duckdb.Error:
        sound = []
        for path in paths:
            with suppress(duckdb.Error):
                sound.append(_counts([path]))
        return sum(rows for rows, _ in sound), sum(without for _, without in sound)


def _counts(files: list[Path]) -> tuple[int, int]:
    if not files:
        return 0, 0
    sql = "select count(*), count(*) filter (status != 'ok') from read_parquet(?, hive_partitioning = false)"
    ((rows, without_value),) = duckdb.execute(sql, [exact_names(files)]).fetchall()
    return rows, without_value


def _mean_seconds(audit: Audit, stage: str) -> dict[tuple, float]:
    """Mean duration of the finished jobs of a stage: of the same method and model, of the same method, of all."""
    if stage == "report":
        return {}
    folder = Job(audit.config, stage).record.parent
    seconds = defaultdict(list)
    for path in sorted(folder.glob("[!.]*.parquet"))[:RECORDS]:
        with suppress(OSError, pa.ArrowException):  # `stepaudit check` lists damaged ones
            (row,) = pq.read_table(path, columns=["keys", "seconds"], partitioning=None).to_pylist()
            for kind in _comparable_jobs(json.loads(row["keys"])):
                seconds[kind].append(row["seconds"])
    return {kind: fmean(values) for kind, values in seconds.items()}


def _comparable_jobs(keys: dict[str, str]) -> list[tuple]:
    """Groups of comparable jobs that a job belongs to, the most similar first."""
    return [tuple(map(keys.get, names)) for names in (("dataset", "size", "model", "method"), ("method",), ())]


def _seconds_left(means: dict[tuple, float], keys: dict[str, str], note: Note | None) -> float | None:
    """Time left of an unfinished job: by its own pace, else the mean of comparable jobs."""
    if note is not None and note.state == "running" and note.seconds_left is not None:
        return max(0.0, note.seconds_left - (time.time() - note.noted))
    return next((means[kind] for kind in _comparable_jobs(keys) if kind in means), None)
