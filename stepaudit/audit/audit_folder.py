"""An audit's folder: its expected files, and the kinds of problems with them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stepaudit.audit import jobs, registry
from stepaudit.audit.config import Config, load
from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError
from stepaudit.store.plain_files import require_plain

FILE, REPORT = "config.yaml", "report"
KINDS = {
    "configuration": "not the configuration that the workflow has saved",
    "version": "written by another version of stepaudit",
    "missing": "not there",
    "damaged": "not as they were written",
    "foreign": "of another configuration or place, or made from other files",
    "stale": "made by code or from files that have changed since",
    "unrecorded": "of jobs that have left no record, because they did not end",
    "rows": "without exactly the rows that are asked",
    "values": "with values that no measurement gives",
    "orphan": "that no job of this configuration writes",
    "report": "not made of the tables as they are",
}


@dataclass(frozen=True)
class Problem:
    """A problem of a file: a key of `KINDS`, its name within the audit, a sentence, the job that makes it."""

    kind: str
    name: str
    text: str
    job: Job | None = None


@dataclass(frozen=True)
class Audit:
    """An audit's folder, its configuration as saved, and the expected jobs and files."""

    folder: Path
    saved: Config

    @cached_property
    def config(self) -> Config:
        """The configuration of the folder, wherever that was moved."""
        return self.saved.model_copy(update={"results": self.folder.parent, "audit": self.folder.name})

    @cached_property
    def jobs(self) -> list[Job]:
        return [job for group in jobs.in_groups(self.config) for job in group]

    @cached_property
    def records(self) -> dict[str, Job]:
        """The job of each file of `runs`, by name."""
        return {self.name(job.record): job for job in self.jobs}

    @cached_property
    def files(self) -> dict[str, Job]:
        """The job that writes each other file, a table or a checkpoint, by name."""
        return {self.name(path): job for job in self.jobs for path in job.writes}

    def name(self, path: Path) -> str:
        """Name of a file within the audit."""
        return str(path.relative_to(self.folder))


def page(folder: Path) -> Path:
    """The report's page of the audit in a folder."""
    return folder / REPORT / "index.html"


def answer(folder: Path, report: str) -> Path:
    """The CSV file of a report of the audit in a folder."""
    return folder / REPORT / f"{report}.csv"


def checksums(folder: Path) -> Path:
    """The checksums of the report's files of the audit in a folder."""
    return folder / "SHA256SUMS"


def of_folder(folder: Path) -> Audit:
    """The audit that lies in a folder.

    Raises:
        UsageError: there is none, its configuration or plan is no such, or there is a link, a pipe or a device in it.
    """
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    if not (folder / FILE).is_file():
        raise UsageError(f"{folder}: no audit lies here (no {FILE} in it); name its folder, such as results/demo")
    require_plain(folder)
    with registry.absent_allowed():
        audit = Audit(folder, load(folder / FILE))
    _ = audit.jobs  # which are unknown without a plan
    return audit
