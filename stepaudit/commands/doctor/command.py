"""`stepaudit doctor`: checks the machine, and the files that a configuration names, before hours of work."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from stepaudit.audit import config
from stepaudit.audit.config import Config
from stepaudit.commands.doctor import audit_checks, disk_use, machine_checks, torch_probe, video_checks
from stepaudit.commands.doctor.audit_checks import DatasetRows
from stepaudit.commands.doctor.findings import Finding, fine, problem
from stepaudit.errors import UsageError
from stepaudit.store import package_files


def examine(config_file: Path | None = None, *, slurm: bool = False) -> Iterator[Finding]:
    """Run all checks, first of the machine, then of the configuration. Nothing is downloaded or left behind.

    Args:
        slurm: check what the Slurm profile needs.
    """
    settings = _load_settings(config_file)
    probed = torch_probe.probe(config_file if isinstance(settings, Config) else None)
    yield from _machine_findings(probed, settings.device if isinstance(settings, Config) else "auto", slurm)
    if isinstance(settings, Config):
        yield fine("configuration", f"{config_file} is valid: audit '{settings.audit}'")
        yield from _audit_findings(settings, probed)
    elif isinstance(settings, UsageError):
        yield problem("configuration", str(settings), "correct it, then run `stepaudit doctor` again for the rest")
    else:
        yield audit_checks.temporary_space()


def _load_settings(config_file: Path | None) -> Config | UsageError | None:
    try:
        return None if config_file is None else config.load(config_file)
    except UsageError as error:
        return error


def _machine_findings(probed: dict, device: str, slurm: bool) -> Iterator[Finding]:
    path, here = os.environ.get("PATH", ""), Path.cwd()
    yield machine_checks.python()
    yield machine_checks.packages(machine_checks.required())
    yield machine_checks.torch(probed)
    yield machine_checks.gpu(probed, device, machine_checks.has_nvidia())
    yield machine_checks.threads(os.environ, machine_checks.cores())
    yield machine_checks.memory(machine_checks.memory_mb())
    yield video_checks.ffmpeg()
    yield video_checks.encoder()
    yield machine_checks.snakemake(Path(sys.executable), path)
    yield machine_checks.workflow(here)
    own = package_files.snakefile().parent
    is_elsewhere = own == package_files.CHECKOUT and not (here / "Snakefile").is_file()
    yield machine_checks.slurm(own if is_elsewhere else here, path, required=slurm)


def _audit_findings(settings: Config, probed: dict) -> Iterator[Finding]:
    rows: dict[str, DatasetRows | UsageError | None] = {}
    for dataset in settings.datasets:
        try:
            rows[dataset] = audit_checks.read(settings, dataset)
        except UsageError as error:
            rows[dataset] = error
        yield audit_checks.videos(dataset, rows[dataset])
        if not isinstance(rows[dataset], UsageError):
            yield from audit_checks.left_out(settings, dataset)
        yield from audit_checks.doubts(dataset, rows[dataset])
        yield from audit_checks.classes(dataset, rows[dataset])
        if compared := audit_checks.look_alikes(settings, dataset):
            yield compared
        if annotated := audit_checks.annotation(settings, dataset, rows[dataset]):
            yield annotated
    for model in settings.models:
        yield audit_checks.model(settings, model, probed)
        yield from audit_checks.answers(model, probed)
    yield audit_checks.results(settings.folder)
    if not any(isinstance(each, UsageError) for each in rows.values()):
        needed = disk_use.estimated(settings, audit_checks.counts(settings, rows), probed.get("bytes", {}))
        yield audit_checks.disk(settings.folder, needed)
    yield audit_checks.temporary_space()
