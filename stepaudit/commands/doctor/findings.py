"""What a check has found: fine, a warning or a problem, in a sentence, and what to do about it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from stepaudit.store.tables import as_json

Status = Literal["ok", "warning", "problem"]
WIDTH = 16  # of what was looked at, in a line


@dataclass(frozen=True)
class Finding:
    """One line of `stepaudit doctor`.

    Args:
        about: what was looked at.
        text: what was found.
        step: what to do; empty if nothing.
    """

    about: str
    status: Status
    text: str
    step: str = ""


def fine(about: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(about, "ok", text)


def warning(about: str, text: str, step: str) -> Finding:
    """It works, but not for everybody or not as it might."""
    return Finding(about, "warning", text, step)


def problem(about: str, text: str, step: str) -> Finding:
    """An audit would fail."""
    return Finding(about, "problem", text, step)


def has_problem(found: Iterable[Finding]) -> bool:
    """Whether an audit would fail."""
    return any(each.status == "problem" for each in found)


def told(found: Finding) -> str:
    """One line."""
    text = " ".join(found.text.split())
    return f"{found.status:<8} {found.about:<{WIDTH}} {text}{found.step and f'; {found.step}'}"


def counted(found: Iterable[Finding]) -> str:
    """How many problems and warnings there are."""
    found = list(found)
    counts = {kind: sum(each.status == kind for each in found) for kind in ("problem", "warning")}
    return ", ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in counts.items())


def listed(found: Iterable[Finding]) -> str:
    """The findings as JSON: a list of `about`, `status`, `text` and `step`."""
    return as_json([asdict(each) for each in found])
