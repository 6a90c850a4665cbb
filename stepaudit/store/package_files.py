"""Paths of the package's own files: in the installed package, or at the root of a checkout."""

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
