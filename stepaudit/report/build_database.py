"""`audit.duckdb`: the tables of an audit in one file to hand on.

The tables are copied without their heavy columns (`Column.heavy`) and without what lies in the folder of an earlier
configuration; beside them lie the configuration (`audit`, `datasets`, `models`, `methods`, `metrics`), clips that look
alike (`likenesses`), the views of `reports/_*.sql`, what is computed from those (`estimates`, `comparisons`,
`reliability`), and each report as a view.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from stepaudit.audit.config import Config
from stepaudit.audit.jobs import in_groups, tables_of
from stepaudit.audit.registry import Component
from stepaudit.errors import UsageError
from stepaudit.report import near_duplicates, sql_files
from stepaudit.report.statistics import estimates, kinds, labels, means, needs, survival
from stepaudit.running import locks
from stepaudit.store import package_files, writing
from stepaudit.store.database import FILE, exact_names, require_readable_name
from stepaudit.store.schema import SCHEMA_VERSION, TABLES, TEXT, Table
from stepaudit.store.tables import as_json, check_schema, parquet_files, path_columns
from stepaudit.version import __version__

STORAGE = {
    "storage_version": "v1.4.0",  # the oldest DuckDB that stepaudit takes can read it
    "block_size": 16384,  # the least: a small audit has dozens of short tables
}
WORKING = {"memory_limit": "1GB"}  # what is larger is spilled to the disk
COMPONENT = [("name", TEXT), ("use", TEXT), ("options", TEXT), ("settings", TEXT)]
DECLARED = {"methods": ("ignores_model", "optimises_masks"), "metrics": ("is_share", "ignores_map")}
COMMENTS = {
    "audit": "One row: the audit's name, its configuration as JSON with the hash, and what wrote this file.",
    "datasets": "The configuration's data sets: name, what it uses, options as JSON, settings (options with defaults).",
    "models": "The configuration's models: name, use, options, settings, size of their clips, and what they give.",
    "methods": "The configuration's methods, also with what they say of themselves, ratios, seeds and searched bounds.",
    "metrics": "The configuration's metrics: name, what it uses, options and settings as JSON, what it says of itself.",
}


def create(folder: Path, config: Config, only: Collection[str] | None = None) -> Path:
    """Write the database of the audit in `folder`, under a temporary name first.

    Args:
        only: reports and views to make, with all that they are made from; None: all. The tables are always there.

    Raises:
        UsageError: a table was written with another schema, a view or a report is no valid SQL, or another process is
            making the same database.
    """
    require_readable_name(folder)
    lock = folder / f".{FILE}.lock"
    with writing.explained(lock):
        if not locks.take(lock):
            raise UsageError(f"{locks.holder(lock)} is making the report of {folder} at this moment; wait for it")
    try:
        return _create(folder, config, only)
    finally:
        locks.give_back(lock, remove=True)


def _create(folder: Path, config: Config, only: Collection[str] | None) -> Path:
    shared, reports = sql_files.shared(), sql_files.all_reports()
    needed = None if only is None else _needed(only, shared, reports)
    if needed is not None:
        shared = [each for each in shared if each.name in needed]
        reports = [each for each in reports if each.name in needed]
    with _new_database(folder) as connection:
        _fill_tables(connection, folder, config)
        if needed is None or near_duplicates.NAME in needed:
            _write_likenesses(connection, folder, config)
        _execute_shared(connection, [each for each in shared if not each.file.startswith(sql_files.RESULTS)])
        _write_estimates(connection, needed)
        _execute_shared(connection, [each for each in shared if each.file.startswith(sql_files.RESULTS)])
        _create_reports(connection, reports)
    return folder / FILE


@contextmanager
def _new_database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connection, in a transaction, to an empty database that replaces the audit's at the end of the block."""
    path = folder / FILE
    writing.remove(path.with_name(f".{FILE}.tmp.wal"))
    with (
        writing.written(path) as temporary,
        _spilling(folder) as spilled,
        duckdb.connect(config={**WORKING, "temp_directory": str(spilled)}) as connection,
    ):
        options = ", ".join(f"{name} {_literal(value)}" for name, value in STORAGE.items())
        connection.execute(f"attach {_literal(temporary)} as audit ({options}); use audit")
        connection.begin()
        yield connection
        connection.commit()
        connection.execute("use memory; detach audit")


def _fill_tables(connection: duckdb.DuckDBPyConnection, folder: Path, config: Config) -> None:
    for table in TABLES.values():
        _create_table(connection, table.name, _without_heavy(table))
    _continue(connection)
    current = tables_of(config)
    for table in TABLES.values():
        _copy(connection, table, folder, current)
    _continue(connection)
    _forget_jobs(connection, config)
    _write_config(connection, config)


def _execute_shared(connection: duckdb.DuckDBPyConnection, statements: Iterable[sql_files.Statement]) -> None:
    for each in statements:
        _execute(connection, each.file, each.sql)


@contextmanager
def _spilling(folder: Path) -> Iterator[Path]:
    """Folder beside the database for rows beyond the `WORKING` memory, empty at first and removed at the end."""
    path = folder / f".{FILE}.spilled"
    writing.remove(path)
    try:
        yield path
    finally:
        writing.remove(path)


def _continue(connection: duckdb.DuckDBPyConnection) -> None:
    """Ends a transaction, and begins the next.

    In one transaction DuckDB 2.0.0 loses the rows that several threads insert into a table that was made empty there:
    nothing finds them as long as the connection is open. Also what is committed needs no more memory.
    """
    connection.commit()
    connection.begin()


def _without_heavy(table: Table) -> pa.Table:
    return pa.schema([(column.name, column.type) for column in table.columns if not column.heavy]).empty_table()


def _copy(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path, current: set[Path]) -> None:
    """Insert the rows of a table's files; columns that came later than a file are NULL in its rows."""
    inside = [column for column in table.columns if not column.heavy and column.name not in table.partitions]
    names = ", ".join(_literal(column.name) for column in inside)
    union = str(any(column.later for column in inside)).lower()
    for partition, files in _partitions(table, folder, current).items():
        keys = "".join(f", {_literal(value)} as {_name(key)}" for key, value in partition)
        connection.execute(
            f"insert into {table.name} by name select columns(lambda name: name in ({names})){keys} "
            f"from read_parquet(?, hive_partitioning = false, union_by_name = {union})",
            [exact_names(files)],
        )
    _comment(connection, table)


def _comment(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(f"comment on table {table.name} is {_literal(table.grain)}")
    for column in table.columns:
        if not column.heavy:
            connection.execute(f"comment on column {table.name}.{_name(column.name)} is {_literal(column.text)}")


def _partitions(table: Table, folder: Path, current: set[Path]) -> dict[tuple, list[Path]]:
    """Files of a table by the columns in their paths, without those of an earlier configuration."""
    by_partition: dict[tuple, list[Path]] = {}
    for path in parquet_files(folder / table.name):
        values = path_columns(path.relative_to(folder))
        if missing := set(table.partitions) - set(values):
            raise UsageError(
                f"{path}: its path has no folder `{min(missing)}=…`; move it away, stepaudit did not write it"
            )
        if table.name == "runs" or path.relative_to(folder) in current:
            check_schema(table.name, path)
            by_partition.setdefault(tuple((key, values[key]) for key in table.partitions), []).append(path)
    return by_partition


def _forget_jobs(connection: duckdb.DuckDBPyConnection, config: Config) -> None:
    """Delete the jobs of an earlier configuration."""
    shards = {job.shard for group in in_groups(config) for job in group if job.shard}
    kinds = ("dataset", "model", "method")
    known = {kind: list(getattr(config, f"{kind}s")) for kind in kinds} | {"size": list(config.sizes)}
    for key, names in {**known, "shard": sorted(shards)}.items():
        connection.execute("delete from runs where not list_contains(?, keys ->> ?)", [names, f"$.{key}"])


def _write_config(connection: duckdb.DuckDBPyConnection, config: Config) -> None:
    text = as_json(config.model_dump(mode="json"))
    audit = {
        "name": config.audit,
        "config_hash": config.hash,
        "config": text,
        "stepaudit": __version__,
        "schema": SCHEMA_VERSION,
    }
    _create_table(connection, "audit", pa.Table.from_pylist([audit]))
    connection.execute("alter table audit alter config type json")
    _create_table(connection, "datasets", _components(config, "datasets"))
    annotations = pa.array([entry.annotation for entry in config.metrics.values()], TEXT)
    _create_table(connection, "metrics", _components(config, "metrics").append_column("annotation", annotations))
    sizes = pa.array([config.clips_of(name).size for name in config.models], TEXT)
    entries = config.models.values()
    models = _components(config, "models").append_column("size", sizes)
    models = models.append_column("gives", pa.array([entry.gives for entry in entries], TEXT))
    tolerances = pa.array([entry.tolerance for entry in entries], pa.float64())
    _create_table(connection, "models", models.append_column("tolerance", tolerances))
    _create_table(connection, "methods", _methods(config))
    for name, text in COMMENTS.items():
        connection.execute(f"comment on table {name} is {_literal(text)}")


def _components(config: Config, kind: str) -> pa.Table:
    rows = [
        {
            "name": name,
            "use": entry.use,
            "options": as_json(entry.options),
            "settings": as_json(_defaults(config.component(kind, name)) | entry.options),
        }
        | {declared: config.component(kind, name).declares(declared) for declared in DECLARED.get(kind, ())}
        for name, entry in getattr(config, kind).items()
    ]
    declared = [(name, pa.bool_()) for name in DECLARED.get(kind, ())]
    return pa.Table.from_pylist(rows, schema=pa.schema([*COMPONENT, *declared]))


def _defaults(component: Component) -> dict[str, Any]:
    """Default values of the options; left out are those that are no literals, as another package may have them."""
    defaults = {}
    for name, (_, default) in (component.options or {}).items():
        with suppress(ValueError):
            defaults[name] = ast.literal_eval(default)
    return defaults


def _methods(config: Config) -> pa.Table:
    entries = config.methods
    bounds = [config.preserve.bounds if name in config.preserve.methods else [] for name in entries]
    return (
        _components(config, "methods")
        .append_column("ratios", pa.array([entry.ratios or [] for entry in entries.values()], pa.list_(pa.float64())))
        .append_column("seeds", pa.array([entry.seeds for entry in entries.values()], pa.list_(pa.int32())))
        .append_column("bounds", pa.array(bounds, pa.list_(TEXT)))
    )


def _needed(only: Collection[str], shared: list[sql_files.Statement], reports: list[sql_files.Report]) -> set[str]:
    """Names of all relations that some reports and views are made from; a statement without a name is always needed."""
    words_of: dict[str, set[str]] = defaultdict(set, {near_duplicates.NAME: set()})
    for name, sql in chain(((each.name, each.sql) for each in shared), ((each.name, each.sql) for each in reports)):
        words_of[name] |= set(re.findall(r"\w+", sql))
    for computed in (estimates, kinds, labels, needs, survival):
        words_of |= {name: set(computed.READ) for name in computed.MADE}
    return {"", means.UNITS, *sql_files.with_dependencies(only, words_of)}


def _write_likenesses(connection: duckdb.DuckDBPyConnection, folder: Path, config: Config) -> None:
    """Table of clips that look alike, in one of the sizes of each data set."""
    files: dict[str, list[Path]] = {}
    for partition, paths in sorted(_partitions(TABLES["clips"], folder, tables_of(config)).items()):
        files.setdefault(dict(partition)["dataset"], paths)
    segments = {dataset: parquet_files(folder / "segments" / f"dataset={dataset}") for dataset in files}
    _create_table(connection, near_duplicates.NAME, near_duplicates.make(files, segments))
    connection.execute(f"comment on table {near_duplicates.NAME} is {_literal(near_duplicates.COMMENT)}")


def _write_estimates(connection: duckdb.DuckDBPyConnection, needed: Collection[str] | None) -> None:
    """Tables of estimates that are computed from the views, for the reports to read. `needed`: None for all."""
    for computed in (estimates, kinds, labels, needs):
        if needed is None or not computed.MADE.isdisjoint(needed):
            for table, rows in computed.make(connection):
                _create_table(connection, table.name, rows)
                _comment(connection, table)
    curves = survival.make(connection) if needed is None or not survival.MADE.isdisjoint(needed) else ()
    for name, comment, rows in chain(means.make(connection), curves):
        _create_table(connection, name, rows)
        connection.execute(f"comment on table {name} is {_literal(comment)}")


def _create_reports(connection: duckdb.DuckDBPyConnection, reports: list[sql_files.Report]) -> None:
    for report in reports:
        _execute(connection, f"{report.name}.sql", f"create view {_name(report.name)} as {report.sql}")
        connection.execute(f"comment on view {_name(report.name)} is {_literal(report.question)}")


def _execute(connection: duckdb.DuckDBPyConnection, file: str, sql: str) -> None:
    try:
        connection.execute(sql)
    except duckdb.Error as error:
        raise UsageError(f"{package_files.reports() / file}: {error}") from error


def _create_table(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register("arrow_rows", rows)
    connection.execute(f"create table {name} as from arrow_rows")
    connection.unregister("arrow_rows")


def _literal(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
