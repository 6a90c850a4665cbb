"""Notes of running jobs: `.jobs/<stage>/<job>.json` beside an audit's tables.

A job that ends well removes its note. The others are of jobs that run, or that ended early, with the reason.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from stepaudit.audit.jobs import Job
from stepaudit.errors import StorageError
from stepaudit.running import progress
from stepaudit.store import writing

FOLDER = ".jobs"
SECONDS_BETWEEN_NOTES = 5.0
SLACK = 60.0  # seconds by which clocks may have been set
SILENT = 900.0  # seconds without a note after which a job of another machine is taken for dead

log = logging.getLogger(__name__)


@dataclass
class Note:
    """Progress and state of a job.

    Args:
        host: name of its machine.
        process: number of its process there.
        cluster_job: number of its Slurm job, or "".
        began: start, seconds since 1970.
        noted: time of the last update.
        error: reason of an early end, or "".
        seconds_left: at the pace so far; None if unknown.
    """

    host: str
    process: int
    cluster_job: str
    began: float
    noted: float
    done: int = 0
    total: int = 0
    failed: int = 0
    seconds_left: float | None = None
    clips_per_second: float | None = None
    error: str = ""

    @property
    def state(self) -> str:
        """`running`, `failed` (with an error) or `stopped` (without one)."""
        if self.error:
            return "failed"
        if self.host == socket.gethostname():
            return "running" if self._is_alive() else "stopped"
        return "running" if time.time() - self.noted < SILENT else "stopped"

    def _is_alive(self) -> bool:
        """True if the process is there, and no later one that was given its number, as after a restart."""
        try:
            return psutil.Process(self.process).create_time() < self.began + SLACK
        except psutil.NoSuchProcess:
            return False


@contextmanager
def noted(job: Job) -> Iterator[None]:
    """Keep a job's note up to date while it runs; a disk that cannot be written does not stop the job."""
    path, now = job.config.folder / FOLDER / job.stage / f"{job.name}.json", time.time()
    note = Note(socket.gethostname(), os.getpid(), os.environ.get("SLURM_JOB_ID", ""), now, now)
    _write_note(note, path)

    def update(count: progress.Count) -> None:
        if time.time() - note.noted >= SECONDS_BETWEEN_NOTES:
            note.noted, note.done, note.total, note.failed = time.time(), count.done, count.total, count.failed
            note.seconds_left, note.clips_per_second = count.seconds_left, count.clips_per_second
            _write_note(note, path)

    try:
        with progress.heard(update):
            yield
    except Exception as error:
        note.noted, note.error = time.time(), f"{error}".partition("\n")[0] or type(error).__name__
        _write_note(note, path)
        raise
    with suppress(OSError):
        writing.remove(path)


def read(folder: Path) -> dict[tuple[str, str], Note]:
    """Notes of an audit's jobs, by stage and job, without those that cannot be read."""
    notes = {}
    for path in (folder / FOLDER).glob("*/*.json"):
        try:
            notes[path.parent.name, path.stem] = Note(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            log.debug("%s: %s", path, error)
    return notes


def _write_note(note: Note, path: Path) -> None:
    try:
        writing.write_text(path, json.dumps(asdict(note)))
    except (OSError, StorageError) as error:
        log.debug("%s: %s", path, error)
