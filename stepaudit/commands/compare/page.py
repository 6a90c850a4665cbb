"""compare.html: a comparison on one page that loads nothing."""

from collections.abc import Sequence
from typing import Literal

import altair as alt

from stepaudit.commands.compare import examples, findings
from stepaudit.commands.compare.comparison import Comparison
from stepaudit.commands.compare.conditions import Verdict
from stepaudit.commands.compare.quantities import FAMILIES
from stepaudit.commands.compare.text import HEADERS, cells, is_shown, verdict_lines
from stepaudit.report import charts
from stepaudit.report.page.page import Chart, template

MAX_CLIPS = 500  # rows of the table of clips; compare.json has all


def render(comparison: Comparison, verdicts: Sequence[Verdict]) -> str:
    """HTML of the page. Every text but the charts is escaped."""
    quantities, clips = comparison.quantities, comparison.clips
    facts = [examples.facts(row) for row in clips[:MAX_CLIPS]]
    return template("compare.html.jinja").render(
        pair=comparison.pair,
        verdicts=list(zip(verdicts, verdict_lines(verdicts), strict=True)),
        findings=findings.sentences(comparison),
        notes=comparison.notes,
        headers=HEADERS,
        shown=[cells(each) for each in quantities if is_shown(each)],
        others=[cells(each) for each in quantities if not is_shown(each)],
        meanings={name: FAMILIES[name] for name in dict.fromkeys(each.name for each in quantities)},
        charts=_charts(clips),
        examples=examples.examples(comparison),
        clips=[
            [row["clip_id"], row["label"], a[2:], b[2:], "; ".join(others)]
            for row, (a, b, *others) in zip(clips, facts, strict=False)
        ],
        left_out=max(0, len(clips) - MAX_CLIPS),
        failures=comparison.failures,
    )


def _charts(rows: Sequence[dict]) -> list[Chart]:
    """Scatter plots of A's and B's probability and a* of each clip."""
    drawn = []
    probabilities = [_point(row, row["a_probability"], row["b_probability"]) for row in rows]
    if probabilities:
        title = "Probability of the target: above the line B is surer than A. A dot is a clip."
        drawn.append(Chart("probability", "", title, _scatter(probabilities, "probability", [0, 1], "linear")))
    searches = [(row, *next(iter(row["searches"].items()))) for row in rows if row["searches"]]
    if searches:
        points = [
            _point(row, each["a_ratio"], each["b_ratio"], censored=bool(each["a_censored"] or each["b_censored"]))
            for row, _, each in searches
        ]
        ends = [point[side] for point in points for side in "ab"]
        title = (
            f"Minimum preservation ratio ({searches[0][1]}): above the line B needs more of a clip than A. "
            "A hollow dot: a search ended before the answer."
        )
        drawn.append(Chart("ratio", "", title, _scatter(points, "ratio", [min(ends) / 1.3, max(ends) * 1.3], "log")))
    return drawn


def _point(row: dict, a: float, b: float, *, censored: bool = False) -> dict:
    return {"clip": row["clip_id"], "a": a, "b": b, "kind": "censored" if censored else "known"}


def _scatter(points: Sequence[dict], name: str, domain: Sequence[float], scale: Literal["linear", "log"]) -> str:
    """SVG of B against A, a point for each clip, with the diagonal; hollow points are censored."""
    axes = alt.Scale(domain=list(domain), type=scale, nice=False)
    line = alt.Chart(alt.Data(values=[{"a": end, "b": end} for end in domain])).mark_line(
        color="#8888", strokeDash=[4, 4]
    )
    dots = alt.Chart(alt.Data(values=list(points))).mark_point(size=60, opacity=0.8, color=charts.SERIES[0])
    x, y = (alt.X("a:Q", title=f"{name} in A", scale=axes), alt.Y("b:Q", title=f"{name} in B", scale=axes))
    fill = alt.condition("datum.kind == 'known'", alt.value(charts.SERIES[0]), alt.value("transparent"))
    return charts.svg(alt.layer(line.encode(x=x, y=y), dots.encode(x=x, y=y, fill=fill)))
