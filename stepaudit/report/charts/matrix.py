"""Charts of matrices: transfer of masks between models, and the answers to each class."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from stepaudit.report.charts.drawing import chart, interval
from stepaudit.report.charts.lines import tips
from stepaudit.report.page.page import Chart

LIGHT, DARK = "#e8eef4", "#1d4a78"  # of the least and the greatest value: also tooltip apart in grey
CELL = 36  # px
MATRIX = 330  # px, height of a matrix of many classes
LEGIBLE = 12  # classes whose cells have room for a number


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
        filled = cells.mark_rect(stroke="#8888").encode(color=_shade("kept", 1, title="probability"))
        return [filled, _numbers(cells, alt.Text("kept:Q", format=".2f"), "datum.kept > 0.45")]

    panels = ["dataset", "contender"]
    return chart("transfer", "mask_survival", title, rows, layers, panels=panels, height=alt.Step(CELL))


def confusions(rows: Sequence[dict]) -> list[Chart]:
    """Answers to the clips of each class, a chart for each data set. Rows of `confusions.sql`."""
    names = list(dict.fromkeys(row["dataset"] for row in rows))
    of_each = [[row for row in rows if row["dataset"] == name] for name in names]
    drawn = [_confusions(f"confusions-{place}", own, len(names)) for place, own in enumerate(of_each, start=1)]
    return [each for each in drawn if each]


def _confusions(name: str, rows: Sequence[dict], datasets: int) -> Chart | None:
    shown = sorted({row["truth"] for row in rows})
    title = _title(rows[0]["left_out"]) + (f" Data set: {rows[0]['dataset']}." if datasets > 1 else "")
    tooltip = tips(model="model", truth="class", answer="answer", count=("clips with this answer", "d"))
    tooltip += tips(clips=("clips of the class", "d"), percent=("of these, %", ".1f"))
    order = [*shown, *sorted({row["answer"] for row in rows} - set(shown))]

    def layers(_visible: Sequence[dict]) -> list[alt.Chart]:
        small: dict[str, Any] = {"labelFontSize": 10 if len(shown) <= LEGIBLE else 8, "labelOverlap": False}
        axis = alt.Axis(labelAngle=-50, labelLimit=90, **small)
        x = alt.X("answer:N", title="the model's answer", sort=order, axis=axis)
        y = alt.Y("truth:N", title="class", sort=order, axis=alt.Axis(labelLimit=110, **small))
        cells = alt.Chart().encode(x=x, y=y, tooltip=tooltip)
        filled = cells.mark_rect(stroke="#8888", cursor="pointer").encode(color=_shade("percent", 100, legend=None))
        counts = _numbers(cells, alt.Text("count:Q"), "datum.percent > 45")
        return [filled, counts] if len(order) <= LEGIBLE else [filled]

    height = alt.Step(min(CELL, MATRIX / len(shown)))
    return chart(name, "confusions", title, rows, layers, panels=["model"], height=height)


def _title(left_out: int) -> str:
    title = "Answers to the clips of each class (row): on the diagonal the right ones; darker: more of its clips."
    if not left_out:
        return title
    return f"{title} Of so many classes those with the most wrong answers; {left_out} are left out."


def _shade(column: str, greatest: float, **looks: Any) -> alt.Color:
    """Colour of a cell, between two shades."""
    return alt.Color(f"{column}:Q", scale=alt.Scale(domain=[0, greatest], range=[LIGHT, DARK]), **looks)


def _numbers(cells: alt.Chart, text: alt.Text, is_dark: str) -> alt.Chart:
    """Numbers in the cells, light where a cell is dark."""
    return cells.mark_text().encode(text=text, color=alt.condition(is_dark, alt.value("#ffffff"), alt.value("#1c2126")))
