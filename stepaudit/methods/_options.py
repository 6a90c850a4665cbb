"""Checks of the ranges of options; the configuration checks only their types."""

from stepaudit.errors import UsageError


def at_least_one(**options: int) -> None:
    """Raises UsageError for a number below 1."""
    for name, value in options.items():
        if value < 1:
            raise UsageError(f"option '{name}' is {value}; set it to 1 or more")


def share(**options: float) -> None:
    """Raises UsageError for a number outside (0, 1]."""
    for name, value in options.items():
        if not 0 < value <= 1:
            raise UsageError(f"option '{name}' is {value}; set it above 0 and to 1 at most")
