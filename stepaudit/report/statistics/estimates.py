"""The tables `estimates`, `comparisons` and `reliability`, computed from the views: intervals, tests, rankings."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import duckdb
import numpy as np
import pyarrow as pa

from stepaudit.report.statistics import cells
from stepaudit.report.statistics.cells import Cells, Sums, Use
from stepaudit.report.statistics.estimate_tables import TABLES
from stepaudit.report.statistics.intervals import DRAWS, Array, holm, in_groups, ratio_intervals, sign_flip_test
from stepaudit.report.statistics.reliability import MIN_CLIPS, MIN_METHODS, ranking_alpha, split_half
from stepaudit.store.schema import Table

DRAWS_A_PAIR = 100  # so that Holm's correction of a large family can still reject

MADE = {table.name for table in TABLES}
READ = ("measured_cells", "unmeasured", "annotation_pairs", "metric_roles", "method_roles")  # views

Pairs = list[tuple[int, int]]


def make(connection: duckdb.DuckDBPyConnection) -> list[tuple[Table, pa.Table]]:
    """Tables with their rows, from the views of `reports/_views*.sql`."""
    cells.load(connection)
    places = connection.execute("select distinct dataset, model, metric from uses order by all").fetchall()
    rows: dict[str, list[dict]] = {table.name: [] for table in TABLES}
    for place in places:
        for name, row in _metric_rows(connection, *place):
            rows[name].append(dict(zip(("dataset", "model", "metric"), place, strict=True)) | row)
    rows["estimates"] += _unmeasured(connection)
    cells.unload(connection)
    return [(table, pa.Table.from_pylist(rows[table.name], _schema(table))) for table in TABLES]


def _schema(table: Table) -> pa.Schema:
    return pa.schema([(column.name, column.type) for column in table.columns])


def _unmeasured(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    """Rows without any value, with the reason."""
    names = ("dataset", "model", "method", "ratio", "metric", "reason")
    rows = connection.execute(f"select {', '.join(names)} from unmeasured order by all").fetchall()
    return [dict(zip(names, row, strict=True)) | {"clips": 0, "frames": 0} for row in rows]


def _metric_rows(
    connection: duckdb.DuckDBPyConnection, dataset: str, model: str, metric: str
) -> Iterator[tuple[str, dict]]:
    """Rows of a metric, each with the name of its table."""
    is_share = connection.execute("select is_share from metric_roles where metric = ?", [metric]).fetchall()[0][0]
    measured = cells.read(connection, dataset, model, [metric])
    for row in _estimates(measured, is_share):
        yield "estimates", row
    for family, pairs in (("floor", _floor_pairs(measured.uses)), ("method", _method_pairs(measured.uses))):
        for row in _comparisons(measured, pairs, is_share):
            yield "comparisons", {"family": family, **row}
    yield "reliability", _reliability(measured)
    for (control,) in connection.execute(
        "select control from annotation_pairs where metric = ? order by control", [metric]
    ).fetchall():
        both = cells.read(connection, dataset, model, [metric, control])
        for row in _comparisons(both, _control_pairs(both.uses, metric), is_share):
            yield "comparisons", {"family": "annotation", **row}


def _floor_pairs(uses: Sequence[Use]) -> Pairs:
    """Pairs of each method with each floor."""
    numbers = range(len(uses))
    return [(i, j) for i, j in product(numbers, numbers) if uses[j].is_floor and not uses[i].is_floor]


def _method_pairs(uses: Sequence[Use]) -> Pairs:
    """Pairs of methods at the same ratio, or one of them without a ratio; masks of different size are not compared."""
    methods = [i for i, use in enumerate(uses) if not use.is_floor]
    return [
        (i, j)
        for i, j in combinations(methods, 2)
        if uses[i].method != uses[j].method
        and (uses[i].ratio == uses[j].ratio or None in (uses[i].ratio, uses[j].ratio))
    ]


def _control_pairs(uses: Sequence[Use], metric: str) -> Pairs:
    """Each method's value with the clip's own annotation, and its value with the control's."""
    numbers = range(len(uses))
    return [
        (i, j)
        for i, j in product(numbers, numbers)
        if (uses[i].method, uses[i].ratio) == (uses[j].method, uses[j].ratio)
        and uses[i].metric == metric != uses[j].metric
    ]


def _estimates(measured: Cells, is_share: bool) -> list[dict]:
    sums = cells.sums(measured)
    rows = _intervals(sums, 0 if is_share else None)
    return [{"method": use.method, "ratio": use.ratio, **row} for use, row in zip(measured.uses, rows, strict=True)]


def _comparisons(measured: Cells, pairs: Pairs, is_share: bool) -> list[dict]:
    """Rows of pairs of uses that share measured cells; p is corrected over all of them."""
    together = cells.together(measured)
    pairs = [pair for pair in pairs if together[pair]]
    size = max(1, cells.BLOCK // len(measured.starts))
    draws = max(DRAWS, DRAWS_A_PAIR * len(pairs))
    batches = (pairs[start : start + size] for start in range(0, len(pairs), size))
    rows = [row for some in batches for row in _pair_rows(measured, some, is_share, draws)]
    adjusted = holm(np.array([row["p"] for row in rows]))
    return [row | {"holm_p": float(value)} for row, value in zip(rows, adjusted, strict=True)]


def _pair_rows(measured: Cells, pairs: Pairs, is_share: bool, draws: int) -> list[dict]:
    """Rows of `comparisons` for some pairs, without correction of p."""
    differences, values = cells.difference_sums(measured, *map(list, zip(*pairs, strict=True)))
    intervals = _intervals(differences, -1 if is_share else None)
    means = values.parts.sum(axis=0) / values.wholes.sum(axis=0)
    tests = _tests(differences, draws)
    return [
        _pair_keys(measured.uses[i], measured.uses[j]) | _difference(row, float(mean)) | test
        for (i, j), row, mean, test in zip(pairs, intervals, means, tests, strict=True)
    ]


def _pair_keys(first: Use, second: Use) -> dict:
    return {
        "method": first.method,
        "ratio": first.ratio,
        "other_method": second.method,
        "other_ratio": second.ratio,
        "other_metric": second.metric,
    }


def _difference(row: dict, mean: float) -> dict:
    return row | {"difference": row["value"], "value": mean, "other_value": mean - row["value"]}


def _tests(differences: Sums, draws: int) -> list[dict]:
    """p values of pairs, and counts of the clips on which either is better."""
    parts = differences.parts
    rounding = 1e-9 * np.abs(parts).max(initial=0)
    p = np.empty(parts.shape[1])
    for columns in cells.alike(differences.wholes > 0):
        clips = differences.wholes[:, columns[0]] > 0
        p[columns] = sign_flip_test(parts[np.ix_(clips, columns)], draws=draws)
    names = ("p", "better_clips", "worse_clips")
    values = (p, (parts > rounding).sum(axis=0), (parts < -rounding).sum(axis=0))
    return [dict(zip(names, row, strict=True)) for row in zip(*(column.tolist() for column in values), strict=True)]


def _intervals(sums: Sums, smallest_value: int | None) -> list[dict]:
    """Ratio, 95 % interval, and counts of clips and frames, for each column.

    Columns observed on the same clips share resamples.
    """
    rows: list[dict] = [{} for _ in range(sums.parts.shape[1])]
    for columns in cells.alike(sums.wholes > 0):
        clips = sums.wholes[:, columns[0]] > 0
        chosen = np.ix_(clips, columns)
        estimate = ratio_intervals(sums.parts[chosen], sums.wholes[chosen], smallest_value=smallest_value)
        each = zip(estimate.value.tolist(), _known(estimate.low), _known(estimate.high), estimate.way, strict=True)
        for column, values in zip(columns, each, strict=True):
            counts = {"clips": int(sums.clips[:, column].sum()), "frames": int(sums.frames[:, column].sum())}
            rows[column] = dict(zip(("value", "low", "high", "way"), values, strict=True)) | counts
    return rows


def _reliability(measured: Cells) -> dict:
    """Reliability of a metric's ranking of the methods with a value on at least half of its clips."""
    methods = [i for i, use in enumerate(measured.uses) if not use.is_floor]
    sums = _columns(cells.sums(measured), methods)
    known = sums.wholes > 0
    often = np.flatnonzero(known.sum(axis=0) * 2 >= max(1, known.any(axis=1).sum()))
    clips = known[:, often].all(axis=1)
    totals, frames = sums.parts[np.ix_(clips, often)].T, sums.wholes[np.ix_(clips, often)].T
    counts = {"methods": len(often), "clips": int(clips.sum())}
    reason = _no_ranking(totals, frames)
    halves = (in_groups(each.T).T for each in (totals, frames))
    values = (None, None) if reason else (split_half(*halves), ranking_alpha(totals / frames))
    return counts | dict(zip(("split_half", "alpha"), values, strict=True)) | {"reason": reason}


def _no_ranking(totals: Array, frames: Array) -> str | None:
    methods, clips = totals.shape
    if methods < MIN_METHODS:
        return f"fewer than {MIN_METHODS} methods"
    if clips < MIN_CLIPS:
        return f"fewer than {MIN_CLIPS} clips on which all methods were measured"
    means = totals / frames
    if np.ptp(means, axis=0).max() <= 1e-9 * np.abs(means).max():
        return "all methods have the same value on every clip"
    return None


def _columns(sums: Sums, chosen: Sequence[int] | np.ndarray) -> Sums:
    return Sums(*(each[:, chosen] for each in (sums.parts, sums.wholes, sums.frames, sums.clips)))


def _known(values: Array) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
