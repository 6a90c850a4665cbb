"""Errors: failures of a clip, which become rows, bad input, and folders that cannot be written."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class AuditError(Exception):
    """An expected failure of one clip. It becomes a row with this `status` and the error's text; nothing is lost."""

    status = "error"


class BadVideoError(AuditError):
    """The file is no video, or fewer frames decode than were promised."""

    status = "bad_video"


class TooShortError(AuditError):
    """The segment, or the clip, has fewer frames than are needed."""

    status = "too_short"


class NoAnnotationError(AuditError):
    """Nothing is annotated where the metric needs a box or a segment."""

    status = "no_annotation"


class NoPeakError(AuditError):
    """The map is constant, so that it points nowhere."""

    status = "no_peak"


class NotApplicableError(AuditError):
    """The method or metric cannot explain this model or map."""

    status = "not_applicable"


class NonFiniteError(AuditError):
    """The model, or the optimisation, gave NaN or infinity."""

    status = "non_finite"


class UpstreamError(AuditError):
    """The row that this one is made from failed."""

    status = "upstream"


class TimedOutError(AuditError):
    """The clip alone took longer than `batch_seconds`."""

    status = "timed_out"


STATUSES = {
    "ok": "The value was measured.",
    **{error.status: error.__doc__ for error in AuditError.__subclasses__()},
}


class UsageError(Exception):
    """Bad input. The command line prints the text with the next step and exits with status 2."""


class StorageError(Exception):
    """Nothing can be written. The command line prints the text with the folder and exits with status 1."""


@contextmanager
def no_exit(name: str) -> Iterator[None]:
    """Turn `sys.exit` in somebody else's code into a RuntimeError: the job would end early, and look finished."""
    try:
        yield
    except SystemExit as error:
        raise RuntimeError(f"{name} called sys.exit({error.code or ''}); remove that call") from error


def printable(text: str) -> str:
    """Text with its control characters and bidirectional characters escaped; newlines and tabs stay."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else repr(sign)[1:-1] for sign in text)


def some(names: Iterable[object], shown: int = 5) -> str:
    """The first names of a list and the number of the others, for short messages."""
    listed = [str(name) for name in names]
    return ", ".join(listed[:shown]) + f" and {len(listed) - shown} more" * (len(listed) > shown)


def did_you_mean(name: str, known: list[str]) -> str:
    """The end of an error message: the nearest known name, if any, and all known names."""
    nearest = get_close_matches(name, known, n=1)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
    return f"{hint} (known: {', '.join(sorted(known)) or 'none'})"
