"""CSV files of users, with errors that name the file, the line and the column.

Cells are separated by commas, semicolons or tabs, as the header is. Text becomes composed Unicode (NFC).
"""

import csv
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from unicodedata import normalize

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store.plain_files import disguise

SEPARATORS = ",;\t"
LIMIT = 2**31  # of frames and pixels: a column of the tables holds no more
MAX_COLUMNS = 200  # EPIC-KITCHENS' widest file has 14
MAX_HEADER_LENGTH = 2**16  # characters
SHOWN = 80  # characters of a cell in a message
MANY = 20  # names; a message that lists more of them helps nobody


@dataclass(frozen=True)
class Row:
    """Line of a CSV file. `cells` has None for empty ones. All methods raise UsageError for an empty cell."""

    path: Path
    line: int
    cells: dict[str, str | None]
    decimal_comma: bool = False

    def text(self, column: str) -> str:
        """Text of a cell."""
        text = self.cells.get(column)
        if text is None:
            raise self.complaint(column, "it is empty")
        return text

    def integer(self, column: str) -> int:
        """Whole number in a cell, also as 4.0. Raises UsageError if it is none, or larger than any video."""
        number = self._parse_number(column)
        if not number.is_integer():
            raise self.complaint(
                column, f"'{self.text(column)[:SHOWN]}' is no whole number; frames are counted, seconds are not taken"
            )
        self._check_limit(column, number)
        return int(number)

    def number(self, column: str) -> float:
        """Number in a cell. Raises UsageError if it is none, or larger than any video."""
        number = self._parse_number(column)
        if not math.isfinite(number):
            raise self.complaint(column, f"'{self.text(column)[:SHOWN]}' is no finite number")
        self._check_limit(column, number)
        return number

    def one_of(self, column: str, known: Collection[str]) -> str:
        """Text of a cell. Raises UsageError if it is not one of those known."""
        text = self.text(column)
        if text not in known:
            hint = did_you_mean(text[:SHOWN], list(known)) if len(known) <= MANY else ", which is not there"
            raise self.complaint(column, f"'{text[:SHOWN]}'{hint}")
        return text

    def _parse_number(self, column: str) -> float:
        """Number in a cell; NaN if it is none."""
        text = self.text(column)
        try:
            return float(text.replace(",", ".") if self.decimal_comma else text)
        except ValueError:
            return math.nan

    def _check_limit(self, column: str, number: float) -> None:
        if abs(number) >= LIMIT:
            raise self.complaint(column, f"{self.text(column)[:SHOWN]} is larger than any video")

    def complaint(self, column: str, text: str) -> UsageError:
        """Error that names this line and the column."""
        return UsageError(f"{self.path}, line {self.line}, column '{column}': {text}")


def read_rows(path: Path, required: Collection[str], optional: Collection[str]) -> list[Row]:
    """Lines of a UTF-8 file with a header.

    Raises:
        UsageError: the file cannot be read, lacks a required column, has an unknown one, or a line of another length.
    """
    try:
        with open_file(path) as file:
            separator = _separator(file)
            reader = csv.DictReader(file, strict=True, delimiter=separator)
            reader.fieldnames = columns = [name.strip() for name in reader.fieldnames or []]
            _check_columns(path, columns, required, optional)
            return [_row(path, reader.line_num, line, separator == ";") for line in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no UTF-8 CSV file ({error}); save it as one") from error
    except UsageError as error:
        if reason := disguise(path):
            raise UsageError(f"{path}: {reason}") from error
        raise


def read_header(path: Path) -> list[str]:
    """Column names of a file. Raises UsageError if it cannot be read."""
    try:
        with open_file(path) as file:
            reader = csv.reader(file, strict=True, delimiter=_separator(file))
            return [name.strip() for name in next(reader, [])]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no UTF-8 CSV file ({error}); save it as one") from error


def open_file(path: Path) -> TextIO:
    """Open a CSV file. Raises UsageError if it is no file: a device, for example, never ends."""
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: no file; a CSV file's path is relative to `root`")
        return path.open(encoding="utf-8-sig", newline="")
    except (OSError, ValueError) as error:  # a ValueError: there is no such name, as one with NUL in it
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path}: cannot be read ({reason}); a CSV file's path is relative to `root`") from error


def _separator(file: TextIO) -> str:
    """The separator that is most frequent in the first line."""
    header = file.readline(MAX_HEADER_LENGTH)
    file.seek(0)
    return max(SEPARATORS, key=header.count)


def _check_columns(path: Path, columns: list[str], required: Collection[str], optional: Collection[str]) -> None:
    known = [*required, *optional]
    if len(columns) > MAX_COLUMNS:
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


def _row(path: Path, line: int, cells: dict, decimal_comma: bool) -> Row:
    if None in cells or None in cells.values():
        raise UsageError(f"{path}, line {line}: {'more' if None in cells else 'fewer'} cells than columns")
    composed = {name: normalize("NFC", text.strip()) or None for name, text in cells.items()}
    return Row(path, line, composed, decimal_comma)
