"""Shared parts of charts: lines and points in the looks of methods and models, legends, tooltips."""

from collections.abc import Sequence

import altair as alt

from stepaudit.report.charts.drawing import interval
from stepaudit.report.charts.looks import Looks

PERCENT = alt.Scale(domain=[0, 100], clamp=True)
FEW_TICKS = alt.Axis(grid=False, tickCount=5)


def base(rows: Sequence[dict], looks: Looks, kind: str, x: alt.X, y: alt.Y) -> tuple[alt.Chart, alt.Parameter]:
    """The shared encoding of lines, and the parameter of the legend's selection. `kind`: `method` or `model`."""
    selection = alt.selection_point(name="picked", fields=[kind], bind="legend")
    scales = looks.scales(kind, {row[kind] for row in rows})
    shared = alt.Chart().encode(
        x=x,
        y=y,
        color=alt.Color(f"{kind}:N", title=None, scale=scales["colour"]),
        detail=[f"{key}:N" for key in ("views", "method", "contender", "unit", "metric") if key in rows[0]],
        opacity=alt.condition(selection, alt.value(1), alt.value(0.12)),
    )
    return shared, selection


def curves(
    rows: Sequence[dict], looks: Looks, x: alt.X, y: alt.Y, tooltip: Sequence[alt.Tooltip], *, form: str = ".1f"
) -> list[alt.Chart]:
    """A line for each method, with a shape of its own at each point."""
    shared, selection = base(rows, looks, "method", x, y)
    scales = looks.scales("method", {row["method"] for row in rows})
    dashes = alt.StrokeDash("method:N", title=None, scale=scales["dash"])
    points = shared.mark_point(size=32, filled=True, opacity=1).transform_calculate(interval=interval(form=form))
    points = shaped(points, looks, rows, "method").encode(tooltip=list(tooltip))
    return [shared.mark_line(strokeWidth=1.8).encode(strokeDash=dashes).add_params(selection), points]


def shaped(marks: alt.Chart, looks: Looks, rows: Sequence[dict], kind: str) -> alt.Chart:
    """Marks in the shapes of their methods or models."""
    scales = looks.scales(kind, {row[kind] for row in rows})
    return marks.encode(shape=alt.Shape(f"{kind}:N", title=None, scale=scales["shape"]))


def hover(shared: alt.Chart, tooltip: Sequence[alt.Tooltip]) -> alt.Chart:
    """Invisible points of a line, with a tooltip."""
    points = shared.mark_point(size=150, filled=True).transform_calculate(interval=interval())
    return points.encode(opacity=alt.value(0), tooltip=list(tooltip)).properties(name="hover")


def tips(**columns: str | tuple[str, str]) -> list[alt.Tooltip]:
    """Tooltip of columns: the title, and for numbers the format."""
    return [
        alt.Tooltip(f"{column}:N", title=given)
        if isinstance(given, str)
        else alt.Tooltip(f"{column}:Q", title=given[0], format=given[1])
        for column, given in columns.items()
    ]
