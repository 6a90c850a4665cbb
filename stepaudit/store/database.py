"""`audit.duckdb`, read only: connections, statements, rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from stepaudit.errors import UsageError
from stepaudit.store import read_only
from stepaudit.store.read_only import MOST_ROWS, little_memory, require_no_links

FILE = "audit.duckdb"
NO_STATEMENT = 'no statement; write one such as "from coverage"'


def query(folder: Path, sql: str) -> tuple[list[str], list[tuple]]:
    """Column names and rows of a statement over an audit's database, see `connect`.

    Raises:
        UsageError: there is no database yet, it cannot be opened, or DuckDB refuses the statement.
    """
    with little_memory(), connect(folder, small=True) as connection:
        return fetch(connection, sql, most=MOST_ROWS)


def connect(folder: Path, *, spills: bool = False, small: bool = False) -> duckdb.DuckDBPyConnection:
    """Read-only connection to an audit's database, without access to other files, see `stepaudit.store.read_only`.

    Raises:
        UsageError: there is no database yet, it is a link, or it cannot be opened.
    """
    path = folder / FILE
    require_no_links(path)
    if not path.exists():
        raise UsageError(f"{path}: not there; run `stepaudit report {folder}` first")
    try:
        return read_only.connect(path, spills=spills, small=small)
    except duckdb.Error as error:
        raise UsageError(f"{path}: cannot be opened ({error}); run `stepaudit report {folder}` again") from error


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
        result, names = _executed(connection, sql, values)
        rows = result.fetchall() if most is None else result.fetchmany(most)
    if most is not None and len(rows) == most:
        raise UsageError(f"{most:,} rows or more; add a `limit`, or read the Parquet files")
    return names, rows


def batches(connection: duckdb.DuckDBPyConnection, sql: str, size: int = 10_000) -> Iterator[tuple[list[str], list]]:
    """Column names and rows of a statement, `size` rows at a time; at least one batch, maybe empty.

    Raises:
        UsageError: with DuckDB's message.
    """
    with explained():
        result, names = _executed(connection, sql)
        rows = result.fetchmany(size)
        yield names, rows
        while rows := result.fetchmany(size):
            yield names, rows


def _executed(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict | None = None
) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    result = connection.execute(sql, values)
    if result is None or result.description is None:
        raise UsageError(NO_STATEMENT)
    return result, [column[0] for column in result.description]


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
