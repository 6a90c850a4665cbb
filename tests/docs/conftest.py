"""Words that a page may use."""

import re

import pytest
from shown_commands import ROOT


@pytest.fixture(scope="session")
def every_name() -> set[str]:
    """Words of the sources that a page may name: columns, reports, metrics, methods, statuses, options."""
    sources = [*(ROOT / "reports").glob("*.sql"), *(ROOT / "reports").glob("*.md"), ROOT / "config" / "README.md"]
    return {word for path in sources for word in re.findall(r"\w+", path.read_text())} | {
        path.stem for path in (ROOT / "docs").glob("*.md")
    }
