"""`stepaudit export all`: a file for each table, report and question of an audit, and an index of them."""

from pathlib import Path

import duckdb

from stepaudit.commands.export import row_files, sources
from stepaudit.commands.export.output_folder import OutputFolder, output_folder, unique_slug
from stepaudit.errors import UsageError
from stepaudit.store import database, writing
from stepaudit.store.formats import csv_lines

INDEX = "index.csv"
KINDS = ("table", "report", "question")
READ_AS_TEXT = ("report", "question")  # what LaTeX is for
COLUMNS = ("file", "name", "kind", "rows", "about", "left_out")


def export(folder: Path, format: str, out: Path, *, views: bool = False, force: bool = False) -> str:
    """Exports the sources of an audit, see `write`. Returns the sentence to print."""
    with database.connect(folder, small=True) as connection:
        lines = write(connection, format, out, views=views, force=force)
    written = sum(line[0] is not None for line in lines)
    rest = f", {len(lines) - written} left out (index.csv says why)" if written < len(lines) else ""
    return f"{written} files in {out}{rest}"


def write(
    connection: duckdb.DuckDBPyConnection, format: str, out: Path, *, views: bool = False, force: bool = False
) -> list[tuple]:
    """Writes every table, report and question into a folder, and `index.csv`. Returns the rows of the index.

    Args:
        format: `csv`, `json`, `latex` or `parquet`; in LaTeX only reports and questions, if they have few rows.
        views: includes the views, most of which repeat rows of tables.
        force: replaces existing files.

    Raises:
        UsageError: the folder is not empty.
        StorageError: the disk is full or cannot be written.
    """
    kinds = READ_AS_TEXT if format == "latex" else (*KINDS, "view") if views else KINDS
    chosen = [each for each in sources.all_sources(connection).values() if each.kind in kinds]
    chosen.sort(key=lambda each: ([*sources.FOLDERS].index(each.kind), each.name))
    with output_folder(out, force=force) as folder:
        lines = [_write_source(connection, source, format, folder) for source in chosen]
        with folder.written(INDEX) as path:
            writing.write_text(path, csv_lines([COLUMNS, *lines]))
    return lines


def _write_source(
    connection: duckdb.DuckDBPyConnection, source: sources.Source, format: str, folder: OutputFolder
) -> tuple:
    """Writes one source. Returns its row of the index, with the reason if it is left out."""
    name = f"{sources.FOLDERS[source.kind]}/{unique_slug(source.name)}{row_files.SUFFIXES[format]}"
    try:
        with folder.written(name) as path:
            count = row_files.write_file(connection, source, format, path)
    except UsageError as error:
        return None, source.name, source.kind, None, source.title, str(error)
    return name, source.name, source.kind, count, source.title, None
