"""Jobs that have to run again when a data set is read again: those whose own segments or videos have changed.

Snakemake runs every job behind one that runs, unless all files between the two are `ancient`; then it does not look at
the other reasons of that job. So these are looked at here.
"""

from functools import cache
from pathlib import Path
from typing import Any

from stepaudit.audit import decides
from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError
from stepaudit.store import tables


def index_files(workflow: Any, job: Job) -> list[str]:
    """Tables of `index`, marked `ancient` where rewriting them is no reason to run the job again.

    Args:
        workflow: Snakemake's; where rules are forced, all that follows runs again.
    """
    from snakemake.io import ancient

    paths = [str(path) for path in (job.file("segments"), job.file("boxes"))]
    forced = workflow.dag_settings.forcerun or workflow.dag_settings.forceall
    again = forced or (_is_due(Job(job.config, "index", job.dataset)) and _is_due(job))
    return paths if again else [ancient(path) for path in paths]


@cache
def _is_due(job: Job) -> bool:
    """True if a job's files are missing, older than an input, or made with other settings, code or data."""
    if not all(path.exists() for path in (*job.writes, job.record)):
        return True
    written = min(path.stat().st_mtime for path in job.writes)
    if any(_is_newer(path, written) for paths in job.dated.values() for path in paths):
        return True
    try:
        return bool(decides.changed(job, str(tables.metadata(job.record)["settings"])))
    except (UsageError, KeyError, ValueError):  # damaged
        return True


def _is_newer(path: Path, written: float) -> bool:
    return path.exists() and path.stat().st_mtime > written
