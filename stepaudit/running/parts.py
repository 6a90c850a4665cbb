"""Finished batches of a shard, so that a restart resumes where it stopped."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from stepaudit.errors import UsageError
from stepaudit.running import interruption
from stepaudit.running.ledger import Ledger
from stepaudit.store import tables
from stepaudit.store.schema import TABLES

log = logging.getLogger(__name__)


class Parts:
    """Finished batches of a shard, kept beside its output until that is written.

    Args:
        fingerprint: of all that decides the rows; batches with another one are removed.
        sizes: rows of the batches, for the message of a job that is stopped.

    Raises:
        UsageError: another process is making the same shard.
        StorageError: the disk is full, or cannot be written.
    """

    def __init__(self, table: str, output: Path, fingerprint: str, sizes: Sequence[int] = ()):
        self.table, self.output, self.sizes = table, output, sizes
        self._ledger = Ledger(output, fingerprint)
        self._batches = {batch for batch in range(len(sizes)) if batch in self}
        self._report()

    @property
    def folder(self) -> Path:
        """Folder of the batches until the output is written."""
        return self._ledger.folder

    def __contains__(self, batch: int) -> bool:
        name = _part_name(batch)
        return name in self._ledger and self._has_schema(name)

    def add(self, batch: int, rows: Iterable[dict]) -> None:
        """Keeps the finished rows of a batch; then the job may end, if it was asked to."""
        self._ledger.put(_part_name(batch), lambda path: tables.write(rows, self.table, path))
        self._batches.add(batch)
        self._report()
        interruption.pause()

    def finish(self, count: int) -> None:
        """Writes the output from all `count` batches, in order, and removes the parts."""
        schema = TABLES[self.table].schema
        data = [tables.read_arrow(self.table, self._ledger.path(_part_name(batch))) for batch in range(count)]
        tables.write_arrow(pa.concat_tables(data) if data else schema.empty_table(), self.output)
        self._ledger.remove()

    def _has_schema(self, name: str) -> bool:
        """True if a part has this table's schema; another, as after an update, is removed."""
        try:
            tables.check_schema(self.table, self._ledger.path(name))
        except UsageError as error:
            log.warning("%s; it is made again", error)
            self._ledger.drop(name)
            return False
        return True

    def _report(self) -> None:
        known = range(len(self.sizes))
        interruption.keeps(sum(self.sizes[batch] for batch in self._batches if batch in known), sum(self.sizes))


def _part_name(batch: int) -> str:
    return f"{batch:06d}.parquet"
