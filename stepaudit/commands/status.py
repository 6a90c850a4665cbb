"""What of an audit is done, running and failed, by stage, and how long the rest takes."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.audit import audit_folder
from stepaudit.audit.audit_folder import Audit
from stepaudit.audit.config import job_name
from stepaudit.audit.jobs import WRITES, Job, outputs
from stepaudit.running import job_notes
from stepaudit.running.job_notes import Note
from stepaudit.store.formats import duration
from stepaudit.store.tables import TABLES

RECORDS = 2000  # read of each stage, to know what a job takes
SHOWN = 20  # jobs that are named
COLUMNS = [
    "stage",
    "jobs",
    "done",
    "running",
    "stopped",
    "failed",
    "waiting",
    "rows",
    "without a value",
    "job time left",
]
STATES = ("done", "running", "stopped", "failed", "waiting")


@dataclass(frozen=True)
class Stage:
    """A stage of an audit.

    Args:
        states: how many of its jobs are in each of `STATES`.
        rows: that are finished, of the tables that have a status.
        without_value: how many of them failed.
        seconds_left: that its jobs take one after another; None if that is unknown.
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
    """An audit's stages, and the notes of the jobs that have not ended well."""

    stages: list[Stage]
    notes: dict[tuple[str, str], Note]

    @property
    def running(self) -> int:
        return sum(stage.states["running"] for stage in self.stages)

    @property
    def finished(self) -> bool:
        return all(stage.states["done"] == stage.jobs for stage in self.stages)

    @property
    def seconds_left(self) -> float | None:
        """With as many jobs at a time as run now, or one; None if it is unknown."""
        left = [stage.seconds_left for stage in self.stages]
        return None if None in left else sum(left) / max(1, self.running)


def of_folder(folder: Path) -> Status:
    """The state of the audit in a folder. Raises UsageError if none lies there."""
    audit = audit_folder.of_folder(folder)
    notes = job_notes.read(folder)
    by_stage: dict[str, list[Job]] = defaultdict(list)
    for job in [*audit.jobs, ("report", {})]:
        by_stage[job[0]].append(job)
    asked = {(stage, job_name(keys)) for jobs in by_stage.values() for stage, keys in jobs}
    notes = {key: note for key, note in notes.items() if key in asked}  # others are of an earlier configuration
    return Status([_stage(audit, stage, jobs, notes) for stage, jobs in by_stage.items()], notes)


def told(status: Status) -> Iterator[str]:
    """Lines for people: a table by stage is `rows`; these stand below it."""
    for state in ("running", "failed", "stopped"):
        found = [(key, note) for key, note in sorted(status.notes.items()) if note.state == state]
        yield from (f"{state}: {' '.join(key)}: {_of(note)}" for key, note in found[:SHOWN])
        if len(found) > SHOWN:
            yield f"{state}: {len(found) - SHOWN} others"
    if status.finished:
        yield "All jobs are done."
    elif all(stage.states["done"] == stage.jobs for stage in status.stages if stage.name != "report"):
        yield "Only the report is left."
    elif status.seconds_left is None:
        yield "How long the rest takes is not known before a job of each kind has ended."
    else:
        at_once = f"{status.running} jobs at a time" if status.running > 1 else "one job at a time"
        yield f"About {duration(status.seconds_left)} left, with {at_once}."


def rows(status: Status) -> list[tuple]:
    """A line of the table for each stage, in the order of `COLUMNS`."""
    return [
        (
            stage.name,
            stage.jobs,
            *(stage.states[state] for state in STATES),
            *((stage.rows, stage.without_value) if stage.rows else ("", "")),
            "unknown" if stage.seconds_left is None else duration(stage.seconds_left) if stage.seconds_left else "",
        )
        for stage in status.stages
    ]


def _of(note: Note) -> str:
    parts = [
        f"{note.done}/{note.total}" if note.total else "",
        f"{note.clips_per_second:.3g} clips/s" if note.clips_per_second and not note.error else "",
        f"{duration(note.seconds_left)} left" if note.seconds_left is not None and note.state == "running" else "",
        f"{note.failed} rows without a value" if note.failed else "",
        note.error,
        f"process {note.process} on {note.host}" + (f", Slurm job {note.cluster_job}" if note.cluster_job else ""),
    ]
    return ", ".join(filter(None, parts))


def _stage(audit: Audit, stage: str, jobs: list[Job], notes: dict[tuple[str, str], Note]) -> Stage:
    states = [_state(audit, job, notes) for job in jobs]
    files = [path for _, keys in jobs for path in outputs(audit.config, stage, keys) if path.exists()]
    known = _known(audit, stage)
    left = [
        _seconds_left(known, keys, notes.get((stage, job_name(keys))))
        for (_, keys), state in zip(jobs, states, strict=True)
        if state != "done" and stage != "report"
    ]
    counts = {state: states.count(state) for state in STATES}
    return Stage(stage, counts, *_outcomes(audit, stage, files), None if None in left else sum(left))


def _state(audit: Audit, job: Job, notes: dict[tuple[str, str], Note]) -> str:
    stage, keys = job
    if note := notes.get((stage, job_name(keys))):
        return note.state
    if stage == "report":
        made = [audit.folder / "report" / "index.html"]
    else:
        made = [audit.folder / audit.record(job), *outputs(audit.config, stage, keys)]
    return "done" if all(path.exists() for path in made) else "waiting"


def _outcomes(audit: Audit, stage: str, files: list[Path]) -> tuple[int, int]:
    """How many rows are finished, and how many of them have no value."""
    with_status = {table for table in WRITES.get(stage, ()) if "status" in TABLES[table].schema.names}
    found = [str(path) for path in files if path.relative_to(audit.config.folder).parts[0] in with_status]
    try:
        return _counted(found) if found else (0, 0)
    except duckdb.Error:  # one is damaged, of which `stepaudit check` tells: the others count
        sound = []
        for path in found:
            with suppress(duckdb.Error):
                sound.append(_counted([path]))
        return sum(rows for rows, _ in sound), sum(without for _, without in sound)


def _counted(files: list[str]) -> tuple[int, int]:
    sql = "select count(*), count(*) filter (status != 'ok') from read_parquet(?, hive_partitioning = false)"
    return duckdb.execute(sql, [files]).fetchone()


def _known(audit: Audit, stage: str) -> dict[tuple, float]:
    """Mean seconds of the finished jobs of a stage: of the same method and model, of the same method, of all."""
    if stage == "report":
        return {}
    folder = audit.config.path("runs", stage=stage, shard="any").parent
    seconds = defaultdict(list)
    for path in sorted(folder.glob("[!.]*.parquet"))[:RECORDS]:
        with suppress(OSError, pa.ArrowException):  # `stepaudit check` tells of damaged ones
            (row,) = pq.read_table(path, columns=["keys", "seconds"], partitioning=None).to_pylist()
            for kind in _kinds(json.loads(row["keys"])):
                seconds[kind].append(row["seconds"])
    return {kind: fmean(values) for kind, values in seconds.items()}


def _kinds(keys: dict[str, str]) -> list[tuple]:
    """What a job is compared with, the most alike first."""
    return [tuple(map(keys.get, names)) for names in (("dataset", "size", "model", "method"), ("method",), ())]


def _seconds_left(known: dict[tuple, float], keys: dict[str, str], note: Note | None) -> float | None:
    """Of a job that has not ended: at its own pace, or what such jobs take."""
    if note is not None and note.state == "running" and note.seconds_left is not None:
        return max(0.0, note.seconds_left - (time.time() - note.noted))
    return next((known[kind] for kind in _kinds(keys) if kind in known), None)
