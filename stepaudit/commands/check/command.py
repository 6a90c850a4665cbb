"""`stepaudit check`: a configuration and its networks, or the results of an audit."""

from collections.abc import Callable
from pathlib import Path

from stepaudit.audit import config
from stepaudit.audit.config import Config
from stepaudit.errors import UsageError


def run(path: Path, *, delete: bool, targets: bool, say: Callable, write: Callable) -> bool:
    """Check a configuration file or a folder of results. Returns whether there is a problem.

    Args:
        delete: remove damaged, foreign and orphaned files.
        targets: only write the files to make again.
        say: prints a line.
        write: prints text that another program reads.

    Raises:
        UsageError: the configuration is not valid, or files cannot be deleted now.
    """
    if path.is_dir():
        return _audit(path, delete, targets, say, write)
    if delete or targets:
        raise UsageError(
            "--delete and --targets are for the results of an audit; name its folder, such as results/demo"
        )
    settings = config.load(path)
    say(
        f"{path}: audit '{settings.audit}' is valid: {len(settings.datasets)} data sets, "
        f"{len(settings.models)} models, {len(settings.methods)} methods, "
        f"{len(settings.metrics)} metrics, {settings.shards} shards"
    )
    return _networks(settings, say)


def _networks(settings: Config, say: Callable) -> bool:
    """Check the networks from outside the package; those of stepaudit are left to `doctor`."""
    if all(settings.component("models", name).module.startswith("stepaudit.") for name in settings.models):
        return False  # at once: without torch
    from stepaudit.networks import probe

    wrong = False
    for name, answers in probe.of_models(settings):
        for each in answers.findings:
            say(f"{each.severity}: model '{name}': {each}")
        wrong |= bool(answers.errors)
    return wrong


def _audit(folder: Path, delete: bool, targets: bool, say: Callable, write: Callable) -> bool:
    """Print the problems of an audit; delete what can be made again if asked. Returns True if it is sound."""
    from stepaudit.audit import audit_folder
    from stepaudit.commands.check import integrity, remedies  # DuckDB, which a configuration is checked without

    if delete and any(Path(".snakemake/locks").glob("*")):
        raise UsageError(
            "Snakemake's lock is set: wait for the run to end, or, if it was killed, run `snakemake --unlock` first"
        )
    audit = audit_folder.of_folder(folder)
    problems = integrity.problems(audit)
    removed = remedies.delete(audit, problems) if delete else []
    if targets:
        write("".join(f"{name}\n" for name in remedies.targets(audit, problems)))
    else:
        for line in remedies.lines(audit, problems):
            say(line)
    if removed:
        say(f"removed: {len(removed)} of these files")
    return bool(problems)
