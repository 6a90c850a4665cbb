"""The audit that every fault is tried on, made once; and the table of what was lost."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from workshop import Workshop, copied, made

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
MARKS = ("<!-- from here on written by `make faults` -->", "<!-- until here -->")
HEAD = ["| fault | what happened | rows lost | seconds to recover |", "|---|---|---|---|"]
LEDGER: list[tuple[int, str]] = []  # of the process that hears from all others: line of the test, row of the table


@pytest.fixture(scope="session")
def original(made_once) -> Path:
    """A checkout in which the audit has run."""
    return made_once("faults", lambda folder: made(folder / "original")) / "original"


@pytest.fixture
def workshop(original, tmp_path) -> Workshop:
    """A copy of the audit."""
    return copied(original, tmp_path / "checkout")


@pytest.fixture
def recovered(record_property, request) -> Callable[[str, int, float], None]:
    """Notes the outcome of a fault, named by the test's docstring; nothing may be lost."""

    def note(what: str, lost: int, since: float) -> None:
        name = request.function.__doc__.strip().removesuffix(".")
        record_property("fault", f"| {name} | {what} | {lost} | {time.monotonic() - since:.0f} |")
        assert lost == 0

    return note


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collects what `recovered` noted, in this process or in another one."""
    if report.when == "teardown":  # the last of a test's three reports; each holds all of its properties
        LEDGER.extend((report.location[1], row) for name, row in report.user_properties if name == "fault")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Writes what was lost to each fault into the docs, if `STEPAUDIT_WRITE_FAULTS` is set and all tests passed."""
    worker = hasattr(session.config, "workerinput")
    if os.environ.get("STEPAUDIT_WRITE_FAULTS") and not worker and exitstatus == pytest.ExitCode.OK:
        before, _, rest = DOCUMENT.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        rows = [row for _, row in sorted(LEDGER)]
        DOCUMENT.write_text("\n".join([before + MARKS[0], "", *HEAD, *rows, "", MARKS[1] + after]))
