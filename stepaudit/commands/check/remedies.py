"""Remedies for an audit's problems: files to delete, files to make again, and the commands for it."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from stepaudit.audit.audit_folder import FILE, KINDS, Audit, Problem
from stepaudit.store import package_files, writing

DELETED = ("damaged", "foreign", "orphan")
REMADE = ("missing", "damaged", "foreign", "unrecorded", "rows", "values", "report")
SHOWN = 10  # of each kind; and so many names on a command line


def lines(audit: Audit, problems: list[Problem]) -> Iterator[str]:
    """Problems, a line each, under a heading for each kind, and then the remedies."""
    for kind, text in KINDS.items():
        those = [problem for problem in problems if problem.kind == kind]
        if those:
            yield f"{len(those)} file{'s' * (len(those) != 1)} {text}:"
            yield from (f"  {each.name}{each.text and ': '}{each.text}" for each in those[:SHOWN])
        if len(those) > SHOWN:
            yield f"  … and {len(those) - SHOWN} more"
    if problems:
        yield "What to do:"
        yield from (f"  {step}" for step in steps(audit, problems))


def steps(audit: Audit, problems: list[Problem]) -> Iterator[str]:
    """Command lines, in their order, for the present folder."""
    kinds = {problem.kind for problem in problems}
    if "configuration" in kinds:
        command = f"{_cd(audit)}{package_files.snakemake(_workflow_folder(audit))}"
        yield f"{command} --cores all --configfile CONFIG   # your own file: it is saved as {FILE} again"
        yield f"{_cd(audit)}{_check_again(audit)}   # again: all else above may come from the configuration"
        return
    if "version" in kinds:
        yield "read these files with the stepaudit that wrote them, or make them again with this one, as follows"
    if to_delete(audit, problems):
        yield f"{_cd(audit)}{_check_again(audit)} --delete"
    if names := targets(audit, problems):
        yield _remake_command(audit, names)
    if kinds - {"orphan"}:
        yield f"{_cd(audit)}{_snakemake_command(audit)}   # makes everything again that depends on these files"


def targets(audit: Audit, problems: list[Problem]) -> list[str]:
    """Paths of the files to request by name: Snakemake skips a missing file if the files made from it are there."""
    names = []
    for problem in problems:
        if problem.kind in REMADE:
            own = [name for name in audit.files if audit.files[name] == problem.job]
            names += [problem.name] if problem.name not in audit.records else own
    return [str(_results_folder(audit) / name) for name in dict.fromkeys(names)]


def to_delete(audit: Audit, problems: list[Problem]) -> list[Path]:
    """Damaged, foreign and orphaned files; none if the configuration cannot be trusted."""
    if any(problem.kind == "configuration" for problem in problems):
        return []
    files = [audit.folder / problem.name for problem in problems if problem.kind in DELETED]
    return [path for path in dict.fromkeys(files) if path.exists() or path.is_symlink()]


def delete(audit: Audit, problems: list[Problem]) -> list[Path]:
    """Remove these files, and folders of tables that are empty then. Returns the removed files."""
    gone = to_delete(audit, problems)
    for path in gone:
        writing.remove(path)
        for folder in path.relative_to(audit.folder).parents:
            if "=" in folder.name:
                writing.remove_empty(audit.folder / folder)
    return gone


def _workflow_folder(audit: Audit) -> Path:
    """The folder that the workflow was run from, as far as it can be known: the saved paths begin there."""
    saved, folder = audit.saved.folder, audit.folder.resolve()
    if not saved.is_absolute() and saved.resolve() != folder:
        above = folder.parents[len(saved.parts) - 1]
        if ".." not in saved.parts and above / saved == folder:
            return above
    return Path()


def _cd(audit: Audit) -> str:
    return "" if _workflow_folder(audit) == Path() else f"cd {shlex.quote(str(_workflow_folder(audit)))} && "


def _results_folder(audit: Audit) -> Path:
    """The audit's folder under the name that Snakemake knows it by, unless it was moved."""
    same = (_workflow_folder(audit) / audit.saved.folder).resolve() == audit.folder.resolve()
    return audit.saved.folder if same else audit.folder


def _check_again(audit: Audit) -> str:
    return f"stepaudit check {shlex.quote(str(_results_folder(audit)))}"


def _remake_command(audit: Audit, names: list[str]) -> str:
    """Command that makes files again; of many files, with their names from `stepaudit check --targets`."""
    if len(names) <= SHOWN:
        return f"{_cd(audit)}{_snakemake_command(audit)} --force -- {shlex.join(names)}"
    targets = f"{_check_again(audit)} --targets | tr '\\n' '\\0'"
    return f"{_cd(audit)}{targets} | xargs -0 {_snakemake_command(audit)} --force --"


def _snakemake_command(audit: Audit) -> str:
    """Snakemake's command with the saved configuration, also for an audit that was moved."""
    folder, command = _results_folder(audit), package_files.snakemake(_workflow_folder(audit))
    command += f" --cores all --configfile {shlex.quote(str(folder / FILE))}"
    if folder == audit.saved.folder:
        return command
    return f"{command} --config results={shlex.quote(str(folder.parent))} audit={shlex.quote(folder.name)}"
