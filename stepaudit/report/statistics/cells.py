"""Scores as arrays: values of every frame or clip, and their sums over clips.

A *use* is a method at a ratio, as one metric measures it; a *cell* is a frame of a clip, or a whole clip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from stepaudit.report.statistics.intervals import Array

BLOCK = 2_000_000  # numbers of an array that is held for a while


@dataclass(frozen=True)
class Use:
    """A method at a ratio, as one metric measures it."""

    metric: str
    method: str
    ratio: float | None
    is_floor: bool


@dataclass(frozen=True)
class Cells:
    """Values [uses, cells] (NaN: not measured) and weights; cells of a clip are adjacent, and clips of a unit.

    A unit is what is sampled (`sampling_units`): a clip, or a video that is cut into windows.

    Args:
        starts: the first cell of each unit.
        clips: the first cell of each clip.
    """

    uses: list[Use]
    values: Array
    weights: Array
    starts: np.ndarray
    clips: np.ndarray


@dataclass(frozen=True)
class Sums:
    """Sums over the cells of N units for k columns, each [N, k]: weighted values, weights, cells, clips."""

    parts: Array
    wholes: Array
    frames: Array
    clips: Array


def load(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy the view `measured_cells` to temporary tables `cells` and `uses`, with numbers in place of names."""
    connection.execute("""
        create or replace temp table uses as
            select row_number() over (order by dataset, model, metric, method, ratio) as use, *
            from (select distinct dataset, model, metric, method, ratio from measured_cells)
            join (select method, is_floor from method_roles) using (method);
        create or replace temp table cells as
            select use, unit, clip, coalesce(frame, 0) as frame, value, weight
            from measured_cells as measured
            join uses
                on measured.dataset = uses.dataset and measured.model = uses.model and measured.method = uses.method
                and measured.ratio is not distinct from uses.ratio and measured.metric = uses.metric
            join (
                select dataset, clip_id, dense_rank() over (order by dataset, unit) as unit,
                    row_number() over (order by dataset, unit, clip_id) as clip
                from (select distinct dataset, clip_id from measured_cells)
                join sampling_units using (dataset, clip_id)
            ) as numbers on measured.dataset = numbers.dataset and measured.clip_id = numbers.clip_id;
    """)


def unload(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the temporary tables."""
    connection.execute("drop table cells; drop table uses")


def read(connection: duckdb.DuckDBPyConnection, dataset: str, model: str, metrics: Sequence[str]) -> Cells:
    """Cells of some metrics of a model on a data set, at least one, from the temporary tables."""
    chosen = "dataset = ? and model = ? and list_contains(?, metric)"
    keys = [dataset, model, list(metrics)]
    uses = connection.execute(
        f"select use, metric, method, ratio, is_floor from uses where {chosen} order by use", keys
    )
    numbers, *named = zip(*uses.fetchall(), strict=True)
    rows = connection.execute(f"select cells.* from cells join uses using (use) where {chosen}", keys).fetchnumpy()
    row = np.searchsorted(numbers, rows["use"])
    places, first, column = np.unique(rows["clip"] * (1 << 31) + rows["frame"], return_index=True, return_inverse=True)
    values, weights = np.full((2, len(numbers), len(places)), np.nan)
    values[row, column], weights[row, column] = rows["value"], rows["weight"]
    starts, clips = (np.flatnonzero(np.diff(each, prepend=-1)) for each in (rows["unit"][first], places >> 31))
    return Cells([Use(*names) for names in zip(*named, strict=True)], values, weights, starts, clips)


def sums(cells: Cells) -> Sums:
    """Sums of every use, a column each."""
    batches = [_unit_sums(cells, cells.values[some], cells.weights[some]) for some in _batches(cells, len(cells.uses))]
    return _joined_columns(batches)


def difference_sums(cells: Cells, first: Sequence[int], second: Sequence[int]) -> tuple[Sums, Sums]:
    """Sums of pairs of uses over the cells where both were measured: first less second, and the first alone."""
    batches = [_pair_sums(cells, first[some], second[some]) for some in _batches(cells, len(first))]
    differences, values = map(_joined_columns, zip(*batches, strict=True))
    return differences, values


def together(cells: Cells) -> np.ndarray:
    """[uses, uses], bool: true for two uses with a cell in common."""
    measured = np.isfinite(cells.values).astype(np.float32)
    return measured @ measured.T > 0


def alike(present: np.ndarray) -> Iterator[np.ndarray]:
    """Column numbers in groups: columns of a group are true in the same rows.

    Args:
        present: [rows, columns], bool.
    """
    groups: dict[bytes, list[int]] = {}
    for number, column in enumerate(present.T):
        groups.setdefault(np.packbits(column).tobytes(), []).append(number)
    yield from map(np.array, groups.values())


def _batches(cells: Cells, count: int) -> Iterator[slice]:
    """Slices of `count` rows of cells, each of at most `BLOCK` numbers or one row; at least one slice."""
    size = max(1, BLOCK // max(1, cells.values.shape[1]))
    yield from (slice(start, start + size) for start in range(0, max(1, count), size))


def _joined_columns(parts: Sequence[Sums]) -> Sums:
    """Sums of several batches of columns, joined."""
    each = zip(*((part.parts, part.wholes, part.frames, part.clips) for part in parts), strict=True)
    return Sums(*map(np.hstack, each))


def _pair_sums(cells: Cells, first: Sequence[int], second: Sequence[int]) -> tuple[Sums, Sums]:
    """Sums of the differences of pairs of rows, and of the first rows' values where both are known."""
    values, weights = cells.values[first], cells.weights[first]
    differences = values - cells.values[second]
    values = np.where(np.isnan(differences), np.nan, values)
    return _unit_sums(cells, differences, weights), _unit_sums(cells, values, weights)


def _unit_sums(cells: Cells, values: Array, weights: Array) -> Sums:
    """Sums over the cells of each unit [N, k] of values and weights [k, cells]; NaN does not count."""
    measured = np.isfinite(values)
    each = (np.where(measured, values * weights, 0), np.where(measured, weights, 0), measured.astype(float))
    sums = [np.add.reduceat(terms, cells.starts, axis=1).T for terms in each]
    clips = (sums[2] > 0).astype(float)
    if len(cells.clips) > len(cells.starts):
        known = np.logical_or.reduceat(measured, cells.clips, axis=1).astype(float)
        clips = np.add.reduceat(known, np.searchsorted(cells.clips, cells.starts), axis=1).T
    return Sums(sums[0], sums[1], sums[2], clips)
