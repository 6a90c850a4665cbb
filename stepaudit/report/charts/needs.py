"""Charts of how much of a clip models need."""

from collections.abc import Sequence

import altair as alt

from stepaudit.report.charts.drawing import chart
from stepaudit.report.charts.lines import PERCENT, base, hover, tips
from stepaudit.report.charts.looks import Looks
from stepaudit.report.page.page import Chart

SIZE_AXIS = alt.Axis(grid=True, format="~g", values=[0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])
PIECE_KINDS = ["own piece", "runner-up class", "random pieces"]


def need_curves(rows: Sequence[dict], looks: Looks) -> Chart | None:
    """Kept share by size of the piece. Rows of `need_curves.sql`."""
    title = (
        "How much of what a clip adds to its empty versions the best piece of each size keeps, mean over clips that "
        "need something, with its 95 % band. The whole clip keeps all."
    )
    x = alt.X("size:Q", title="size of the piece, % of the clip", scale=alt.Scale(type="log"), axis=SIZE_AXIS)
    y = alt.Y("percent:Q", title="kept, %", scale=PERCENT, axis=alt.Axis(tickCount=5))
    tooltip = tips(model="model", method="method", size=("size, %", ".2f"), percent=("kept, %", ".1f"))
    tooltip += tips(interval="95 % interval", clips=("clips", "d"))

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        shared, selection = base(visible, looks, "model", x, y)
        band = shared.mark_area(fillOpacity=0.2).encode(y=alt.Y("low:Q"), y2="high:Q")
        return [band, shared.mark_line(strokeWidth=2).add_params(selection), hover(shared, tooltip)]

    return chart("need-curves", "need_curves", title, rows, layers, panels=["dataset", "method"])


def need_clips(rows: Sequence[dict], looks: Looks) -> Chart | None:
    """Strip plot of each clip's smallest share that keeps the answer, beside the runner-up class and random pieces.

    Rows of `need_clips.sql`.
    """
    title = (
        "How much of each clip a model needs (a stroke a clip), beside what the runner-up class and random pieces "
        "would need. The axis is logarithmic; clips that need nothing are not on it."
    )
    x = alt.X("percent:Q", title="needed, % of the clip", scale=alt.Scale(type="log"), axis=SIZE_AXIS)
    y = alt.Y("asked:N", title=None, sort=PIECE_KINDS, axis=alt.Axis(grid=False))
    tooltip = tips(model="model", method="method", asked="enough", clip="clip", percent=("needed, %", ".2f"))

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        shared, selection = base(visible, looks, "model", x, y)
        strokes = shared.mark_tick(thickness=1.5).encode(tooltip=list(tooltip))
        return [strokes.add_params(selection)]

    panels = ["dataset", "method", "model"]
    return chart("need-clips", "needs", title, rows, layers, panels=panels, height=alt.Step(34))
