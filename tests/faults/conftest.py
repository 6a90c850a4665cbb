"""The audit that every fault is tried on, made once; and the table of what was lost."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from workshop import Workshop, copied, made

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
MARKS = ("<!-- from here on written by `make faults` -->", "<!-- until here -->")


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Path:
    """A checkout in which the audit has run."""
    return made(tmp_path_factory.mktemp("faults") / "original")


@pytest.fixture
def workshop(original, tmp_path) -> Workshop:
    """A copy of the audit."""
    return copied(original, tmp_path / "checkout")


@pytest.fixture(scope="session")
def ledger() -> Iterator[list[tuple[str, str, int, float]]]:
    """What was lost to each fault, and how long recovery took; `STEPAUDIT_WRITE_FAULTS` writes it into the docs."""
    rows: list[tuple[str, str, int, float]] = []
    yield rows
    if os.environ.get("STEPAUDIT_WRITE_FAULTS"):
        lines = [f"| {name} | {what} | {lost} | {seconds:.0f} |" for name, what, lost, seconds in rows]
        head = ["| fault | what happened | rows lost | seconds to recover |", "|---|---|---|---|"]
        before, _, rest = DOCUMENT.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        DOCUMENT.write_text("\n".join([before + MARKS[0], "", *head, *lines, "", MARKS[1] + after]))


@pytest.fixture
def recovered(request, ledger) -> Callable[[str, int, float], None]:
    """Notes the outcome of a fault, named by the test's docstring; nothing may be lost."""

    def note(what: str, lost: int, since: float) -> None:
        ledger.append((request.function.__doc__.strip().removesuffix("."), what, lost, time.monotonic() - since))
        assert lost == 0

    return note
