"""Minimum preservation ratios as survival times: Kaplan-Meier curves, their medians and restricted means.

A clip "survives" every ratio at which its answer is not kept; a search that no mask ends is right-censored.
"""

from collections.abc import Iterator
from itertools import groupby

import duckdb
import numpy as np
import pyarrow as pa

from stepaudit.report.statistics.intervals import Array, Z, students_t

KEYS = ("dataset", "model", "method", "bound")
STEPS = """
    select {keys}, ratio, count(*) filter (reached) as events, count(*) filter (not reached) as censored,
        count(*) filter (censored = 'left') as left_censored
    from preservation_times
    left join segments using (dataset, clip_id)
    group by all
    order by all
"""
ALIKE = """
    select sum(clips * clips) / sum(clips)
    from (
        select {keys}, coalesce(unit, clip_id) as unit, count(*) as clips
        from preservation_times
        left join segments using (dataset, clip_id)
        left join sampling_units using (dataset, clip_id)
        group by all
    )
    group by {keys}
    order by {keys}
"""
LARGEST = "select list_max((config -> '$.preserve.grid')::double[]) from audit"
MADE = {"kaplan_meier", "minimum_ratios", "class_survival"}
READ = ("preservation_times", "sampling_units")  # views

CURVE = ("at_risk", "survival", "log_variance", "survival_low", "survival_high")
SUMMARY = ("median", "median_low", "median_high", "mean", "mean_low", "mean_high")
CURVES = (
    "Kaplan-Meier curve: survival is the share of clips that need more than `ratio`; log_variance is Greenwood's sum, "
    "of windows as if those of one video were all alike."
)
SUMMARIES = (
    "Median and mean of the minimum preservation ratio, from its Kaplan-Meier curve up to the grid's largest ratio."
)


def make(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, pa.Table]]:
    """Name, comment and rows of the tables of curves, in all and of each class, and of their medians and means."""
    largest = connection.execute(LARGEST).fetchall()[0][0]
    steps, curves, alike = _curves(connection, KEYS)
    yield "kaplan_meier", CURVES, _add_columns(steps, CURVE, np.hstack([np.empty((5, 0)), *curves]))
    stops = np.cumsum([curve.shape[1] for curve in curves]).astype(int)
    times = np.stack([steps[name].to_numpy().astype(float) for name in ("ratio", "events")])
    each = zip(np.split(times, stops[:-1], axis=1), curves, strict=False)
    rows = [
        summary(ratio, events, curve, largest, size) for ((ratio, events), curve), size in zip(each, alike, strict=True)
    ]
    summaries = np.reshape(rows, (-1, len(SUMMARY)))
    yield "minimum_ratios", SUMMARIES, _add_columns(steps.select(KEYS).take(stops - 1), SUMMARY, summaries.T)
    steps, curves, _ = _curves(connection, (*KEYS, "label"))
    of_classes = _add_columns(steps, CURVE, np.hstack([np.empty((5, 0)), *curves]))
    yield "class_survival", f"{CURVES} Of each class.", of_classes


def curve(events: Array, censored: Array, alike: float = 1.0) -> Array:
    """Kaplan-Meier curve with pointwise 95 % intervals on the log(-log) scale, none at 0 and 100 %.

    Args:
        events, censored: [N], how many end and leave at each of N ratios in ascending order; a clip that leaves at a
            ratio is at risk there.
        alike: number of clips that are worth one independent one.

    Returns:
        [5, N]: at risk, survival, Greenwood's sum (the variance of the logarithm of survival), low and high.
    """
    at_risk = np.cumsum((events + censored)[::-1])[::-1]
    left = at_risk - events
    survival = np.cumprod(left / at_risk).round(12)
    terms = np.divide(events, at_risk * left, out=np.zeros_like(at_risk), where=left > 0)
    log_variance = alike * np.cumsum(terms)
    inner = (survival > 0) & (survival < 1)
    power = np.full_like(survival, np.nan)
    power[inner] = np.exp(Z * np.sqrt(log_variance[inner]) / -np.log(survival[inner]))
    return np.stack([at_risk, survival, log_variance, survival**power, survival ** (1 / power)])


def summary(ratio: Array, events: Array, steps: Array, largest: float, alike: float = 1.0) -> list[float]:
    """Median and mean up to `largest` of a curve, each with its 95 % interval; NaN where it does not reach so far.

    The median's interval is read from that of the curve. The mean is the area under it; its error is Greenwood's times
    m / (m - 1) for m events, which without censoring gives Student's interval of a mean.

    Args:
        ratio, events: [N]. steps: [5, N], see `curve`, as is `alike`.
    """
    at_risk, survival, _, low, high = steps
    medians = [
        ratio[reached].min(initial=np.inf) for reached in (survival <= 0.5, (survival == 0) | (low <= 0.5), high <= 0.5)
    ]
    ends = np.minimum(np.append(ratio[1:], largest), largest)
    areas = survival * np.maximum(0, ends - ratio)
    mean = min(ratio[0], largest) + areas.sum()
    later, left, count = np.cumsum(areas[::-1])[::-1], at_risk - events, events.sum() / alike
    variance = alike * np.divide(later**2 * events, at_risk * left, out=np.zeros_like(areas), where=left > 0).sum()
    margin = students_t(count - 1) * np.sqrt(variance * count / (count - 1)) if count > 1 else np.nan
    return [*medians, mean, np.clip(mean - margin, 0, largest), np.clip(mean + margin, 0, largest)]


def _curves(connection: duckdb.DuckDBPyConnection, keys: tuple[str, ...]) -> tuple[pa.Table, list[Array], list[float]]:
    """Rows of events and censored clips by ratio, and the curves, one after the other, with how alike their clips are.

    Windows of one video count as if they were all alike (Kish 1965): an interval is rather too wide than too narrow.
    """
    steps = connection.sql(STEPS.format(keys=", ".join(keys))).to_arrow_table()
    names = zip(*(steps[key].to_pylist() for key in keys), strict=True)
    sizes = [len(list(group)) for _, group in groupby(names)]
    counts = np.stack([steps[name].to_numpy().astype(float) for name in ("events", "censored")])
    alike = [size for (size,) in connection.execute(ALIKE.format(keys=", ".join(keys))).fetchall()]
    parts = np.split(counts, np.cumsum(sizes)[:-1], axis=1) if sizes else []
    return steps, [curve(part[0], part[1], size) for part, size in zip(parts, alike, strict=True)], alike


def _add_columns(rows: pa.Table, names: tuple[str, ...], values: Array) -> pa.Table:
    """Rows with further columns; NULL where a number is not finite."""
    for name, column in zip(names, values, strict=True):
        numbers = pa.array(column, mask=~np.isfinite(column))
        rows = rows.append_column(name, numbers.cast(pa.int64()) if name == "at_risk" else numbers)
    return rows
