"""Means over clips with 95 % intervals: each temporary view `NAME_samples` becomes the table `NAME`.

Such a view has a row a clip. A column that one of the macros `answer`, `share`, `share_of`, `difference`, `contrast`,
`number_of` or `median_of` made is estimated; the others, but for `clip_id`, are the keys of the table. There `x` has
`x_low`, `x_high` and `x_clips` beside it; `clips_asked` counts the clips without a value, too. With a key `family`,
answers are tested against one half (`x_p`, and after Holm's correction over the family `x_p_holm`).

Where clips are windows of longer videos, or have several labels (`sampling_units`), videos are drawn, each with all of
its clips: shares and numbers are ratios of sums over videos; in medians and tests a video counts once, with its mean.
Counts remain of clips.
"""

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa

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

SMALLEST_VALUES = {"share": 0, "difference": -1, "number": None}
UNITS = "sampling_units"  # a view that estimates are made with
ANY_UNIT = f"select count(*) > 0 from {UNITS} where unit != clip_id"
WHOLE = 'sum("{0}".whole) filter ("{0}"."{1}" is not null) as "{0} whole"'
VIEWS = f"select view_name, comment from duckdb_views() where ends_with(view_name, '{SAMPLES}') order by view_oid"


def make(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, pa.Table]]:
    """Name, comment and rows of the table that each view makes; the view is dropped."""
    by_unit = connection.execute(ANY_UNIT).fetchall()[0][0]
    for view, comment in connection.execute(VIEWS).fetchall():
        yield view.removesuffix(SAMPLES), comment, _estimated(connection, view, by_unit)
        connection.execute(f"drop view {view}")


def _estimated(connection: duckdb.DuckDBPyConnection, view: str, by_unit: bool) -> pa.Table:
    described = connection.execute(f"describe {view}").fetchall()
    kinds = {name: kind[7:].split()[0].strip('"') for name, kind, *_ in described if kind[:7] == "STRUCT("}
    keys = [name for name, *_ in described if name != "clip_id" and name not in kinds]
    table, groups, values = _sums_by_key(connection, view, keys, kinds, by_unit)
    for name, kind in kinds.items():
        parts, wholes = values[name], values[f"{name} whole"]
        counts = values[f"{name} clips"] if by_unit else np.isfinite(parts)
        clips = np.bincount(groups, counts, minlength=len(table)).astype(int)
        one = "share" if by_unit and kind == "answer" else kind
        estimate = _over_groups(one, parts, wholes, groups, len(table))
        columns = {"": estimate.value, "_low": estimate.low, "_high": estimate.high}
        if "family" in keys and kind == "answer":
            columns["_p"] = _sign_tests(parts, wholes, groups, len(table))
            columns["_p_holm"] = _corrected(columns["_p"], table["family"].to_pylist())
        for end, numbers in columns.items():
            table = table.append_column(name + end, pa.array(numbers, mask=~np.isfinite(numbers)))
        table = table.append_column(f"{name}_clips", pa.array(clips))
    return table


def _sums_by_key(
    connection: duckdb.DuckDBPyConnection, view: str, keys: list[str], kinds: dict[str, str], by_unit: bool
) -> tuple[pa.Table, np.ndarray, dict[str, Array]]:
    """Numerator and denominator of each estimated column for each sampling unit, and the group each unit belongs to.

    A sampling unit is a clip, or a video if `by_unit`.

    Args:
        keys: columns that name the groups.
        kinds: the macro that made each column (`share`, `median`, …), by column name.

    Returns:
        a row per group with its keys and `clips_asked`; the row number of each unit's group [N], whose order never
        differs; and values by key [N], NaN where there is none: `x` and `x whole` for each column `x`, and `x clips`
        (their number) if `by_unit`.
    """
    by = ", ".join(f'"{key}"' for key in keys)
    sums = ", ".join(f'sum("{name}"."{kind}") as "{name}", {WHOLE.format(name, kind)}' for name, kind in kinds.items())
    drawn = f"select {by}, clip_id, {sums} from {view} group by all"
    names = [column for name in kinds for column in (name, f"{name} whole")]
    clips = "count(*)::int"
    if by_unit:
        drawn, clips = _of_units(drawn, by, kinds, "dataset" in keys), 'sum("clips of a unit")::int'
        names += [f"{name} clips" for name in kinds]
    connection.execute(f"create or replace temp table drawn as {drawn}")
    counted = f"select {by}, {clips} as clips_asked, count(*) as drawn from drawn group by all order by {by}"
    rows = connection.sql(counted).to_arrow_table()
    columns = ", ".join(f'"{name}"::double as "{name}"' for name in names)
    values = connection.sql(f"select {columns} from drawn order by {by}, clip_id").to_arrow_table()
    groups = np.repeat(np.arange(len(rows)), rows["drawn"].to_numpy())
    return rows.drop_columns("drawn"), groups, {name: _numbers(values[name]) for name in names}


def _of_units(clips: str, by: str, kinds: dict[str, str], has_dataset: bool) -> str:
    """SQL for sums over the clips of a video, but of medians and contrasts means, of contrasts for either side."""
    sides = [f'"{name} whole"' for name, kind in kinds.items() if kind == "contrast"]
    columns = ", ".join(
        f'{"avg" if kind in ("median", "contrast") else "sum"}("{name}") as "{name}", '
        + ("" if kind == "contrast" else f'sum("{name} whole") as "{name} whole", ')
        + f'count("{name}") as "{name} clips"'
        for name, kind in kinds.items()
    )
    key = "dataset, clip_id" if has_dataset else "clip_id"
    units = f'select {key}, min(unit) as "sampling unit" from sampling_units group by all'
    alike = ", ".join([by, *sides, 'coalesce("sampling unit", clip_id::varchar) as clip_id'])
    grouped = f"from ({clips}) left join ({units}) using ({key}) group by all"
    return f'select {alike}, count(*) as "clips of a unit", {columns} {grouped}'


def _numbers(column: pa.ChunkedArray) -> Array:
    """All numbers of a column; NaN for NULL."""
    return column.to_numpy().astype(float)


def _over_groups(kind: str, parts: Array, wholes: Array, groups: np.ndarray, count: int) -> Intervals:
    """Estimate of each group; groups of as many observations are resampled together."""
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
    return Intervals(estimates[0], estimates[1], estimates[2], [])


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
        return ratio_intervals(parts, wholes, smallest_value=SMALLEST_VALUES[kind])


def _contrast(values: Array, own: Array) -> tuple[float, float, float]:
    """Mean over one's own clips less that over the others [N], with its interval; NaN if there are none of either."""
    chosen = (values[own == 1, None], values[own == 0, None])
    first, second = (ratio_intervals(each, np.ones_like(each), smallest_value=-1) for each in chosen)
    low, high = difference_interval(first, second)
    return (first.value - second.value)[0], low[0], high[0]


def _sign_tests(parts: Array, wholes: Array, groups: np.ndarray, count: int) -> Array:
    """p values of answers in each group against one half; an observation is what most of its clips answer."""
    with np.errstate(invalid="ignore"):
        share = parts / wholes
    less, more = (np.bincount(groups[side], minlength=count) for side in (share < 0.5, share > 0.5))
    return np.array([sign_test(*counts) for counts in zip(less.tolist(), more.tolist(), strict=True)])


def _corrected(p: Array, families: list) -> Array:
    """Holm's correction within each family."""
    numbers = np.unique([str(family) for family in families], return_inverse=True)[1]
    adjusted = np.full(len(p), np.nan)
    for family in range(numbers.max(initial=-1) + 1):
        adjusted[numbers == family] = holm(p[numbers == family])
    return adjusted
