"""Tables of how much of a clip models need: geometric means, medians, controls, pairs of models, curves."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, groupby, product

import duckdb
import numpy as np
import pyarrow as pa

from stepaudit.report.statistics import brackets, classes
from stepaudit.report.statistics.classes import Estimate
from stepaudit.report.statistics.intervals import Array, holm, ratio_intervals, sign_test
from stepaudit.report.statistics.need_tables import COMPARISONS, CURVES, ESTIMATES, MEDIANS, READINGS, TABLES
from stepaudit.store.database import records
from stepaudit.store.schema import Table

MADE = {table.name for table in TABLES}
READ = ("clip_needs", "need_points", "sampling_units")  # views

CLIPS = "from clip_needs join sampling_units using (dataset, clip_id) order by dataset, method, model, clip_id"
POINTS = """
    select dataset, model, method, volume, sum(clips)::int as clips, list(kept order by unit) as kept,
        list(label order by unit) as label
    from (
        select dataset, model, method, volume, unit, count(*) as clips, avg(kept) as kept,
            min(coalesce(label, target)) as label
        from need_points join sampling_units using (dataset, clip_id) group by all
    )
    group by all order by dataset, model, method, volume
"""
ANSWERS = {"all": (True, False, None), "right": (True,), "wrong": (False,)}
COLUMN = {"frames": "whole_frames", "tube": "tube", "disjoint": "disjoint_pieces"}  # of a reading
LEVELS = {0.5: "", 0.75: "_75", 0.9: "_90"}  # ends of the columns' names
ASKED = {"own": "", "runner_up": "runner_up_", "random": "random_"}  # their beginnings

Rows = Sequence[dict]


def make(connection: duckdb.DuckDBPyConnection) -> list[tuple[Table, pa.Table]]:
    """Tables with their rows, from the views of `reports/_views_needs.sql`."""
    clips = records(connection, CLIPS)
    made = {
        ESTIMATES: [row for some in _models(clips) for row in _estimates(*some)],
        MEDIANS: [row for some in _models(clips) for row in _medians(*some)],
        COMPARISONS: [row for some in _groups(clips, "dataset", "method") for row in _comparisons(some)],
        READINGS: [row for some in _models(clips) for row in _readings(*some)],
        CURVES: [_curve_mean(row) for row in records(connection, POINTS)],
    }
    return [(table, pa.Table.from_pylist(rows, _schema(table))) for table, rows in made.items()]


def _schema(table: Table) -> pa.Schema:
    return pa.schema([(column.name, column.type) for column in table.columns])


def _groups(rows: Rows, *keys: str) -> list[list[dict]]:
    """Neighbouring rows with the same keys."""
    return [list(some) for _, some in groupby(rows, key=lambda row: [row[key] for key in keys])]


def _models(rows: Rows) -> Iterator[tuple[dict, list[dict]]]:
    """Rows of each model and method, by the answers that they are of, with the keys of the tables."""
    for some in _groups(rows, "dataset", "method", "model"):
        names = {key: some[0][key] for key in ("dataset", "model", "method")}
        for answers, chosen in ANSWERS.items():
            clips = [row for row in some if row["is_right"] in chosen]
            if clips:
                yield names | {"answers": answers}, clips


def _estimates(keys: dict, rows: Rows) -> Iterator[dict]:
    """One row of `need_estimates` (columns: `need_tables.ESTIMATES`) for the clips of one model and method."""
    needing = [row for row in rows if row["log2_ratio"] is not None]
    with_random, with_runner_up = (_rows_with(needing, name) for name in ("excess", "specificity"))
    with_moved = _rows_with(rows, "elsewhere_share")
    yield {
        **keys,
        "clips": len(rows),
        "classes": len(np.unique(_labels(rows))),
        "search": ", ".join(sorted({row["search"] for row in rows})),
        **_columns("vacuous", _share(_values(rows, "vacuous"), rows)),
        **_columns("need", _clamped(_mean(needing, "log2_ratio"), -np.inf, 0), power=True, counted=True),
        **_columns("random", _clamped(_mean(with_random, "random_log2_ratio"), -np.inf, 0), power=True),
        **_columns("runner_up", _clamped(_mean(with_runner_up, "runner_up_log2_ratio"), -np.inf, 0), power=True),
        **_columns("excess", _mean(with_random, "excess"), counted=True),
        **_columns("specificity", _mean(with_runner_up, "specificity"), counted=True),
        **_columns("own_less", _share((_values(with_runner_up, "specificity") > 0).astype(float), with_runner_up)),
        **_columns("elsewhere", _clamped(_mean(with_moved, "elsewhere_share"), 0, 1), counted=True),
    }


def _medians(keys: dict, rows: Rows) -> Iterator[dict]:
    """Rows of `need_medians` for the clips of one model and method: a row for each piece asked for and each level."""
    needing = [row for row in rows if not row["vacuous"]]
    known = {
        "own": needing,
        "runner_up": [row for row in needing if row["runner_up_vacuous"] is False],
        "random": _rows_with(needing, "random_ratio"),
    }
    for asked, level in product(known, LEVELS):
        if known[asked] and (asked != "random" or level == min(LEVELS)):
            yield {**keys, "asked": asked, "level": level, **_median(known[asked], asked, LEVELS[level])}


def _median(rows: Rows, asked: str, end: str) -> dict:
    """Columns of a median; the whole clip is enough for its own class, where no smaller piece is."""
    start, most = ASKED[asked], np.inf if asked == "runner_up" else 1.0
    high = np.array([_or(row[f"{start}ratio{end}"], most) for row in rows])
    low = np.array([_or(row.get(f"{start}lower{end}", value), 0.0) for row, value in zip(rows, high, strict=True)])
    values = dict(zip(("median", "low", "high"), _bracketed_median(low, high, rows), strict=True))
    return {**values, "open_clips": int((~np.isfinite(high)).sum()), "clips": len(rows)}


def _bracketed_median(low: Array, high: Array, rows: Rows, step: int = 0) -> list[float | None]:
    """Median of the rows' values in brackets (low, high], and its interval; None where it is open.

    Args:
        step: 1 for whole numbers, of which `low` + 1 is the smallest possible.
    """
    (low, labels), (high, _) = _unit_values(low, rows), _unit_values(high, rows)
    octaves = np.log2(np.maximum(np.where(np.isfinite(high), high, 1), 1e-6))
    ends = brackets.median_interval(low + step, high, classes.likeness(octaves, labels))
    return [float(value) if np.isfinite(value) else None for value in (brackets.median(low, high), *ends)]


def _readings(keys: dict, rows: Rows) -> Iterator[dict]:
    """Rows of `need_readings` for the clips of one model and method."""
    for reading in ("frames", "tube", "disjoint"):
        known = [row for row in rows if row[COLUMN[reading]] is not None]
        if known:
            yield {**keys, "reading": reading, "value_clips": len(known), **_reading(known, reading)}


def _reading(rows: Rows, reading: str) -> dict:
    """Median of a reading, or the share of clips with several disjoint pieces, with intervals."""
    if reading == "disjoint":
        several = (_values(rows, "disjoint_pieces") >= 2).astype(float)
        return _columns("value", _share(several, rows))
    high, low = (_values(rows, COLUMN[reading]), np.array([_or(row[f"{COLUMN[reading]}_lower"], 0.0) for row in rows]))
    names = ("value", "value_low", "value_high")
    whole = reading == "frames"
    values = dict(zip(names, _bracketed_median(low, high, rows, step=int(whole)), strict=True))
    return values | {"exact_clips": int((high == low + 1).sum()) if whole else None}


def _comparisons(rows: Rows) -> list[dict]:
    """Rows of all pairs of models of a data set and method; p is corrected over those of the same answers."""
    by_model = {some[0]["model"]: {row["clip_id"]: row for row in some} for some in _groups(rows, "model")}
    made = []
    for answers in ("all", "right"):
        pairs = [
            {"answers": answers, "model": one, "other_model": other, **_pair(both)}
            for one, other in combinations(by_model, 2)
            if (both := _clips_of_both(by_model[one], by_model[other], answers))
        ]
        for name in ("p", "vacuous_p"):
            adjusted = holm(np.array([np.nan if pair[name] is None else pair[name] for pair in pairs], float))
            for pair, value in zip(pairs, adjusted, strict=True):
                pair[f"{name[:-1]}holm_p"] = float(value) if np.isfinite(value) else None
        made += pairs
    return [{"dataset": rows[0]["dataset"], "method": rows[0]["method"], **pair} for pair in made]


def _clips_of_both(one: dict[str, dict], other: dict[str, dict], answers: str) -> list[tuple[dict, dict]]:
    """Rows of the clips that both models were searched on, alike and for one class, and have right if that is asked."""
    alike = lambda clip: all(one[clip][key] == other[clip][key] for key in ("search", "target"))  # noqa: E731
    both = [(one[clip], other[clip]) for clip in one if clip in other and alike(clip)]
    return [pair for pair in both if answers == "all" or all(row["is_right"] for row in pair)]


def _pair(both: Sequence[tuple[dict, dict]]) -> dict:
    first = [row for row, _ in both]
    needed = [pair for pair in both if not any(row["vacuous"] for row in pair)]
    octaves = np.array([one["log2_ratio"] - other["log2_ratio"] for one, other in needed])
    difference = _mean_of(octaves, [row for row, _ in needed])
    vacuous = np.array([[row["vacuous"] for row in pair] for pair in both], float)
    one, other = vacuous.mean(axis=0).tolist()
    return {
        "clips": len(both),
        "classes": len(np.unique(_labels(first))),
        **_columns("times", difference, power=True, counted=True),
        "p": difference.p,
        "vacuous": one,
        "other_vacuous": other,
        **_difference_of_shares(*_unit_values(vacuous[:, 0] - vacuous[:, 1], first)),
    }


def _difference_of_shares(differences: Array, labels: np.ndarray) -> dict:
    """Paired difference of shares: the wider of the interval that knows no classes and of that which does."""
    plain = ratio_intervals(differences[:, None], np.ones((len(differences), 1)), smallest_value=-1)
    known = classes.mean(differences, labels)
    low, high = float(plain.low[0]), float(plain.high[0])
    if known.low is not None and known.high is not None:
        low, high = max(-1.0, min(low, known.low)), min(1.0, max(high, known.high))
    exact = sign_test(int((differences > 0).sum()), int((differences < 0).sum()))
    return {
        **_columns("vacuous_difference", replace(known, low=low, high=high)),
        "vacuous_p": max(exact, known.p or 0.0),
    }


def _curve_mean(row: dict) -> dict:
    """Columns of one point of a curve; `row` holds lists over clips."""
    kept = classes.mean(np.array(row["kept"], float), np.array(list(map(str, row["label"]))))
    names = {key: row[key] for key in ("dataset", "model", "method", "volume")}
    return {**names, **_columns("kept", _clamped(kept, 0, 1)), "clips": row["clips"]}


def _mean(rows: Rows, name: str) -> Estimate:
    return _mean_of(_values(rows, name), rows)


def _mean_of(values: Array, rows: Rows) -> Estimate:
    return replace(classes.mean(*_unit_values(values, rows)), clips=len(rows))


def _share(answers: Array, rows: Rows) -> Estimate:
    return replace(classes.share(*_unit_values(answers, rows)), clips=len(rows))


def _unit_values(values: Array, rows: Rows) -> tuple[Array, np.ndarray]:
    """Values and classes of what is sampled: of a video that is cut into windows, the mean of its windows counts."""
    units = [row["unit"] for row in rows]
    if len(set(units)) == len(rows):
        return values, _labels(rows)
    _, first, numbers = np.unique(units, return_index=True, return_inverse=True)
    return np.bincount(numbers, values) / np.bincount(numbers), _labels(rows)[first]


def _clamped(estimate: Estimate, smallest_value: float, greatest_value: float) -> Estimate:
    """The estimate with an interval within what is possible."""
    ends = (estimate.low, estimate.high)
    low, high = (None if end is None else min(greatest_value, max(smallest_value, end)) for end in ends)
    return replace(estimate, low=low, high=high)


def _columns(name: str, estimate: Estimate, *, power: bool = False, counted: bool = False) -> dict:
    """Columns of an estimate; `power`: 2 to it, for people."""
    numbers = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    values = {key: 2**value if power and value is not None else value for key, value in numbers.items()}
    return values | ({f"{name}_clips": estimate.clips} if counted else {})


def _rows_with(rows: Iterable[dict], name: str) -> list[dict]:
    return [row for row in rows if row[name] is not None]


def _values(rows: Rows, name: str) -> Array:
    """A column of rows as floats, [N]; NaN where it is missing."""
    return np.array([row[name] for row in rows], float)


def _labels(rows: Rows) -> np.ndarray:
    """Classes of clips as a level of their own: the label, or else the class that was explained."""
    return np.array([str(row["target"] if row["label"] is None else row["label"]) for row in rows])


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
