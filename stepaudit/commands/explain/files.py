"""The files of `explain`; files of others are never replaced unasked."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from stepaudit.clips import encoding
from stepaudit.commands.explain.clip_report import ClipReport
from stepaudit.commands.explain.need_report import NeedReport
from stepaudit.errors import StorageError, UsageError
from stepaudit.report.pictures import movie, overlay
from stepaudit.store import checksums, tables, writing
from stepaudit.store.schema import TABLES

SUMMARY = "summary.json"
FILM = "overlay.mp4"
TABLE_FILES = {table: f"{table}.parquet" for table in ("maps", "preservation", "predictions")}
FILES = (FILM, "overlay.webp", "strip.png", *TABLE_FILES.values(), "rows.json", SUMMARY)

Report = ClipReport | NeedReport


@contextmanager
def report_writer(path: Path, *, overwrite: bool = False) -> Iterator[Callable[[Report], list[str]]]:
    """Context manager that yields a function which writes a report's files into `path` and returns their names.

    Only files of an earlier `explain` are replaced. A folder that stays empty is removed.

    Raises:
        UsageError: a file of one of these names was not written by `explain`, or was changed since.
        StorageError: nothing can be written there.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: a file, no folder; name another --out")
    if not overwrite and (foreign := [name for name in FILES if (path / name).exists() and not _is_own(path, name)]):
        raise UsageError(
            f"{path}: `stepaudit explain` did not write {', '.join(foreign)}, or it was changed since; "
            "name another --out, or replace it with --overwrite"
        )
    made = not path.exists()
    try:
        writing.make_folder(path)
        unfinished = tempfile.TemporaryDirectory(dir=path, prefix=".explain-")  # so that a reader finds no half a file
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror}); name another --out") from error

    def write(report: Report) -> list[str]:
        _write(report, Path(unfinished.name))
        written = [name for name in FILES if Path(unfinished.name, name).exists()]
        for name in written:
            writing.move(Path(unfinished.name, name), path / name)
        for name in set(FILES) - set(written):
            writing.remove(path / name)  # of an earlier clip
        return written

    try:
        with unfinished:
            yield write
    finally:
        if made:
            writing.remove_empty(path)


def _is_own(folder: Path, name: str) -> bool:
    """True if the summary in the folder lists this very file; the summary is recognised by its form."""
    try:
        written = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["files"]
        return name == SUMMARY or written.get(name) == checksums.sha256(folder / name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def missing_film() -> Iterator[str]:
    """A note if no film can be written; the animation and all other files can be."""
    try:
        encoding.encoder()
    except UsageError as error:
        yield f"note: without {FILM}: {error}"


def _write(report: Report, folder: Path) -> None:
    """Write all files of a report; last the summary, which lists the others with their SHA-256."""
    rows = report.tables()
    frames = overlay.movie(report.shown())
    movie.save(frames, folder / "overlay.webp")
    if not [*missing_film()]:
        movie.save(frames, folder / FILM)
    with writing.written(folder / "strip.png") as temporary:
        report.strip().save(temporary, "PNG")
    for table, of_table in rows.items():
        tables.write_arrow(pa.Table.from_pylist(of_table, schema=schema(table)), folder / TABLE_FILES[table])
    writing.write_text(folder / "rows.json", json.dumps(rows, default=_json_value))
    listed = {name: checksums.sha256(folder / name) for name in FILES if (folder / name).exists()}
    summary = {**report.summary(), "files": listed}
    writing.write_text(folder / SUMMARY, json.dumps(summary, indent=1, default=_json_value, ensure_ascii=False) + "\n")


def schema(table: str) -> pa.Schema:
    """Arrow schema of a table in one file, with the columns that an audit keeps in its paths."""
    return pa.schema([(column.name, column.type) for column in TABLES[table].columns])


def _json_value(value: object) -> object:
    """JSON encoder for NumPy arrays and scalars."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
