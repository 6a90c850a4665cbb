"""Paths of the package's own files: in the installed package, or at the root of a checkout."""

import shlex
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parent


def reports() -> Path:
    """Folder of the SQL, templates and scripts of reports."""
    installed = PACKAGE / "_reports"
    return installed if installed.is_dir() else CHECKOUT / "reports"


def snakefile() -> Path:
    """The workflow's Snakefile."""
    installed = PACKAGE / "_workflow"
    return (installed if installed.is_dir() else CHECKOUT) / "Snakefile"


def snakemake(folder: Path = Path()) -> str:
    """The Snakemake command for a folder, by default this one: with `-s`, unless the Snakefile lies there."""
    here, own = folder / "Snakefile", snakefile()
    if here.is_file() and (folder / "workflow/Snakefile").is_file() and here.read_bytes() == own.read_bytes():
        return "snakemake"
    return f"snakemake -s {shlex.quote(str(own))}"
