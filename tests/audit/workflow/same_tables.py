"""Whether two audits found the same."""

from pathlib import Path

import pyarrow.parquet as pq

from stepaudit.networks import checkpoint

TIMED = {"seconds", "peak_memory_mb", "inputs", "outputs"}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def same_tables(found: Path, expected: Path) -> None:
    """Fails unless both folders hold the same files with the same rows, bit by bit, but for what a clock measured."""
    names = [path.relative_to(expected) for path in files(expected)]
    assert [path.relative_to(found) for path in files(found)] == names
    for name in names:
        one, other = found / name, expected / name
        if name.suffix == ".parquet":
            tables = [pq.read_table(path, partitioning=None) for path in (one, other)]
            tables = [table.drop_columns(list(TIMED & set(table.column_names))) for table in tables]
            assert tables[0].equals(tables[1], check_metadata=True), name
        elif name.suffix == ".safetensors":
            (about, weights), (other_about, other_weights) = checkpoint.read(one), checkpoint.read(other)
            assert about == other_about
            assert all(weights[key].equal(value) for key, value in other_weights.items())
        elif name.suffix in (".csv", ".yaml"):
            assert one.read_bytes() == other.read_bytes(), name
