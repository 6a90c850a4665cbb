"""The report's page: findings, answers, charts and pictures in one HTML file that loads nothing."""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2
from markupsafe import Markup

from stepaudit.report.page.chapters import anchor
from stepaudit.report.page.grids import Grid
from stepaudit.report.sql_files import Report
from stepaudit.store import package_files
from stepaudit.store.formats import finite

TEMPLATE = "report.html.jinja"
STYLES = ("report.css", "charts.css", "gallery.css")
SCRIPTS = ("report.js", "charts.js", "gallery.js", "clips.js")  # in the order in which they run
EARLY_SCRIPT = "theme.js"  # before anything is drawn
HARMLESS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True)
class Chart:
    """A chart of a report, as a still picture and for a script.

    Args:
        name: its name in the page's HTML, of letters, digits and hyphens.
        section: name of the report above whose table it stands; empty for a place of its own.
        title: a sentence with its content.
        svg: the drawing as an SVG element, which is trusted.
        spec: the same for Vega-Lite, with its data inside; None if it is not interactive.
    """

    name: str
    section: str
    title: str
    svg: str
    spec: dict | None = None


@dataclass(frozen=True)
class Section:
    """A report with its table, its charts, and the verdict on a claim of the paper."""

    report: Report
    grid: Grid
    charts: Sequence[Chart] = field(default_factory=tuple)
    verdict: str = ""

    @property
    def short(self) -> str:
        """The title's first words, for the navigation."""
        return self.report.title.partition(":")[0]


def render(*, charts: Sequence[Chart] = (), vega: str = "", **context: Any) -> str:
    """The page; every text is escaped that the template does not mark as safe.

    Args:
        charts: all charts of the page, whose specifications go into it.
        vega: the script that draws them and defines `stepauditVega`; empty without one.
        context: the other variables of the template.
    """
    drawn = vega if any(chart.spec for chart in charts) else ""
    scripts = [script(text) for text in (drawn, *map(_file, SCRIPTS)) if text]
    early = script(_file(EARLY_SCRIPT))
    return template(TEMPLATE).render(
        anchor=anchor,
        question=question,
        style=Markup("\n".join(map(_file, STYLES))),
        early=early,
        scripts=scripts,
        policy=policy([early, *scripts], evaluates=bool(drawn)),
        specs=harmless_json({chart.name: chart.spec for chart in charts if chart.spec}),
        **context,
    )


def template(name: str) -> jinja2.Template:
    """A template beside the reports; it escapes every text that is not marked as safe."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(package_files.reports()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def script(text: str) -> Markup:
    """JavaScript as the text of a `<script>`, which no text in it can end."""
    return Markup(re.sub(r"<(?=/script|!--|script)", r"\\x3c", text, flags=re.I))


def policy(scripts: Sequence[str], *, evaluates: bool) -> str:
    """The page's Content-Security-Policy: it loads nothing, and runs these scripts and no other.

    Args:
        scripts: as they stand in the page.
        evaluates: one of them compiles others, as Vega does with a chart's expressions.
    """
    allowed = " ".join(f"'sha256-{_digest(text)}'" for text in scripts) + (" 'unsafe-eval'" if evaluates else "")
    sources = f"script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def harmless_json(value: object) -> Markup:
    """JSON for a `<script>` of data: no text in it can end the script; NaN and infinity are null."""
    text = json.dumps(finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str)
    return Markup("".join(HARMLESS.get(sign, sign) for sign in text))


def question(audit: str, report: str) -> str:
    """The command for a report's table in a terminal.

    Args:
        audit: the audit's folder, as the reader may name it.
        report: its name.
    """
    name = report if re.fullmatch(r"[a-z_][a-z0-9_]*", report) else '"' + report.replace('"', '""') + '"'
    return f"stepaudit sql {shlex.quote(audit)} {_quoted(f'from {name}')}"


def _quoted(text: str) -> str:
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'


def _file(name: str) -> str:
    """Text of a file beside the template; empty if it does not exist."""
    path = package_files.reports() / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
