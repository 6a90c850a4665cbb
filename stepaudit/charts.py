"""Charts of a report as SVG: drawn by Vega-Lite in the process, without a network or a script in the page."""

import json
import re
from collections.abc import Sequence

import altair as alt
import vl_convert

SERIES = (
    "#3b82c4",
    "#d9822b",
    "#2f9e6e",
    "#b0518f",
    "#8a7a2b",
    "#7a6ad8",
    "#c4504a",
    "#4f9aa8",
)  # on white and on black


def training_curves(rows: Sequence[dict]) -> str:
    """Accuracy by epoch as SVG: validation solid, training dashed, a dot at the epoch that was kept.

    Args:
        rows: of the table `training_log`.
    """
    values = [
        {"series": series, "epoch": row["epoch"], "views": views, "percent": 100 * row[column], "best": row["best"]}
        for row, series in zip(rows, _series(rows, "model", "dataset"), strict=True)
        for views, column in (("validation", "validation_accuracy"), ("training", "train_accuracy"))
        if row[column] is not None
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d", grid=False)),
        y=alt.Y("percent:Q", title="accuracy, %", scale=alt.Scale(domain=[0, 100])),
        color=_colour(values),
    )
    lines = base.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("views:N", title=None, sort=["validation", "training"])
    )
    kept = base.mark_point(size=70, filled=True, opacity=1).transform_filter(
        "datum.best && datum.views == 'validation'"
    )
    return svg(alt.layer(lines, kept))


def preservation_curves(rows: Sequence[dict], largest_ratio: float) -> str:
    """Share of the clips that need no more than a ratio (1 − Kaplan-Meier) as SVG; a tick where clips are censored.

    Args:
        rows: of the view `kaplan_meier`.
        largest_ratio: where the curves end.
    """
    values = [
        {"series": series, "ratio": row["ratio"], "percent": 100 - 100 * row["survival"], "censored": row["censored"]}
        for row, series in zip(rows, _series(rows, "model", "dataset", "method", "bound"), strict=True)
    ]
    last = {value["series"]: value for value in sorted(values, key=lambda value: value["ratio"])}
    values += [{**value, "ratio": 0, "percent": 0, "censored": 0} for value in last.values()]
    values += [
        {**value, "ratio": largest_ratio, "censored": 0} for value in last.values() if value["ratio"] < largest_ratio
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X(
            "ratio:Q",
            title="preservation ratio",
            scale=alt.Scale(domain=[0, largest_ratio], clamp=True),
            axis=alt.Axis(grid=False, tickCount=8),
        ),
        y=alt.Y("percent:Q", title="clips whose answer is kept, %", scale=alt.Scale(domain=[0, 100])),
        color=_colour(values),
    )
    lines = base.mark_line(interpolate="step-after", strokeWidth=2)
    marks = base.mark_tick(thickness=2, height=10, opacity=1).transform_filter("datum.censored > 0")
    return svg(alt.layer(lines, marks))


def svg(chart: alt.TopLevelMixin) -> str:
    """A chart as an SVG element in the colours of the page around it, as wide as that allows."""
    text_colours = {"labelColor": "currentColor", "titleColor": "currentColor"}
    line_colours = {"domainColor": "#8888", "tickColor": "#8888", "gridColor": "#8883"}
    styled = (
        chart.properties(width=440, height=220, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(**text_colours, **line_colours, titleFontWeight="normal")
        .configure_legend(**text_colours, orient="top", direction="vertical", labelLimit=400)
    )
    text = vl_convert.vegalite_to_svg(json.loads(styled.to_json()))
    return re.sub(r'<svg ([^>]*?)width="\d+" height="\d+"', r"<svg \1", text, count=1)


def _series(rows: Sequence[dict], *keys: str) -> list[str]:
    """A name for each row's line, of those columns that tell lines apart."""
    telling = [key for key in keys if len({row[key] for row in rows}) > 1] or keys[:1]
    return [" · ".join(str(row[key]) for key in telling) for row in rows]


def _colour(values: Sequence[dict]) -> alt.Color:
    names = sorted({value["series"] for value in values})
    colours = [SERIES[index % len(SERIES)] for index in range(len(names))]
    return alt.Color("series:N", title=None, scale=alt.Scale(domain=names, range=colours))
