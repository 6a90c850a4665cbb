"""The chart of transfer: a cell for each pair of models."""

from collections.abc import Sequence

import altair as alt

from stepaudit.report.charts.drawing import chart, interval
from stepaudit.report.charts.lines import tips
from stepaudit.report.page.page import Chart

LIGHT, DARK = "#e8eef4", "#1d4a78"  # of probability 0 and 1: also tooltip apart in grey
CELL = 36  # px


def transfer(rows: Sequence[dict]) -> Chart | None:
    """Probability on other models. Rows of `transfer.sql`."""
    title = (
        "Transfer of masks: mean probability of the target on what a mask leaves of a clip, made for the model of the "
        "row and asked of the model of the column. Of methods with ratios the one nearest to 0.1."
    )
    tooltip = tips(contender="method", model="mask made for", asked="asked of", kept=("probability", ".3f"))
    tooltip += tips(interval="95 % interval", whole=("on the whole clip", ".3f"))
    tooltip += tips(empty=("on the fill alone", ".3f"), clips=("clips", "d"))

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        x = alt.X("asked:N", title="asked of", axis=alt.Axis(labelAngle=0, labelLimit=120))
        cells = alt.Chart().transform_calculate(interval=interval(form=".3f"))
        cells = cells.encode(x=x, y=alt.Y("model:N", title="mask made for"), tooltip=tooltip)
        scale = alt.Scale(domain=[0, 1], range=[LIGHT, DARK])
        filled = cells.mark_rect(stroke="#8888").encode(color=alt.Color("kept:Q", title="probability", scale=scale))
        ink = alt.condition("datum.kept > 0.45", alt.value("#ffffff"), alt.value("#1c2126"))
        return [filled, cells.mark_text().encode(text=alt.Text("kept:Q", format=".2f"), color=ink)]

    panels = ["dataset", "contender"]
    return chart("transfer", "mask_survival", title, rows, layers, panels=panels, height=alt.Step(CELL))
