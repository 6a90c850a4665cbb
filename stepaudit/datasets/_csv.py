"""CSV files that a user wrote: every complaint names the file, the line and the column."""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from stepaudit.errors import UsageError, did_you_mean

MANY = 20  # names; a message that lists more of them helps nobody


@dataclass(frozen=True)
class Row:
    """A line of a CSV file. An empty cell, and one of a column that is not there, is None, unless it is `needed`."""

    path: Path
    line: int
    cells: dict[str, str | None]

    def text(self, column: str, *, needed: bool = False) -> str | None:
        """A cell. Raises UsageError if it is needed and empty."""
        text = self.cells.get(column)
        if text is None and needed:
            raise self.complaint(column, "it is empty")
        return text

    def integer(self, column: str, *, needed: bool = False) -> int | None:
        """A cell that holds a whole number. Raises UsageError if it holds anything else."""
        text = self.text(column, needed=needed)
        try:
            return None if text is None else int(text)
        except ValueError:
            raise self.complaint(column, f"'{text}' is no whole number") from None

    def number(self, column: str, *, needed: bool = False) -> float | None:
        """A cell that holds a finite number. Raises UsageError if it holds anything else."""
        text = self.text(column, needed=needed)
        try:
            number = None if text is None else float(text)
        except ValueError:
            number = float("nan")
        if number is not None and not isfinite(number):
            raise self.complaint(column, f"'{text}' is no finite number")
        return number

    def one_of(self, column: str, known: Collection[str]) -> str:
        """A cell that holds one of these texts. Raises UsageError if it holds another, or nothing."""
        text = self.text(column, needed=True)
        if text not in known:
            hint = did_you_mean(text, list(known)) if len(known) <= MANY else ", which is not there"
            raise self.complaint(column, f"'{text}'{hint}")
        return text

    def complaint(self, column: str, text: str) -> UsageError:
        """An error that names this line and the column."""
        return UsageError(f"{self.path}, line {self.line}, column '{column}': {text}")


def read_rows(path: Path, required: Collection[str], optional: Collection[str]) -> list[Row]:
    """The lines of a UTF-8 file whose first line names its columns.

    Raises:
        UsageError: the file cannot be read, lacks a required column, has an unknown one, or a line of another length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, list(reader.fieldnames or []), required, optional)
            return [_row(path, reader.line_num, line) for line in reader]
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); a CSV file's path is relative to `root`"
        ) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no UTF-8 CSV file ({error}); save it as one") from error


def _check_columns(path: Path, columns: list[str], required: Collection[str], optional: Collection[str]) -> None:
    known = [*required, *optional]
    for name in required:
        if name not in columns:
            raise UsageError(f"{path}, line 1: no column '{name}'; the first line names columns of {', '.join(known)}")
    for name in columns:
        if name not in known:
            raise UsageError(f"{path}, line 1: unknown column '{name}'{did_you_mean(name, known)}")
        if columns.count(name) > 1:
            raise UsageError(f"{path}, line 1: column '{name}' stands twice; remove one")


def _row(path: Path, line: int, cells: dict) -> Row:
    if None in cells or None in cells.values():
        raise UsageError(f"{path}, line {line}: {'more' if None in cells else 'fewer'} cells than columns")
    return Row(path, line, {name: text.strip() or None for name, text in cells.items()})
