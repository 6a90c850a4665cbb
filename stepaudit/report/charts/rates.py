"""Charts of rates: a dot with its interval for each method, beside pointers that ignore the model."""

import json
from collections.abc import Sequence
from typing import Any

import altair as alt

from stepaudit.report.charts.drawing import chart, interval, menu
from stepaudit.report.charts.lines import tips
from stepaudit.report.charts.looks import SOFT, Looks
from stepaudit.report.page.page import Chart

ROW = 20  # px of a method
BEST = "best trivial pointer"
DASHES = ([1, 0], [6, 3], [2, 2], [4, 1], [1, 4], [8, 2, 2, 2])
CONTENDERS = alt.Y("contender:N", title=None, sort=alt.EncodingSortField("place", op="min"), axis=alt.Axis(grid=True))
GAMES = {
    "spatial_pointing": "Share of frames whose peak falls on the box",
    "temporal_pointing": "Share of clips whose most important frame lies in the annotated action",
}


def pointing(rows: Sequence[dict], looks: Looks, game: str) -> Chart | None:
    """Hit rates with their floors. Rows of `pointing.sql`; `game`: `spatial_pointing` or `temporal_pointing`."""
    title = f"{GAMES[game]}, with 95 % intervals. Strokes: what pointers that ignore the model reach on the same clips."
    tooltip = tips(model="model", contender="method", metric="metric", percent=("hits, %", ".1f"))
    tooltip += tips(interval="95 % interval", frames=("frames", "d"), clips=("clips", "d"))
    shown, floors = _add_floor_columns(_add_places([row for row in rows if row["metric_use"] == game], looks))
    tooltip += tips(**{field: (f"{name}, %", ".1f") for field, name in floors.items()})

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        x = alt.X("percent:Q", title="hits, %", scale=alt.Scale(domain=[0, 100]))
        return [_strokes(floors), *_dots(visible, looks, x, tooltip, ".1f")]

    panels = ["dataset", "model", "metric"]
    return chart(game.replace("_", "-"), game, title, shown, layers, panels=panels, height=alt.Step(ROW))


def gains(rows: Sequence[dict], looks: Looks, metrics: Sequence[str]) -> Chart | None:
    """Gains over the best floor, one metric at a time. Rows of `gains.sql`; `metrics` in the configuration's order."""
    measured = {row["metric"] for row in rows}
    offered = [metric for metric in metrics if metric in measured]
    title = (
        "How much more each method measures than the best pointer that ignores the model, with 95 % intervals: "
        f"{', '.join(offered[:1])}{'; another metric can be chosen' if len(offered) > 1 else ''}. "
        "Filled: the answer is yes or no; hollow: cannot tell."
    )
    tooltip = tips(model="model", contender="method", metric="metric", gain=("gain", ".3f"))
    tooltip += tips(interval="95 % interval", best_floor="best floor", clips=("clips", "d"))
    tooltip += tips(holm_p=("p (Holm)", ".4f"), answer="answer")

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        zero = alt.Chart().mark_rule(color=SOFT).encode(x=alt.datum(0))
        x = alt.X("gain:Q", title="gain over the best trivial pointer")
        return [zero, *_dots(visible, looks, x, tooltip, ".3f")]

    menus, panels, shown = [menu("metric", offered, "metric")], ["dataset", "model"], _add_places(rows, looks)
    return chart("gains", "method_gains", title, shown, layers, panels=panels, height=alt.Step(ROW), menus=menus)


def preservation_rates(rows: Sequence[dict], looks: Looks) -> Chart | None:
    """Probability kept, where no method has several ratios. Rows of `preservation_curves.sql`."""
    title = (
        "Probability that clips keep under a mask, in percent of their own, with 95 % intervals. A triangle: clips "
        "whose minimum ratio is censored, because they keep enough at the only ratio (left) or do not (right)."
    )
    tooltip = tips(model="model", contender="method", percent=("probability kept, %", ".1f"))
    tooltip += tips(interval="95 % interval", keeping=("clips that keep enough, %", ".1f"), clips=("clips", "d"))
    tooltip += tips(below=("keep enough", "d"), above=("do not keep enough", "d"))

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        x = alt.X("percent:Q", title="probability kept, % of the clip's own", scale=alt.Scale(zero=False))
        return [*_dots(visible, looks, x, tooltip, ".1f"), *_censored_marks(tooltip)]

    points = [{key: value[0] if isinstance(value, list) else value for key, value in row.items()} for row in rows]
    shown = _add_places([{**point, "contender": f"{point['method']} {point['ratio']:g}"} for point in points], looks)
    name, panels = "preservation-curves", ["dataset", "model"]
    return chart(name, "preservation_curves", title, shown, layers, panels=panels, height=alt.Step(ROW))


def _dots(rows: Sequence[dict], looks: Looks, x: alt.X, tooltip: Sequence[alt.Tooltip], form: str) -> list[alt.Chart]:
    """An interval and a dot for each method; hollow where the answer is `cannot tell`."""
    scales = looks.scales("method", {row["method"] for row in rows})
    quiet: dict[str, Any] = {"title": None, "legend": None}  # the axis names them
    colours = {
        name: channel("method:N", scale=scales["colour"], **quiet)
        for name, channel in (("color", alt.Color), ("stroke", alt.Stroke), ("fill", alt.Fill))
    }
    shared = alt.Chart().transform_calculate(interval=interval(form=form))
    shared = shared.encode(y=CONTENDERS, tooltip=list(tooltip))
    bars = shared.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", color=colours["color"])
    dots = shared.mark_point(size=60, filled=True, strokeWidth=1.5, opacity=1).encode(
        x=x,
        shape=alt.Shape("method:N", scale=scales["shape"], **quiet),
        stroke=colours["stroke"],
        fill=colours["fill"],
        fillOpacity=alt.condition("datum.answer !== 'cannot tell'", alt.value(1), alt.value(0)),
    )
    return [bars, dots]


def _add_floor_columns(rows: Sequence[dict]) -> tuple[list[dict], dict[str, str]]:
    """Rows with a field for each floor's rate, the best floor first, and the floors' names by field."""
    floors = sorted({each["floor"] for row in rows for each in row["floors"]})
    fields = {name: f"floor{number}" for number, name in enumerate([BEST, *floors])}
    reached = [{BEST: row["best"]} | {each["floor"]: each["percent"] for each in row["floors"]} for row in rows]
    shown = [
        {key: value for key, value in row.items() if key != "floors"}
        | {field: values.get(name) for name, field in fields.items()}
        for row, values in zip(rows, reached, strict=True)
    ]
    return shown, {field: name for name, field in fields.items()}


def _strokes(floors: dict[str, str]) -> alt.Chart:
    """Rates of trivial pointers as a stroke across the row of each method; together they make lines."""
    names = ", ".join(f"{field}: {json.dumps(name)}" for field, name in floors.items())
    scale = alt.Scale(domain=list(floors), range=[DASHES[place % len(DASHES)] for place in range(len(floors))])
    legend = alt.Legend(labelExpr=f"({{{names}}})[datum.label]", symbolType="M-1,0H1", symbolSize=200)
    reached = alt.Chart().transform_fold(list(floors), as_=["floor", "reached"])
    reached = reached.transform_filter("isValid(datum.reached)")
    strokes = reached.mark_point(shape="M0,-0.5V0.5", size=(2 * ROW) ** 2, stroke=SOFT, strokeWidth=1.5)
    dashes = alt.StrokeDash("floor:N", title=None, scale=scale, legend=legend)
    return strokes.encode(x=alt.X("reached:Q"), y=CONTENDERS, strokeDash=dashes)


def _censored_marks(tooltip: Sequence[alt.Tooltip]) -> list[alt.Chart]:
    """Triangles at the left and right edge of the chart, in rows whose `below` or `above` counts censored clips."""
    marks = (
        alt.Chart()
        .mark_point(size=60, filled=False, strokeWidth=1.5, stroke=SOFT)
        .encode(y=CONTENDERS, tooltip=list(tooltip))
    )
    return [
        marks.transform_filter(f"datum.{column} > 0").encode(shape=alt.value(shape), x=alt.value(x))
        for column, shape, x in (("below", "triangle-left", 0), ("above", "triangle-right", "width"))
    ]


def _add_places(rows: Sequence[dict], looks: Looks) -> list[dict]:
    """Rows with their place from top to bottom: methods in the configuration's order."""
    order = {name: place for place, name in enumerate(looks.methods)}
    pairs = sorted({(order.get(row["method"], -1), row["contender"]) for row in rows})
    places = {contender: place for place, (_, contender) in enumerate(pairs)}
    return [{**row, "place": places[row["contender"]]} for row in rows]
