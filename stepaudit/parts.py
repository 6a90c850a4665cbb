"""Rows of a shard that is being made, kept batch by batch, so that a restart goes on where it stopped."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit import tables


class Parts:
    """Rows of a shard that is being made, kept batch by batch beside the output, so that a restart can go on.

    `fingerprint` describes everything that decides the rows; parts with another one are thrown away.
    """

    def __init__(self, table: str, output: Path, fingerprint: str):
        self.table, self.output = table, output
        self.folder = output.with_name(f".{output.name}.parts")
        mark = self.folder / "fingerprint"
        if not mark.exists() or mark.read_text() != fingerprint:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            mark.write_text(fingerprint)

    def __contains__(self, batch: int) -> bool:
        return self._path(batch).exists()

    def add(self, batch: int, rows: Iterable[dict]) -> None:
        """Keeps the finished rows of a batch."""
        tables.write(rows, self.table, self._path(batch))

    def finish(self, batches: int) -> None:
        """Writes the output from all batches, in order, and removes the parts."""
        schema = tables.TABLES[self.table].schema
        data = [pq.ParquetFile(self._path(batch)).read() for batch in range(batches)]
        tables.write_arrow(pa.concat_tables(data) if data else schema.empty_table(), self.output)
        shutil.rmtree(self.folder)

    def _path(self, batch: int) -> Path:
        return self.folder / f"{batch:06d}.parquet"
