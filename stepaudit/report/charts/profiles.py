"""Charts of curves over frames, over deleted or inserted units, and over random layers."""

from collections.abc import Sequence

import altair as alt

from stepaudit.report.charts.drawing import chart, menu
from stepaudit.report.charts.lines import FEW_TICKS, PERCENT, curves, tips
from stepaudit.report.charts.looks import SOFT, Looks
from stepaudit.report.charts.matrix import DARK, LIGHT
from stepaudit.report.page.page import Chart

EVEN = [4, 4]  # dashes of what lines are held against
CHANCE = [1, 3]


def volume_profiles(rows: Sequence[dict], looks: Looks) -> Chart | None:
    """Share of a map in each frame. Rows of `volume_profiles.sql`."""
    title = (
        "How much of a map lies in each frame of the clip, mean over clips; the dashed line is an even share. "
        "Of methods with ratios the one nearest to 0.1."
    )
    axis = alt.Axis(tickMinStep=1, format="d", grid=False)
    x = alt.X("frame:Q", title="frame of the clip", scale=alt.Scale(nice=False), axis=axis)
    y = alt.Y("percent:Q", title="share of the map, %")
    tooltip = tips(model="model", contender="method", frame=("frame", "d"), percent=("share of the map, %", ".2f"))
    tooltip += tips(interval="95 % interval", clips=("clips", "d"))

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        even = alt.Chart().mark_rule(color=SOFT, strokeDash=EVEN).encode(y=alt.Y("max(even):Q"))
        return [even, *curves(visible, looks, x, y, tooltip, form=".2f")]

    shown = [{**row, "even": round(100 / len(row["frame"]), 2)} for row in rows]
    return chart("volume-profiles", "", title, shown, layers, panels=["dataset", "model"])


def faithfulness(rows: Sequence[dict], looks: Looks) -> Chart | None:
    """Probability while units leave or come. Rows of `faithfulness_curves.sql`."""
    fills = _fills(rows)
    title = (
        "Probability of the class while a clip is emptied (deletion) or filled (insertion) in a map's order, mean over "
        "clips; grey and dotted: in a random order. What stands in the place of removed pixels: "
        f"{', '.join(fills[:1])}{'; another can be chosen' if len(fills) > 1 else ''}."
    )
    x = alt.X("share:Q", title="units that left, or came, %", scale=PERCENT, axis=FEW_TICKS)
    y = alt.Y("percent:Q", title="probability, %", scale=PERCENT)
    tooltip = tips(model="model", contender="method", direction="direction", fill="fill", unit="unit")
    tooltip += tips(share=("units, %", ".1f"), percent=("probability, %", ".1f"), interval="95 % interval")
    tooltip += tips(random=("random order, %", ".1f"), clips=("clips", "d"), in_sample="maps made on this fill")

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        chance = alt.Chart().mark_line(color=SOFT, strokeDash=CHANCE, strokeWidth=1.8)
        chance = chance.encode(x=x, y=alt.Y("random:Q"), detail=["contender:N", "unit:N", "metric:N"])
        return [chance, *curves(visible, looks, x, y, tooltip)]

    return chart(
        *("faithfulness-curves", "faithfulness_curves", title, rows, layers),
        panels=["dataset", "model", "direction", "unit", "metric"],
        height=170,
        menus=[menu("fill", fills, "in the place of removed pixels")],
    )


def randomisation(rows: Sequence[dict], looks: Looks) -> Chart | None:
    """Rank correlation by the share of random layers. Rows of `sanity_randomisation.sql`."""
    title = (
        "How like the trained model's maps are the maps while more layers of the model hold random weights; "
        "the dashed line is the threshold below which a map counts as changed."
    )
    x = alt.X("randomised:Q", title="layers with random weights, %", scale=PERCENT, axis=FEW_TICKS)
    y = alt.Y("rank:Q", title="rank correlation", scale=alt.Scale(domainMax=1))
    tooltip = tips(model="model", contender="method", randomised=("random layers, %", ".0f"))
    tooltip += tips(rank=("rank correlation", ".3f"), interval="95 % interval", clips=("clips", "d"))

    def layers(visible: Sequence[dict]) -> list[alt.Chart]:
        threshold = alt.Chart().mark_rule(color=SOFT, strokeDash=EVEN).encode(y=alt.Y("max(threshold):Q"))
        return [threshold, *curves(visible, looks, x, y, tooltip, form=".3f")]

    name, panels = "sanity_randomisation", ["dataset", "model", "metric"]
    return chart("sanity-randomisation", name, title, rows, layers, panels=panels)


def _fills(rows: Sequence[dict]) -> list[str]:
    """Fills in the order of the menu: first the one on which the fewest maps were made."""
    own = {fill: sum(row["in_sample"] for row in rows if row["fill"] == fill) for fill in {row["fill"] for row in rows}}
    return sorted(own, key=lambda fill: (own[fill], fill))


def time_lines(rows: Sequence[dict]) -> Chart | None:
    """Answers by second of long footage. Rows of `time_lines.sql`."""
    title = (
        "Where in long footage the explained class is probable: a bar for each window, until the next one begins. "
        "Point at a bar for the model's answer. At most twenty videos of each model, those with the most windows."
    )
    tooltip = tips(video_id="video", second=("from, s", ".1f"), until_second=("until, s", ".1f"), answer="answer")
    tooltip += tips(explained="explained class", percent=("its probability, %", ".1f"))

    def layers(_visible: Sequence[dict]) -> list[alt.Chart]:
        bars = alt.Chart().encode(
            x=alt.X("second:Q", title="second of the video", axis=alt.Axis(grid=False)),
            x2="until_second:Q",
            y=alt.Y("video_id:N", title=None, axis=alt.Axis(labelLimit=140)),
            color=alt.Color("percent:Q", title="probability, %", scale=alt.Scale(domain=[0, 100], range=[LIGHT, DARK])),
            tooltip=list(tooltip),
        )
        return [bars.mark_bar(stroke=None, height=alt.RelativeBandSize(0.8))]

    return chart(*("time-lines", "videos", title, rows, layers), panels=["dataset", "model"], height=alt.Step(24))
