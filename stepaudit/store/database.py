"""`audit.duckdb`, read only: connections, statements, rows."""

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from stepaudit.errors import UsageError
from stepaudit.store import read_only
from stepaudit.store.read_only import MAX_ROWS, little_memory, require_no_links

FILE = "audit.duckdb"
NO_STATEMENT = 'no statement; write one such as "from coverage"'


def query(folder: Path, sql: str) -> tuple[list[str], list[tuple]]:
    """Column names and rows of a statement over an audit's database, see `connect`.

    Raises:
        UsageError: there is no database yet, it cannot be opened, or DuckDB refuses the statement.
    """
    with little_memory(), connect(folder, small=True) as connection:
        return fetch(connection, sql, most=MAX_ROWS)


def require_readable_name(folder: Path) -> None:
    """Raise UsageError for a folder whose database DuckDB would look for in another place."""
    if "?" in str(folder.resolve()):
        raise UsageError(f"{folder.resolve()}: DuckDB does not open files in a folder with `?` in its name; rename it")


def exact_names(paths: Iterable[Path]) -> list[str]:
    """Names for `read_parquet`, which takes `*`, `?` and `[…]` in a name for those of other files, too."""
    return [re.sub(r"[*?[]", r"[\g<0>]", str(path)) for path in paths]


def connect(folder: Path, *, spills: bool = False, small: bool = False) -> duckdb.DuckDBPyConnection:
    """Read-only connection to an audit's database, without access to other files, see `stepaudit.store.read_only`.

    Raises:
        UsageError: there is no database yet, it is a link, or it cannot be opened.
    """
    path = folder / FILE
    require_readable_name(folder)
    require_no_links(path)
    if not path.exists():
        raise UsageError(f"{path}: not there; run `stepaudit report {folder}` first")
    try:
        return read_only.connect(path, spills=spills, small=small)
    except duckdb.Error as error:
        step = f"run `stepaudit report {folder}` again"
        if "lock" in str(error):
            step = "close the program that has it open, or let that one open it read-only"
        raise UsageError(f"{path}: cannot be opened ({error}); {step}") from error


def fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict | None = None, *, most: int | None = None
) -> tuple[list[str], list[tuple]]:
    """Column names and rows of a statement.

    Args:
        values: of the `$name` in the statement.
        most: so many rows are an error; None: no limit.

    Raises:
        UsageError: with DuckDB's message, or for too many rows.
    """
    with explained():
        names, parts = _execute_in_batches(connection, sql, values, MAX_ROWS if most is None else most)
        rows = next(parts)
        if most is None:
            rows += [row for part in parts for row in part]
    if most is not None and len(rows) == most:
        raise UsageError(f"{most:,} rows or more; add a `limit`, or read the Parquet files")
    return names, rows


def batches(connection: duckdb.DuckDBPyConnection, sql: str, size: int = 10_000) -> Iterator[tuple[list[str], list]]:
    """Column names and rows of a statement, `size` rows at a time; at least one batch, maybe empty.

    Raises:
        UsageError: with DuckDB's message.
    """
    with explained():
        names, parts = _execute_in_batches(connection, sql, None, size)
        yield names, next(parts)
        for rows in parts:
            yield names, rows


def _execute_in_batches(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict | None, size: int
) -> tuple[list[str], Iterator[list[tuple]]]:
    """Column names, and rows in batches of at most `size`; there is always at least one batch, possibly empty."""
    result = connection.execute(sql, values)
    if result is None or result.description is None:
        raise UsageError(NO_STATEMENT)
    described = list(result.description)
    has_zone = any("WITH TIME ZONE" in str(column[1]) for column in described)
    return [column[0] for column in described], (_batches_in_utc if has_zone else _fetch_batches)(result, size)


def _fetch_batches(result: duckdb.DuckDBPyConnection, size: int) -> Iterator[list[tuple]]:
    yield result.fetchmany(size)
    while rows := result.fetchmany(size):
        yield rows


def _batches_in_utc(result: duckdb.DuckDBPyConnection, size: int) -> Iterator[list[tuple]]:
    """Rows with times in UTC, by Arrow: DuckDB's own way needs the package pytz."""
    empty = True
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of a copy that is made
        reader: pa.RecordBatchReader = result.to_arrow_reader(size)
    for batch in reader:
        columns = [column.cast(_in_utc(column.type)).to_pylist() for column in batch.columns]
        yield list(zip(*columns, strict=True))
        empty = False
    if empty:
        yield []


def _in_utc(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz else kind


@contextmanager
def explained() -> Iterator[None]:
    """Raise UsageError for errors of DuckDB, also where Arrow reads its rows."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, RuntimeError) as error:
        raise UsageError(f"DuckDB refuses the query: {str(error).strip()}") from error


def records(connection: duckdb.DuckDBPyConnection, sql: str, values: dict | None = None) -> list[dict]:
    """Rows of a statement as dicts, see `fetch`. Raises UsageError with DuckDB's message."""
    names, rows = fetch(connection, sql, values)
    return [dict(zip(names, row, strict=True)) for row in rows]
