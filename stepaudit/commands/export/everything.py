"""A file for each table, report and question of an audit, with an index of them."""

from pathlib import Path

import duckdb

from stepaudit.commands.export import places, rows, sources
from stepaudit.errors import UsageError
from stepaudit.store.formats import csv_lines

INDEX = "index.csv"
KINDS = ("table", "report", "question")
READ_AS_TEXT = ("report", "question")  # what LaTeX is for
COLUMNS = ("file", "name", "kind", "rows", "about", "left_out")


def write(
    connection: duckdb.DuckDBPyConnection, format: str, out: Path, *, views: bool = False, force: bool = False
) -> list[tuple]:
    """Writes every table, report and question into a folder, and `index.csv`, whose rows are returned.

    Args:
        format: `csv`, `json`, `latex` or `parquet`; in LaTeX reports and questions alone, if they have few rows.
        views: the views, too, most of which repeat rows of tables.
        force: replaces files that are there.

    Raises:
        UsageError: the folder holds something, or there is no such format.
        StorageError: the disk is full or cannot be written.
    """
    format = rows.format_of(format, None)
    kinds = READ_AS_TEXT if format == "latex" else (*KINDS, "view") if views else KINDS
    chosen = [each for each in sources.all_sources(connection).values() if each.kind in kinds]
    order = [*sources.FOLDERS]
    with places.place(out, force=force) as place:
        lines = [
            _write(connection, source, format, place)
            for source in sorted(chosen, key=lambda each: (order.index(each.kind), each.name))
        ]
        with place.written(INDEX) as path:
            path.write_text(csv_lines([COLUMNS, *lines]))
    return lines


def _write(connection: duckdb.DuckDBPyConnection, source: sources.Source, format: str, place: places.Place) -> tuple:
    """Writes one source; its row of the index, with the reason where it is left out."""
    name = f"{sources.FOLDERS[source.kind]}/{places.unique_slug(source.name)}{rows.SUFFIXES[format]}"
    try:
        with place.written(name) as path:
            count = rows.write(connection, source, format, path)
    except UsageError as error:
        return None, source.name, source.kind, None, source.title, str(error)
    return name, source.name, source.kind, count, source.title, None
