"""The demo audit, cut down, on the cluster that run.sh has started."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "audit" / "workflow")]

from checkouts import Checkout, copy_checkout
from cluster import Run, started
from demo import AUDIT
from injections import MAPS, Injected, maps

DOCUMENT = Path(__file__).parents[2] / "docs" / "cluster.md"
MARKS = ("<!-- from here on written by `tests/slurm/run.sh` -->", "<!-- until here -->")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory) -> Checkout:
    """A fresh checkout, in a folder with a space in its name."""
    return copy_checkout(tmp_path_factory.mktemp("login node") / "a checkout")


@pytest.fixture(scope="session")
def undisturbed(checkout) -> Iterator[Run]:
    """The audit, left alone, from nothing to the report."""
    with started(checkout, *AUDIT) as run:
        run.succeed()
        yield run


@pytest.fixture(scope="session")
def expected(checkout, undisturbed) -> Path:
    """The results of the audit that was left alone."""
    kept = checkout.folder.parent / "expected"
    shutil.copytree(checkout.folder / "results/demo", kept)
    return kept


@pytest.fixture(scope="session")
def recovered(checkout) -> Iterator[Callable[[Injected], None]]:
    """Notes a fault and what came of it; nothing may be lost. `STEPAUDIT_WRITE_FAULTS` writes it into the docs."""
    lines = ["| fault | rows that were kept | rows lost | seconds to recover |", "|---|---|---|---|"]

    def note(fault: Injected) -> None:
        path, final = checkout.folder / MAPS.format(fault.method), maps(checkout, fault.method)
        lost = sum(final.get(key) != seconds for key, seconds in fault.kept.items())
        after = path.stat().st_mtime - fault.time
        lines.append(f"| {fault.what} | {len(fault.kept)} of {len(final)} | {lost} | {after:.0f} |")
        assert 0 < len(fault.kept) < len(final)
        assert lost == 0

    yield note
    if os.environ.get("STEPAUDIT_WRITE_FAULTS"):
        before, _, rest = DOCUMENT.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        DOCUMENT.write_text("\n".join([before + MARKS[0], "", *lines, "", MARKS[1] + after]))
