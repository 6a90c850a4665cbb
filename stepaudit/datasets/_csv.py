"""CSV files that a user wrote: every complaint names the file, the line and the column."""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TextIO

from stepaudit.errors import UsageError, did_you_mean

LIMIT = 2**31  # of frames and pixels: a column of the tables holds no more
MOST_COLUMNS = 200  # EPIC-KITCHENS' widest file has 14
SHOWN = 80  # characters of a cell in a message
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
        """A cell that holds a whole number. Raises UsageError if it holds anything else, or one beyond any video."""
        text = self.text(column, needed=needed)
        try:
            number = None if text is None else int(text)
        except ValueError:
            raise self.complaint(column, f"'{text[:SHOWN]}' is no whole number") from None
        return self._limited(column, number)

    def number(self, column: str, *, needed: bool = False) -> float | None:
        """A cell that holds a number. Raises UsageError if it holds anything else, or one beyond any video."""
        text = self.text(column, needed=needed)
        try:
            number = None if text is None else float(text)
        except ValueError:
            number = float("nan")
        if number is not None and not isfinite(number):
            raise self.complaint(column, f"'{text[:SHOWN]}' is no finite number")
        return self._limited(column, number)

    def one_of(self, column: str, known: Collection[str]) -> str:
        """A cell that holds one of these texts. Raises UsageError if it holds another, or nothing."""
        text = self.text(column, needed=True)
        if text not in known:
            hint = did_you_mean(text[:SHOWN], list(known)) if len(known) <= MANY else ", which is not there"
            raise self.complaint(column, f"'{text[:SHOWN]}'{hint}")
        return text

    def _limited(self, column: str, number: float | None) -> float | None:
        if number is not None and abs(number) >= LIMIT:
            raise self.complaint(column, f"{str(number)[:SHOWN]} is larger than any video")
        return number

    def complaint(self, column: str, text: str) -> UsageError:
        """An error that names this line and the column."""
        return UsageError(f"{self.path}, line {self.line}, column '{column}': {text}")


def read_rows(path: Path, required: Collection[str], optional: Collection[str]) -> list[Row]:
    """The lines of a UTF-8 file whose first line names its columns.

    Raises:
        UsageError: the file cannot be read, lacks a required column, has an unknown one, or a line of another length.
    """
    try:
        with open_file(path) as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, list(reader.fieldnames or []), required, optional)
            return [_row(path, reader.line_num, line) for line in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no UTF-8 CSV file ({error}); save it as one") from error


def read_header(path: Path) -> list[str]:
    """The names in the first line of a file. Raises UsageError if it cannot be read."""
    try:
        with open_file(path) as file:
            return next(csv.reader(file, strict=True), [])
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no UTF-8 CSV file ({error}); save it as one") from error


def open_file(path: Path) -> TextIO:
    """A CSV file to read. Raises UsageError if it is none, such as a device, which never ends."""
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: no file; a CSV file's path is relative to `root`")
        return path.open(encoding="utf-8-sig", newline="")
    except (OSError, ValueError) as error:  # a ValueError: there is no such name, as one with NUL in it
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path}: cannot be read ({reason}); a CSV file's path is relative to `root`") from error


def _check_columns(path: Path, columns: list[str], required: Collection[str], optional: Collection[str]) -> None:
    known = [*required, *optional]
    if len(columns) > MOST_COLUMNS:
        raise UsageError(
            f"{path}, line 1: {len(columns)} columns; the first line names columns of {', '.join(required)}"
        )
    for name in required:
        if name not in columns:
            listed = ", ".join(other[:SHOWN] for other in known[:MANY])
            raise UsageError(f"{path}, line 1: no column '{name}'; the first line names columns of {listed}")
    for name in columns:
        if name not in known:
            raise UsageError(f"{path}, line 1: unknown column '{name[:SHOWN]}'{did_you_mean(name[:SHOWN], known)}")
        if columns.count(name) > 1:
            raise UsageError(f"{path}, line 1: column '{name}' stands twice; remove one")


def _row(path: Path, line: int, cells: dict) -> Row:
    if None in cells or None in cells.values():
        raise UsageError(f"{path}, line {line}: {'more' if None in cells else 'fewer'} cells than columns")
    return Row(path, line, {name: text.strip() or None for name, text in cells.items()})
