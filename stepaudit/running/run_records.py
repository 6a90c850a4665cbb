"""Record of every job in the table `runs`: inputs, outputs, versions, time and memory."""

import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stepaudit.audit import decides
from stepaudit.audit.jobs import Job
from stepaudit.running import footprint
from stepaudit.store import tables
from stepaudit.store.checksums import sha256
from stepaudit.version import __version__


@contextmanager
def recorded(job: Job) -> Iterator[None]:
    """Runs a job and writes its row of the table `runs` when it has succeeded; its files name the job."""
    start = time.monotonic()
    with tables.made_by(job_metadata(job)) as files_read:
        yield
    row = {
        "keys": tables.as_json(job.keys),
        "config_hash": job.config.hash,
        "versions": tables.as_json(decides.versions()),
        "commit": commit(),
        "device": _device(),
        "seconds": time.monotonic() - start,
        "peak_memory_mb": footprint.peak_mb(),
        "inputs": tables.as_json(_inputs(job, files_read)),
        "outputs": tables.as_json(_outputs(job)),
    }
    with tables.made_by(job_metadata(job)):
        tables.write([row], "runs", job.record, with_checksum=True)


def job_metadata(job: Job) -> dict[str, object]:
    """Metadata of the files that a job writes: stage, keys, a hash of the settings that decide it, the version."""
    return {"stage": job.stage, "keys": job.keys, "settings": decides.settings(job), "version": __version__}


def _inputs(job: Job, files_read: set[Path]) -> dict[str, str]:
    """Checksums of the audit's own files that a job has read, by their names within the audit."""
    folder, weights = job.config.folder, {path for path in job.weights_read if path.exists()}
    paths = {path for path in (files_read | weights) - set(job.writes) if path.is_relative_to(folder)}
    names = {path.relative_to(folder): path for path in paths}
    return {str(name): sha256(path) for name, path in names.items() if not any(p.startswith(".") for p in name.parts)}


def _outputs(job: Job) -> dict[str, dict]:
    """Checksum, bytes and rows of the files that a job has written, by their names within the audit."""
    return {
        str(path.relative_to(job.config.folder)): {
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
            "rows": tables.metadata(path)["rows"] if path.suffix == ".parquet" else None,
        }
        for path in job.writes
        if path.exists()
    }


def commit() -> str | None:
    """The git commit of the working folder, with '+' if tracked files differ from it; None outside a checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _device() -> str:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return torch.cuda.get_device_name()
    return platform.processor() or platform.machine()
