"""compare.html: a comparison on one page that loads nothing."""

from collections.abc import Sequence

import altair as alt
import jinja2

from stepaudit.commands.compare import chosen_clips, findings
from stepaudit.commands.compare.compare import Comparison
from stepaudit.commands.compare.conditions import Verdict
from stepaudit.commands.compare.output import HEADERS, cells, is_shown, verdict_lines
from stepaudit.commands.compare.quantities import FAMILIES
from stepaudit.report import charts
from stepaudit.report.page.page import Chart
from stepaudit.store import package_files

TEMPLATE = "compare.html.jinja"
MOST_CLIPS = 500  # rows of the table of clips; compare.json has all
CENSORED = {"left": "or less", "right": "or more"}


def render(comparison: Comparison, verdicts: Sequence[Verdict]) -> str:
    """The page. Every text is escaped but for the charts."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(package_files.reports()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [each for each in comparison.quantities if is_shown(each)]
    return environment.get_template(TEMPLATE).render(
        pair=comparison.pair,
        verdicts=list(zip(verdicts, verdict_lines(verdicts), strict=True)),
        findings=findings.sentences(comparison),
        notes=comparison.notes,
        headers=HEADERS,
        shown=[cells(each) for each in shown],
        others=[cells(each) for each in comparison.quantities if not is_shown(each)],
        meanings={name: FAMILIES[name] for name in dict.fromkeys(each.name for each in comparison.quantities)},
        charts=drawings(comparison.clips),
        examples=chosen_clips.examples(comparison),
        clips=[clip_row(row) for row in comparison.clips[:MOST_CLIPS]],
        left_out=max(0, len(comparison.clips) - MOST_CLIPS),
        failures=comparison.failures,
    )


def clip_row(row: dict) -> list[str]:
    """A row of the table of clips: name, label and what both sides say and need."""
    facts = chosen_clips.facts(row)
    return [row["clip_id"], row["label"], facts[0][2:], facts[1][2:], "; ".join(facts[2:])]


def drawings(rows: Sequence[dict]) -> list[Chart]:
    """A's and B's probability and a* of each clip, against each other."""
    found = []
    probabilities = [_point(row, row["a_probability"], row["b_probability"]) for row in rows]
    if probabilities:
        title = "Probability of the target: above the line B is surer than A. A dot is a clip."
        found.append(Chart("probability", "", title, _scatter(probabilities, "probability", [0, 1], "linear")))
    needs = [(row, of, search) for row in rows for of, search in list(row["searches"].items())[:1]]
    if needs:
        points = [_point(row, each["a_ratio"], each["b_ratio"], _certainty(each)) for row, _, each in needs]
        ends = [value for point in points for value in (point["a"], point["b"])]
        title = (
            f"Minimum preservation ratio ({needs[0][1]}): above the line B needs more of a clip than A. "
            "A hollow dot: a search ended before the answer."
        )
        found.append(Chart("ratio", "", title, _scatter(points, "ratio", [min(ends) / 1.3, max(ends) * 1.3], "log")))
    return found


def _certainty(search: dict) -> str:
    return "known" if search["a_censored"] is None and search["b_censored"] is None else "censored"


def _point(row: dict, a: float, b: float, kind: str = "known") -> dict:
    return {"clip": row["clip_id"], "a": a, "b": b, "kind": kind}


def _scatter(points: Sequence[dict], what: str, domain: Sequence[float], scale: str) -> str:
    axes = alt.Scale(domain=list(domain), type=scale, nice=False)
    line = alt.Chart(alt.Data(values=[{"a": end, "b": end} for end in domain])).mark_line(
        color="#8888", strokeDash=[4, 4]
    )
    dots = alt.Chart(alt.Data(values=list(points))).mark_point(size=60, opacity=0.8, color=charts.SERIES[0])
    x, y = (alt.X("a:Q", title=f"{what} in A", scale=axes), alt.Y("b:Q", title=f"{what} in B", scale=axes))
    fill = alt.condition("datum.kind == 'known'", alt.value(charts.SERIES[0]), alt.value("transparent"))
    return charts.svg(alt.layer(line.encode(x=x, y=y), dots.encode(x=x, y=y, fill=fill)))
