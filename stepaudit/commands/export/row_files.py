"""Rows of a source as a file or as text, a batch at a time, so that a table of any length fits into memory."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.commands.export import latex, sources
from stepaudit.commands.export.sources import Source
from stepaudit.errors import UsageError
from stepaudit.report.page.grids import MAX_ROWS
from stepaudit.store import database, writing
from stepaudit.store.formats import csv_lines, json_records, unique

SUFFIXES = {"csv": ".csv", "json": ".json", "latex": ".tex", "parquet": ".parquet"}
AT_ONCE = 10_000  # rows
Batches = Iterator[tuple[list[str], list[Any]]]  # column names and rows


def export(
    folder: Path,
    format: str | None,
    out: Path | None,
    *,
    name: str | None = None,
    query: str = "",
    force: bool = False,
    write: Callable[[str], None],
) -> str:
    """Exports a named source of an audit, or the answer to a query.

    Args:
        out: the file; None passes the rows as text to `write`.

    Returns:
        The line to print about the file; empty without one.
    """
    with database.connect(folder, small=True) as connection:
        source = sources.find(connection, name) if name is not None else Source("", "query", "", query)
        format = format or format_of(out)
        if out is not None:
            return f"{write_file(connection, source, format, out, force=force):,} rows: {out}\n"
        for text in texts(connection, source, format):
            write(text)
        return ""


def format_of(out: Path | None) -> str:
    """The format of a file's ending; CSV without a file. Raises UsageError for an unknown ending."""
    by_ending = {suffix: name for name, suffix in SUFFIXES.items()}
    if out is not None and out.suffix not in by_ending:
        raise UsageError(f"{out}: no format by its ending; end it with {', '.join(by_ending)}, or give --format")
    return "csv" if out is None else by_ending[out.suffix]


def write_file(
    connection: duckdb.DuckDBPyConnection, source: Source, format: str, out: Path, *, force: bool = False
) -> int:
    """Writes the rows of a source as a file, under a temporary name first. Returns the number of rows.

    Args:
        format: `csv`, `json`, `latex` or `parquet`.
        force: replaces an existing file.

    Raises:
        UsageError: the file exists, its folder does not, LaTeX cannot hold the rows, or DuckDB refuses the query.
        StorageError: the disk is full or cannot be written.
    """
    if out.is_dir():
        raise UsageError(f"{out}: a folder; name a file, or use `stepaudit export all`")
    if out.exists() and not force:
        raise UsageError(f"{out}: there already; name another file, or replace it with --force")
    if not out.parent.is_dir():
        raise UsageError(f"{out}: there is no folder '{out.parent}'; make it first")
    if format == "parquet":
        with writing.written(out) as temporary:
            return _write_parquet(connection, source, temporary)
    count = 0

    def counted() -> Batches:
        nonlocal count
        for names, rows in database.batches(connection, source.sql, AT_ONCE):
            count += len(rows)
            yield names, rows

    with writing.text_file(out) as file:
        file.writelines(TEXTS[format](source, counted()))
    return count


def texts(connection: duckdb.DuckDBPyConnection, source: Source, format: str) -> Iterator[str]:
    """The rows of a source as text, piece by piece.

    Raises:
        UsageError: the format is none of text, there are too many rows for LaTeX, or DuckDB refuses the query.
    """
    if format not in TEXTS:
        raise UsageError(f"--format {format} is no text; give a file with --out")
    return TEXTS[format](source, database.batches(connection, source.sql, AT_ONCE))


def _csv(_source: Source, batches: Batches) -> Iterator[str]:
    for index, (names, rows) in enumerate(batches):
        yield csv_lines([names, *rows] if index == 0 else rows)


def _json(_source: Source, batches: Batches) -> Iterator[str]:
    before = "["
    for names, rows in batches:
        for line in json_records(unique(names), rows):
            yield f"{before}{line}"
            before = ",\n "
    yield "[]\n" if before == "[" else "]\n"


def _latex(source: Source, batches: Batches) -> Iterator[str]:
    names, rows = next(batches)
    for _, more in batches:
        rows = [*rows, *more]
        if len(rows) > MAX_ROWS:
            break
    yield latex.table(names, rows, caption=source.title, label=source.name and f"tab:{source.name}")


TEXTS: dict[str, Callable[[Source, Batches], Iterator[str]]] = {"csv": _csv, "json": _json, "latex": _latex}


def _write_parquet(connection: duckdb.DuckDBPyConnection, source: Source, path: Path) -> int:
    """Writes the rows with their types; repeated column names get a number."""
    count = 0
    with database.explained():
        relation = connection.sql(source.sql)
        if relation is None:
            raise UsageError(database.NO_STATEMENT)
        reader = pa.RecordBatchReader.from_stream(relation)
        names = unique(reader.schema.names)
        schema = pa.schema([field.with_name(name) for field, name in zip(reader.schema, names, strict=True)])
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch.rename_columns(names))
                count += batch.num_rows
    return count
