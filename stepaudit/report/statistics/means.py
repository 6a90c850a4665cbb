"""Means over clips with 95 % intervals: each temporary view `NAME_samples` becomes the table `NAME`.

Such a view has a row a clip. A column that one of the macros `answer`, `share`, `share_of`, `difference`, `contrast`,
`number_of` or `median_of` made is estimated; the others, but for `clip_id`, are the keys of the table. There `x` has
`x_low`, `x_high` and `x_clips` beside it; `clips_asked` counts the clips without a value, too. With a key `family`,
answers are tested against one half (`x_p`, and after Holm's correction over the family `x_p_holm`).
"""

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stepaudit.report.sql_files import SAMPLES
from stepaudit.report.statistics.intervals import (
    BLOCK,
    Array,
    Intervals,
    difference_interval,
    holm,
    ratio_intervals,
    share_intervals,
    sign_test,
)
from stepaudit.report.statistics.medians import median_interval

LEAST = {"share": 0, "difference": -1, "number": None}
WHOLE = 'sum("{0}".whole) filter ("{0}"."{1}" is not null) as "{0} whole"'
VIEWS = f"select view_name, comment from duckdb_views() where ends_with(view_name, '{SAMPLES}') order by view_oid"


def make(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, pa.Table]]:
    """Name, comment and rows of the table that each view makes; the view is dropped."""
    for view, comment in connection.execute(VIEWS).fetchall():
        yield view.removesuffix(SAMPLES), comment, _estimated(connection, view)
        connection.execute(f"drop view {view}")


def _estimated(connection: duckdb.DuckDBPyConnection, view: str) -> pa.Table:
    described = connection.execute(f"describe {view}").fetchall()
    kinds = {name: kind[7:].split()[0].strip('"') for name, kind, *_ in described if kind[:7] == "STRUCT("}
    keys = [name for name, *_ in described if name != "clip_id" and name not in kinds]
    rows = connection.sql(_grouped(view, keys, kinds)).to_arrow_table()
    table = rows.select(keys).append_column("clips_asked", pc.list_value_length(rows.column(len(keys))))
    for name, kind in kinds.items():
        parts, wholes = (_flat(rows[column]) for column in (name, f"{name} whole"))
        clips, estimate = _over_groups(kind, parts, wholes, _group_numbers(rows[name]), len(rows))
        columns = {"": estimate.value, "_low": estimate.low, "_high": estimate.high}
        if "family" in keys and kind == "answer":
            fewer = np.nan_to_num(estimate.value * clips).round().astype(int)
            columns["_p"] = np.array([sign_test(*counts) for counts in zip(fewer, clips - fewer, strict=True)])
            columns["_p_holm"] = _corrected(columns["_p"], rows["family"].to_pylist())
        for end, values in columns.items():
            table = table.append_column(name + end, pa.array(values, mask=~np.isfinite(values)))
        table = table.append_column(f"{name}_clips", pa.array(clips))
    return table


def _grouped(view: str, keys: list[str], kinds: dict[str, str]) -> str:
    """SQL for a row per key, with lists over clips of each column's parts and wholes, NULL where there is none."""
    by = ", ".join(f'"{key}"' for key in keys)
    names = [column for name in kinds for column in (name, f"{name} whole")]
    sums = ", ".join(f'sum("{name}"."{kind}") as "{name}", {WHOLE.format(name, kind)}' for name, kind in kinds.items())
    lists = ", ".join(f'list("{name}" order by clip_id) as "{name}"' for name in names)
    clips = f"select {by}, clip_id, {sums} from {view} group by all"
    return f"select {by}, {lists} from ({clips}) group by all order by {by}"


def _flat(column: pa.ChunkedArray) -> Array:
    """All numbers of a column of lists; NaN for NULL."""
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(float)


def _group_numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Row number of each number of a column of lists."""
    return np.repeat(np.arange(len(column)), np.diff(column.combine_chunks().offsets.to_numpy()))


def _over_groups(
    kind: str, parts: Array, wholes: Array, groups: np.ndarray, count: int
) -> tuple[np.ndarray, Intervals]:
    """Clips and estimate of each group; groups of as many clips are resampled together."""
    measured = np.isfinite(parts)
    parts, wholes = parts[measured], wholes[measured]
    clips = np.bincount(groups[measured], minlength=count)
    starts = np.cumsum(clips) - clips
    estimates = np.full((3, count), np.nan)
    for size in np.unique(clips[clips > 0]):
        alike = np.flatnonzero(clips == size)
        batches = min(len(alike), -(-len(alike) * size // BLOCK))
        for columns in np.array_split(alike, batches):
            chosen = starts[columns] + np.arange(size)[:, None]
            estimate = _estimate(kind, parts[chosen], wholes[chosen])
            estimates[:, columns] = estimate.value, estimate.low, estimate.high
    return clips, Intervals(estimates[0], estimates[1], estimates[2], [])


def _estimate(kind: str, parts: Array, wholes: Array) -> Intervals:
    """Estimates of columns [N, k] of one kind."""
    if kind == "answer":
        return share_intervals(parts.mean(axis=0), len(parts))
    if kind == "median":
        low, high = np.transpose([median_interval(column, column) for column in parts.T])
        return Intervals(np.median(parts, axis=0), low, high, [])
    if kind == "contrast":
        value, low, high = np.transpose([_contrast(*column) for column in zip(parts.T, wholes.T, strict=True)])
        return Intervals(value, low, high, [])
    with np.errstate(divide="ignore", invalid="ignore"):  # a sum of wholes that is 0: no value
        return ratio_intervals(parts, wholes, least=LEAST[kind])


def _contrast(values: Array, own: Array) -> tuple[float, float, float]:
    """Mean over one's own clips less that over the others [N], with its interval; NaN if there are none of either."""
    chosen = (values[own == 1, None], values[own == 0, None])
    first, second = (ratio_intervals(each, np.ones_like(each), least=-1) for each in chosen)
    low, high = difference_interval(first, second)
    return (first.value - second.value)[0], low[0], high[0]


def _corrected(p: Array, families: list) -> Array:
    """Holm's correction within each family."""
    numbers = np.unique([str(family) for family in families], return_inverse=True)[1]
    adjusted = np.full(len(p), np.nan)
    for family in range(numbers.max(initial=-1) + 1):
        adjusted[numbers == family] = holm(p[numbers == family])
    return adjusted
