"""Result of a check: ok, a warning or a problem, in a sentence, with the next step."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from stepaudit.store.tables import as_json

Status = Literal["ok", "warning", "problem"]
WIDTH = 16  # of the subject, in a line


@dataclass(frozen=True)
class Finding:
    """One line of `stepaudit doctor`.

    Args:
        about: the subject of the check.
        text: the result.
        step: the next step; empty if there is nothing to do.
    """

    about: str
    status: Status
    text: str
    step: str = ""


def fine(about: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(about, "ok", text)


def warning(about: str, text: str, step: str) -> Finding:
    """It works, but with a limitation."""
    return Finding(about, "warning", text, step)


def problem(about: str, text: str, step: str) -> Finding:
    """An audit would fail."""
    return Finding(about, "problem", text, step)


def has_problem(findings: Iterable[Finding]) -> bool:
    """True if an audit would fail."""
    return any(each.status == "problem" for each in findings)


def line(finding: Finding) -> str:
    """A finding on one line."""
    text = " ".join(finding.text.splitlines())
    return f"{finding.status:<8} {finding.about:<{WIDTH}} {text}{finding.step and f'; {finding.step}'}"


def summary(findings: Sequence[Finding]) -> str:
    """The number of problems and warnings."""
    counts = {kind: sum(each.status == kind for each in findings) for kind in ("problem", "warning")}
    return ", ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in counts.items())


def to_json(findings: Iterable[Finding]) -> str:
    """The findings as JSON: a list of `about`, `status`, `text` and `step`."""
    return as_json([asdict(each) for each in findings])
