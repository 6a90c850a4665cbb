"""Values in an audit's tables that no measurement gives: NaN, shares above 1, a success without a value."""

from collections.abc import Collection, Iterator
from pathlib import Path

import duckdb

from stepaudit.errors import STATUSES
from stepaudit.store.database import exact_names
from stepaudit.store.schema import FLOAT, TABLES, Table

# What a row that is 'ok' has, by table.
MEASURED = {
    "clips": "sha256",
    "predictions": "target_probability",
    "frame_orders": "target_probability",
    "maps": "volume",
    "preservation": "evaluations",
    "scores": "value",
}
LABELLED = {"predictions": " and label is not null"}  # of other rows that value is missing
SHARES = (
    *("target_probability", "kept_probability", "required_probability", "volume", "crispness", "shown"),
    *("ratio", "lower", "upper", "ratio_75", "lower_75", "ratio_90", "lower_90", "random_ratio", "elsewhere_share"),
    *("tube", "tube_lower"),
)
ROUNDING = 0.001


def problems(paths: Collection[Path], folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that hold impossible values, with a sentence on each kind. Only these `paths` in `folder` are read."""
    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        for table in TABLES.values():
            files = [path for path in paths if path.relative_to(folder).parts[0] == table.name]
            if files and table.name != "runs":
                yield from _table_problems(connection, table, files)


def _table_problems(
    connection: duckdb.DuckDBPyConnection, table: Table, files: list[Path]
) -> Iterator[tuple[Path, str]]:
    """Problems of the files of a table, which are read once."""
    key = next((name for name in ("clip_id", "video_id") if name in table.schema.names), "null")
    conditions = dict(_invalid_conditions(table))
    if not conditions:
        return
    counts = ", ".join(f"count(*) filter ({each}), min({key}) filter ({each})" for each in conditions)
    read = "read_parquet(?, filename = true, hive_partitioning = false)"
    rows = connection.execute(f"select filename, {counts} from {read} group by all", [exact_names(files)]).fetchall()
    for name, *counted in rows:
        for text, count, first in zip(conditions.values(), counted[::2], counted[1::2], strict=True):
            if count:
                such = "" if first is None else f", such as of '{first}'"
                yield Path(name), f"{count} row{'s' * (count != 1)} {text}{such}"


def _invalid_conditions(table: Table) -> Iterator[tuple[str, str]]:
    """SQL conditions that no valid row meets, each with a description."""
    names = table.schema.names
    for column in table.columns:
        if column.type == FLOAT:
            yield f"not isfinite({column.name})", f"whose {column.name} is NaN or infinite"
        if column.type == FLOAT and column.name in SHARES:
            wrong = f"isfinite({column.name}) and {column.name} not between {-ROUNDING} and {1 + ROUNDING}"
            yield wrong, f"whose {column.name} is not between 0 and 1"
    if "status" in names:
        known = ", ".join(f"'{status}'" for status in STATUSES)
        yield f"status is null or status not in ({known})", "of an unknown status"
        measured, asked = MEASURED[table.name], LABELLED.get(table.name, "")
        yield f"status = 'ok'{asked} and {measured} is null", f"of status 'ok' without {measured}"
        yield f"status != 'ok' and {measured} is not null", "of a failure, with a value"
