"""What metrics measured, as arrays: values of every frame or clip, and their sums over clips.

A *use* is a method at a ratio, as one metric measures it; a *cell* is a frame of a clip, or a whole clip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from stepaudit.statistics import Array

BLOCK = 8_000_000  # numbers of a batch of differences


@dataclass(frozen=True)
class Use:
    """A method at a ratio, as one metric measures it."""

    metric: str
    method: str
    ratio: float | None
    is_floor: bool


@dataclass(frozen=True)
class Cells:
    """Values [uses, cells] (NaN: not measured) and weights; cells of a clip are neighbours, from `starts` on."""

    uses: list[Use]
    values: Array
    weights: Array
    starts: np.ndarray


@dataclass(frozen=True)
class Sums:
    """Sums over the cells of N clips for k columns, each [N, k]: weighted values, weights, and how many cells."""

    parts: Array
    wholes: Array
    frames: Array


def load(connection: duckdb.DuckDBPyConnection) -> None:
    """Copies the view `measured_cells` once, as temporary tables `cells` and `uses`, with numbers in place of names."""
    connection.execute("""
        create or replace temp table measured_once as from measured_cells;
        create or replace temp table uses as
            select row_number() over (order by dataset, model, metric, method, ratio) as use, *
            from (select distinct dataset, model, metric, method, ratio from measured_once)
            join (select method, is_floor from method_roles) using (method);
        create or replace temp table cells as
            select use, clip, coalesce(frame, 0) as frame, value, weight
            from measured_once as measured
            join uses
                on measured.dataset = uses.dataset and measured.model = uses.model and measured.method = uses.method
                and measured.ratio is not distinct from uses.ratio and measured.metric = uses.metric
            join (
                select dataset, clip_id, row_number() over (order by dataset, clip_id) as clip
                from (select distinct dataset, clip_id from measured_once)
            ) as numbers on measured.dataset = numbers.dataset and measured.clip_id = numbers.clip_id;
        drop table measured_once;
    """)


def unload(connection: duckdb.DuckDBPyConnection) -> None:
    """Drops the temporary tables."""
    connection.execute("drop table cells; drop table uses")


def read(connection: duckdb.DuckDBPyConnection, dataset: str, model: str, metrics: Sequence[str]) -> Cells:
    """The cells of some metrics of a model on a data set, from the temporary tables; there is at least one."""
    chosen = "dataset = ? and model = ? and list_contains(?, metric)"
    values = [dataset, model, list(metrics)]
    uses = connection.execute(
        f"select use, metric, method, ratio, is_floor from uses where {chosen} order by use", values
    )
    numbers, *named = zip(*uses.fetchall(), strict=True)
    rows = connection.execute(f"select cells.* from cells join uses using (use) where {chosen}", values).fetchnumpy()
    row = np.searchsorted(numbers, rows["use"])
    places, column = np.unique(rows["clip"] * (1 << 31) + rows["frame"], return_inverse=True)
    found, weights = np.full((2, len(numbers), len(places)), np.nan)
    found[row, column], weights[row, column] = rows["value"], rows["weight"]
    starts = np.flatnonzero(np.diff(places >> 31, prepend=-1))
    return Cells([Use(*names) for names in zip(*named, strict=True)], found, weights, starts)


def sums(cells: Cells) -> Sums:
    """Of every use, a column each."""
    return _over_clips(cells, cells.values, cells.weights)


def difference_sums(cells: Cells, first: Sequence[int], second: Sequence[int]) -> tuple[Sums, Sums]:
    """Of pairs of uses, over the cells where both were measured: first less second, and the first alone."""
    batch = max(1, BLOCK // max(1, cells.values.shape[1]))
    parts = [
        _of_pairs(cells, first[start : start + batch], second[start : start + batch])
        for start in range(0, len(first), batch)
    ]
    return tuple(Sums(*map(np.hstack, zip(*found, strict=True))) for found in zip(*parts, strict=True))


def alike(present: np.ndarray) -> Iterator[np.ndarray]:
    """Columns that have the same rows, group by group: their numbers.

    Args:
        present: [rows, columns], bool.
    """
    found: dict[bytes, list[int]] = {}
    for number, column in enumerate(present.T):
        found.setdefault(np.packbits(column).tobytes(), []).append(number)
    yield from map(np.array, found.values())


def _of_pairs(cells: Cells, first: Sequence[int], second: Sequence[int]) -> tuple[tuple, tuple]:
    values, weights = cells.values[first], cells.weights[first]
    differences = values - cells.values[second]
    values = np.where(np.isnan(differences), np.nan, values)
    found = [_over_clips(cells, each, weights) for each in (differences, values)]
    return tuple((each.parts, each.wholes, each.frames) for each in found)


def _over_clips(cells: Cells, values: Array, weights: Array) -> Sums:
    """Sums over the cells of each clip [N, k] of values and weights [k, cells]; NaN does not count."""
    measured = np.isfinite(values)
    each = (np.where(measured, values * weights, 0), np.where(measured, weights, 0), measured.astype(float))
    return Sums(*(np.add.reduceat(terms, cells.starts, axis=1).T for terms in each))
