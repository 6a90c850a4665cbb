"""Charts of curves over epochs and preservation ratios."""

from collections.abc import Sequence

import altair as alt

from stepaudit.report.charts.drawing import chart, interval
from stepaudit.report.charts.lines import PERCENT, base, curves, hover, shaped, tips
from stepaudit.report.charts.looks import DASHES, Looks
from stepaudit.report.page.page import Chart


def training(rows: Sequence[dict], looks: Looks) -> Chart | None:
    """Accuracy by epoch. Rows of `training.sql`."""
    title = "Training: accuracy on validation clips (solid) and training views (dashed); the dot is the epoch kept."
    axis = alt.Axis(tickMinStep=1, format="d", grid=False)
    x = alt.X("epoch:Q", title="epoch", scale=alt.Scale(zero=False, nice=False), axis=axis)
    tooltip = tips(model="model", views="clips of", epoch=("epoch", "d"), percent=("accuracy, %", ".1f"))
    tooltip += tips(interval="95 % interval", clips=("clips", "d"))

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        scale = alt.Scale(domain=["validation", "training"], range=list(map(list, DASHES[:2])))  # also of one alone
        dashes = alt.StrokeDash("views:N", title=None, scale=scale)
        shared, selection = base(visible, looks, "model", x, _percent("percent", "accuracy, %"))
        accuracy = shared.mark_line(strokeWidth=2).encode(strokeDash=dashes).add_params(selection)
        best = shared.mark_point(size=80, filled=True, opacity=1).transform_filter("datum.kept")
        return [accuracy, shaped(best, looks, visible, "model"), hover(shared, tooltip)]

    return chart("training", "accuracy", title, rows, layers, panels=["dataset"])


def minimum_ratio(rows: Sequence[dict], looks: Looks, largest_ratio: float) -> Chart | None:
    """One minus the Kaplan-Meier curve. Rows of `minimum_ratio.sql`.

    Args:
        rows: a curve each.
        looks: of the models.
        largest_ratio: end of the axis, if the last step is not before it.
    """
    title = (
        "Share of clips for which a mask of this ratio suffices (1 − Kaplan-Meier, with its 95 % band). A triangle: "
        "clips that the smallest mask tried satisfies, so that they may need less. A tick: clips that leave the "
        "search there, because the largest mask does not suffice."
    )
    x = _ratio(alt.Scale(domain=[0, min(largest_ratio, 1.25 * _last_step(rows))], clamp=True))
    tooltip = tips(
        model="model", method="method", ratio=("ratio", ".3f"), percent=("clips for which it suffices, %", ".1f")
    )
    tooltip += tips(interval="95 % interval", at_risk=("clips still searched", "d"))
    tooltip += tips(left_censored=("of these, may need less", "d"), right_censored=("clips that need more", "d"))

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        shared, selection = base(visible, looks, "model", x, _percent("percent", "clips for which it suffices, %"))
        dashes = _dashes(visible, "method" if len({row["method"] for row in visible}) > 1 else "model")
        band = shared.mark_area(interpolate="step-after", fillOpacity=0.13)
        steps = shared.mark_line(interpolate="step-after", strokeWidth=2).encode(strokeDash=dashes)
        ticks = shared.mark_tick(thickness=2, height=10, opacity=1).transform_filter("datum.right_censored > 0")
        less = shared.mark_point(shape="triangle-left", size=28, filled=False, strokeWidth=1)
        less = less.transform_filter("datum.left_censored > 0")
        seen = [band.encode(y=alt.Y("low:Q"), y2="high:Q"), steps.add_params(selection), ticks, less]
        return [*seen, hover(shared, tooltip)]

    return chart("minimum-ratio", "min_ratio", title, rows, layers, panels=["dataset", "bound"])


def preservation(rows: Sequence[dict], looks: Looks) -> Chart | None:
    """Probability kept by ratio. Rows of `preservation_curves.sql`, some with several ratios."""
    title = (
        "Probability that clips keep under a mask of each ratio, in percent of their own. A triangle: clips that keep "
        "enough already at the smallest ratio (left) or not even at the largest (right): the minimum is censored."
    )
    x = _ratio(alt.Scale(zero=False, nice=True))
    y = alt.Y("percent:Q", title="probability kept, % of the clip's own", scale=alt.Scale(zero=True))
    tooltip = tips(model="model", method="method", ratio=("ratio", "~g"), percent=("probability kept, %", ".1f"))
    tooltip += tips(interval="95 % interval", keeping=("clips that keep enough, %", ".1f"), clips=("clips", "d"))
    tooltip += tips(below=("keep enough at the smallest ratio", "d"), above=("do not at the largest", "d"))

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        shared = base(visible, looks, "method", x, y)[0]
        return [*curves(visible, looks, x, y, tooltip), *_censored_marks(shared, tooltip)]

    name, panels = "preservation-curves", ["dataset", "model"]
    return chart(name, "preservation_curves", title, rows, layers, panels=panels)


def _censored_marks(shared: alt.Chart, tooltip: Sequence[alt.Tooltip]) -> list[alt.Chart]:
    """Triangles at the ends of curves, where clips are censored."""
    marks = shared.mark_point(size=90, filled=False, strokeWidth=1.5).transform_calculate(interval=interval())
    return [
        marks.transform_filter(f"datum.{column} > 0").encode(
            shape=alt.value(shape), xOffset=alt.value(offset), tooltip=list(tooltip)
        )
        for column, shape, offset in (("below", "triangle-left", -9), ("above", "triangle-right", 9))
    ]


def _ratio(scale: alt.Scale) -> alt.X:
    return alt.X("ratio:Q", title="preservation ratio", scale=scale, axis=alt.Axis(grid=False, tickCount=6))


def _percent(column: str, title: str) -> alt.Y:
    return alt.Y(f"{column}:Q", title=title, scale=PERCENT)


def _dashes(rows: Sequence[dict], column: str) -> alt.StrokeDash:
    names = sorted({row[column] for row in rows})
    dashes = [list(DASHES[place % len(DASHES)]) for place in range(len(names))]
    return alt.StrokeDash(f"{column}:N", title=None, scale=alt.Scale(domain=names, range=dashes))


def _last_step(rows: Sequence[dict]) -> float:
    """The greatest ratio of a step or of a censored clip."""
    ratios = [ratio for row in rows for ratio, left in zip(row["ratio"], row["at_risk"], strict=True) if left]
    return max(ratios, default=1)
