"""Reading and writing of an audit's tables, see `stepaudit.store.schema`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.errors import UsageError
from stepaudit.store import checksums, writing
from stepaudit.store.schema import SCHEMA_KEY, SCHEMA_VERSION, TABLES

ROWS_KEY, JOB_KEY = b"stepaudit_rows", b"stepaudit_job"


def write(rows: Iterable[dict], table: str, path: Path, *, with_checksum: bool = False) -> None:
    """Write rows as one Parquet file, atomically.

    Args:
        rows: one dict a row. Partition columns are ignored, missing columns become NULL.
        with_checksum: embed the file's own checksum in its metadata.

    Raises:
        KeyError: a row has a column that the table lacks.
    """
    schema, partitions = TABLES[table].schema, set(TABLES[table].partitions)
    known = set(schema.names) | partitions
    rows = [dict(row) for row in rows]
    for row in rows:
        if unknown := set(row) - known:
            raise KeyError(f"table '{table}' has no column {sorted(unknown)}")
    write_arrow(pa.Table.from_pylist(rows, schema=schema), path, with_checksum=with_checksum)


def write_arrow(data: pa.Table, path: Path, *, with_checksum: bool = False) -> None:
    """Write an Arrow table as one Parquet file, atomically. Its metadata hold the number of rows and the job.

    Args:
        data: without partition columns.
        with_checksum: embed the file's own checksum in its metadata.
    """
    about: dict[bytes, str | bytes] = {SCHEMA_KEY: str(SCHEMA_VERSION), ROWS_KEY: str(data.num_rows)}
    if with_checksum:
        about[checksums.KEY] = checksums.PREFIX + checksums.BLANK
    if _working:
        about[JOB_KEY] = as_json(_working[-1].about)
    with writing.written(path) as temporary:
        pq.write_table(
            data.replace_schema_metadata(about),
            temporary,
            compression="zstd",
            row_group_size=1024,
            write_page_checksum=True,
        )
        if with_checksum:
            checksums.embed(temporary)


@dataclass(frozen=True)
class _Work:
    about: Mapping[str, object]
    files_read: set[Path]


_working: list[_Work] = []  # the process's job, for all of its threads


@contextmanager
def made_by(about: Mapping[str, object]) -> Iterator[set[Path]]:
    """Put `about` (JSON) into the metadata of all files that are written. Yields the set of files that are read."""
    _working.append(_Work(about, set()))
    try:
        yield _working[-1].files_read
    finally:
        _working.pop()


def read(table: str, *paths: Path, columns: Sequence[str] | None = None) -> list[dict]:
    """Rows of files, or of all files below folders, with the columns in their paths.

    Raises:
        UsageError: a file is missing, damaged, or of another schema version.
    """
    rows = []
    for path in paths:
        for file in _files(path):
            rows += _read_file(table, file, columns)
    return rows


def read_arrow(table: str, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One file without the columns in its path; every page is compared with its checksum. Raises like `read`."""
    with opened(table, path) as file, explained_damage(path):
        return file.read(columns=columns)


def check_schema(table: str, path: Path) -> None:
    """Raise UsageError unless the file is Parquet of this version of the table."""
    with opened(table, path):
        pass


@contextmanager
def opened(table: str, path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file of a table; pages are compared with their checksums when they are read. Raises like `read`."""
    with explained_damage(path):
        file = pq.ParquetFile(path, page_checksum_verification=True)
    with file:
        with explained_damage(path):
            _require_schema(table, path, file.schema_arrow)
            _require_rows(file)
        if _working:
            _working[-1].files_read.add(path)
        yield file


def metadata(path: Path) -> dict[str, object]:
    """Metadata of a file: `schema`, `rows`, and, if a job wrote it, `stage`, `keys`, `settings`, `version`."""
    with explained_damage(path), pq.ParquetFile(path) as file:
        about = file.schema_arrow.metadata or {}
        job = json.loads(about.get(JOB_KEY, b"{}"))
        return {**job, "schema": about.get(SCHEMA_KEY, b"none").decode(), "rows": file.metadata.num_rows}


@contextmanager
def explained_damage(path: Path) -> Iterator[None]:
    """Raise UsageError, with the file and the next step, for any error of a reader."""
    try:
        yield
    except UsageError:
        raise
    except (FileNotFoundError, PermissionError) as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror or error}); see that it is there and yours"
        ) from error
    except Exception as error:  # Arrow raises anything on a damaged file, MemoryError for a length that lies too
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"{path}: damaged, not a readable Parquet file ({reason}); `stepaudit check {audit_of(path)} --delete` "
            "removes it and says how to make it again"
        ) from error


def audit_of(path: Path) -> Path:
    """Folder of the audit that a table's file belongs to."""
    folder = path.parent
    while "=" in folder.name:
        folder = folder.parent
    return folder.parent


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return parquet_files(path)
    if not path.exists():
        raise UsageError(f"{path}: not there; run the stage that writes it first")
    return [path]


def parquet_files(folder: Path) -> list[Path]:
    """Finished Parquet files below a folder, by number, without hidden ones (a job's temporary files)."""
    files = sorted(folder.rglob("*.parquet"), key=lambda path: (path.parent, len(path.name), path.name))
    return [file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def _read_file(table: str, path: Path, columns: Sequence[str] | None) -> list[dict]:
    in_path, partitions = path_columns(path), TABLES[table].partitions
    inside = None if columns is None else [name for name in columns if name not in partitions]
    data = read_arrow(table, path, inside)
    with explained_damage(path):
        rows = data.to_pylist()
    named = {key: in_path.get(key) for key in partitions if columns is None or key in columns}
    return [{**row, **named} for row in rows]


def _require_schema(table: str, path: Path, schema: pa.Schema) -> None:
    version = (schema.metadata or {}).get(SCHEMA_KEY, b"none").decode()
    if version == str(SCHEMA_VERSION) and schema.equals(_drop_later_columns(table, schema)):
        return
    step = (
        "a newer stepaudit wrote it, read it with that one"
        if version.isdecimal() and int(version) > SCHEMA_VERSION
        else f"`stepaudit check {audit_of(path)}` says what to run again, or read it with the stepaudit that wrote it"
    )
    expected = f"this stepaudit reads schema {SCHEMA_VERSION} of '{table}'"
    raise UsageError(f"{path}: written with table schema {version}, {expected}: {step}")


def _drop_later_columns(table: str, schema: pa.Schema) -> pa.Schema:
    """Schema of a table without the later columns that a file lacks."""
    lacking = {column.name for column in TABLES[table].columns if column.later} - set(schema.names)
    return pa.schema([field for field in TABLES[table].schema if field.name not in lacking])


def _require_rows(file: pq.ParquetFile) -> None:
    expected = (file.schema_arrow.metadata or {}).get(ROWS_KEY, b"").decode()
    if expected != str(file.metadata.num_rows):
        raise ValueError(f"it has {file.metadata.num_rows} rows, its metadata say {expected or 'nothing'}")


def path_columns(path: Path) -> dict[str, str]:
    """Columns in a path: its `name=value` folders."""
    return dict(part.split("=", 1) for part in path.parts if "=" in part)


def as_json(value: object) -> str:
    """Canonical JSON: keys sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
