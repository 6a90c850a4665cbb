"""`stepaudit doctor`: looks at the machine, and at what a configuration names, before hours of work depend on it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from stepaudit.audit import config
from stepaudit.audit.config import Config
from stepaudit.commands.doctor import audit_checks, machine_checks, torch_probe, video_checks
from stepaudit.commands.doctor.findings import Finding, fine, problem
from stepaudit.errors import UsageError
from stepaudit.store.package_files import CHECKOUT


def examine(config_file: Path | None = None, *, slurm: bool = False) -> Iterator[Finding]:
    """Findings as they come, first of the machine, then of the configuration. Nothing is downloaded or left behind.

    Args:
        slurm: the Slurm profile is to be used.
    """
    settings = _settings(config_file)
    found = torch_probe.asked(config_file if isinstance(settings, Config) else None)
    yield from _machine(found, settings.device if isinstance(settings, Config) else "auto", slurm)
    if isinstance(settings, Config):
        yield fine("configuration", f"{config_file} is valid: audit '{settings.audit}'")
        yield from _audit(settings, found)
    elif isinstance(settings, UsageError):
        yield problem("configuration", str(settings), "mend it; the rest can be checked then")
    else:
        yield audit_checks.temporary()


def _settings(config_file: Path | None) -> Config | UsageError | None:
    try:
        return None if config_file is None else config.load(config_file)
    except UsageError as error:
        return error


def _machine(found: dict, device: str, slurm: bool) -> Iterator[Finding]:
    path, here = os.environ.get("PATH", ""), Path.cwd()
    yield machine_checks.python()
    yield machine_checks.packages(machine_checks.required())
    yield machine_checks.torch(found)
    yield machine_checks.gpu(found, device, machine_checks.has_nvidia())
    yield machine_checks.threads(os.environ, machine_checks.cores())
    yield machine_checks.memory(machine_checks.memory_mb())
    yield video_checks.ffmpeg()
    yield video_checks.encoder()
    yield machine_checks.snakemake(Path(sys.executable), path)
    yield machine_checks.workflow(here)
    runs_here = here if (here / "Snakefile").is_file() else CHECKOUT
    yield machine_checks.slurm(runs_here, path, wanted=slurm)


def _audit(settings: Config, found: dict) -> Iterator[Finding]:
    rows = {}
    for dataset in settings.datasets:
        try:
            rows[dataset] = audit_checks.read(settings, dataset)
        except UsageError as error:
            rows[dataset] = error
        yield audit_checks.videos(dataset, rows[dataset])
        readable = None if isinstance(rows[dataset], UsageError) else rows[dataset]
        if annotated := audit_checks.annotation(settings, dataset, readable):
            yield annotated
    for model in settings.models:
        yield audit_checks.model(settings, model, found)
    yield audit_checks.results(settings.folder)
    if not any(isinstance(each, UsageError) for each in rows.values()):
        yield audit_checks.disk(settings.folder, audit_checks.needed(settings, rows, found))
    yield audit_checks.temporary()
