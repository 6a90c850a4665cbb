"""Rows of a query as a file or on standard output, some at a time, so that a table of any length fits into memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.commands.export import latex
from stepaudit.commands.export.sources import Source
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.report.page.grids import MAX_ROWS
from stepaudit.store import writing
from stepaudit.store.database import batches
from stepaudit.store.formats import csv_lines, json_records, unique

SUFFIXES = {"csv": ".csv", "json": ".json", "latex": ".tex", "parquet": ".parquet"}
AT_ONCE = 10_000  # rows


def format_of(format: str | None, out: Path | None) -> str:
    """The format asked for, or that a file's ending names; CSV if neither says. Raises UsageError for others."""
    if format is None:
        found = {suffix: name for name, suffix in SUFFIXES.items()}
        if out is None:
            return "csv"
        if out.suffix not in found:
            raise UsageError(f"{out}: no format by its ending; end it with {', '.join(found)}, or give --format")
        return found[out.suffix]
    if format not in SUFFIXES:
        raise UsageError(f"no format '{format}'{did_you_mean(format, list(SUFFIXES))}")
    return format


def write(connection: duckdb.DuckDBPyConnection, source: Source, format: str, out: Path, *, force: bool = False) -> int:
    """Writes the rows of a source as a file, under a temporary name first. Returns how many there are.

    Args:
        format: `csv`, `json`, `latex` or `parquet`.
        force: replaces a file that is there.

    Raises:
        UsageError: the file is there, its folder is not, LaTeX cannot hold the rows, or DuckDB refuses the query.
        StorageError: the disk is full or cannot be written.
    """
    if out.is_dir():
        raise UsageError(f"{out}: a folder; name a file, or use `stepaudit export all`")
    if out.exists() and not force:
        raise UsageError(f"{out}: there already; name another file, or replace it with --force")
    if not out.parent.is_dir():
        raise UsageError(f"{out}: there is no folder '{out.parent}'; make it first")
    with writing.written(out) as temporary:
        if format == "parquet":
            return _write_parquet(connection, source, temporary)
        count = [0]
        with temporary.open("x", encoding="utf-8", newline="") as file:
            for text in texts(connection, source, format, count):
                file.write(text)
        return count[0]


def texts(
    connection: duckdb.DuckDBPyConnection, source: Source, format: str, count: list[int] | None = None
) -> Iterator[str]:
    """The rows of a source as text, piece by piece.

    Args:
        format: `csv`, `json` or `latex`.
        count: holds a number that grows by the rows told.

    Raises:
        UsageError: the format is none of text, there are too many rows for LaTeX, or DuckDB refuses the query.
    """
    if format not in TEXTS:
        raise UsageError(f"--format {format} is no text; give a file with --out")
    found = batches(connection, source.sql, AT_ONCE)
    return TEXTS[format](source, _counted(found, count if count is not None else [0]))


def _counted(found: Iterator[tuple[list[str], list]], count: list[int]) -> Iterator[tuple[list[str], list]]:
    for names, rows in found:
        count[0] += len(rows)
        yield names, rows


def _csv(source: Source, found: Iterator[tuple[list[str], list]]) -> Iterator[str]:
    for index, (names, rows) in enumerate(found):
        yield csv_lines([names, *rows] if index == 0 else rows)


def _json(source: Source, found: Iterator[tuple[list[str], list]]) -> Iterator[str]:
    before = "["
    for names, rows in found:
        for line in json_records(unique(names), rows):
            yield f"{before}{line}"
            before = ",\n "
    yield "[]\n" if before == "[" else "]\n"


def _latex(source: Source, found: Iterator[tuple[list[str], list]]) -> Iterator[str]:
    names, rows = next(found)
    for _, more in found:
        rows = [*rows, *more]
        if len(rows) > MAX_ROWS:
            break
    yield latex.table(names, rows, caption=source.title, label=source.name and f"tab:{source.name}")


TEXTS: dict[str, Callable[[Source, Iterator[tuple[list[str], list]]], Iterator[str]]] = {
    "csv": _csv,
    "json": _json,
    "latex": _latex,
}


def _write_parquet(connection: duckdb.DuckDBPyConnection, source: Source, path: Path) -> int:
    """Writes the rows with their types; names that stand twice get a number."""
    try:
        relation = connection.sql(source.sql)
        if relation is None:
            raise UsageError('no statement; write one such as "from coverage"')
        reader = pa.RecordBatchReader.from_stream(relation)
        names = unique(reader.schema.names)
        schema = pa.schema([field.with_name(name) for field, name in zip(reader.schema, names, strict=True)])
        count = 0
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(pa.record_batch(batch.columns, schema=schema))
                count += batch.num_rows
    except (duckdb.Error, pa.ArrowException, RuntimeError) as error:
        raise UsageError(str(error).strip()) from error
    return count
