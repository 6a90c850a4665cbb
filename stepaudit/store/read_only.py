"""Read-only database for statements, and views inside it, that may come from anywhere.

DuckDB's own read-only mode is not enough: `copy … to` may write to the file of the database itself, to its log, and
into its folder of temporary files, wherever that leads, from inside a plain `select`, too. So all files are closed to
it once the database is open.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psutil

from stepaudit.errors import UsageError

Settings = dict[str, str | bool | int | float | list[str]]
READ_ONLY: Settings = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
SMALL: Settings = {"memory_limit": "4GB", "threads": "4"}  # of a query that somebody types, maybe on a login node
HEADROOM = 6 * 2**30  # bytes above what the process has: a list or a text can evade DuckDB's own limit
MAX_ROWS = 1_000_000  # of an answer that is held in Python


def connect(path: Path, *, spills: bool = False, small: bool = False) -> duckdb.DuckDBPyConnection:
    """Connection to a database file that can write nothing and read no other file.

    Args:
        spills: what does not fit into memory goes to `<file>.tmp` beside it; for databases that this process has made.
        small: little memory, few threads.

    Raises:
        duckdb.Error: it is no database.
    """
    settings: Settings = {**READ_ONLY, **(SMALL if small else {}), **({} if spills else {"temp_directory": ""})}
    connection = duckdb.connect(str(path), read_only=True, config=settings)
    try:
        if not spills:
            connection.execute("set disabled_filesystems = 'LocalFileSystem'")
        connection.execute("set lock_configuration = true")
    except duckdb.Error:
        connection.close()
        raise
    return connection


def require_no_links(path: Path) -> None:
    """Raise UsageError if a database, or a file of DuckDB beside it, is a link, which may lead anywhere, or a pipe."""
    for file in (path, path.with_name(f"{path.name}.wal"), path.with_name(f"{path.name}.tmp")):
        if file.is_symlink():
            raise UsageError(f"{file}: a link; put the file itself there")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: no plain file; remove it, and run `stepaudit report {path.parent}`")


@contextmanager
def little_memory() -> Iterator[None]:
    """Limit the further memory of the process to `HEADROOM`. Raises UsageError if more is needed."""
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + HEADROOM
    if before != resource.RLIM_INFINITY and before < limit:
        limit = before
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    try:
        yield
    except MemoryError as error:
        raise UsageError(f"the query needs more than {HEADROOM // 2**30} GB of memory; ask for less at once") from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))
