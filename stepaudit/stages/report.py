"""Stage report: an audit's tables become `audit.duckdb`, a CSV for each question, and a page to read."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from duckdb import DuckDBPyConnection

from stepaudit.audit import audit_folder
from stepaudit.audit.config import SECTIONS, Config
from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError
from stepaudit.report import build_database, catalog, charts, sql_files
from stepaudit.report.page import (
    chapters,
    clip_list,
    conclusions,
    finding_pictures,
    gallery,
    grids,
    mean_maps,
    page,
    summary,
)
from stepaudit.running import job_notes
from stepaudit.store import checksums, database, formats, writing

FIRST = "model_overview"  # the report that stands beside the findings
DETAILS = {  # of its columns: the report that says more
    "failed clips": "failures",
    "top1 percent": "accuracy",
    "commonest class percent": "accuracy_by_class",
    "need percent": "needs",
    "random times": "needs",
    "on box times": "mass_in_box",
    "frozen points": "time_use",
}

log = logging.getLogger(__name__)


def run(folder: Path) -> Path:
    """Writes the database, `report/<question>.csv`, `report/index.html` and their checksums. Returns the page's path.

    Args:
        folder: of the audit, `results/<audit>`.

    Raises:
        UsageError: no audit lies there, its tables are of another version, or a report is no valid SQL.
    """
    audit = audit_folder.of_folder(folder)
    _require_components(audit.config)
    with job_notes.noted(Job(audit.config, "report")):
        return _write_report(audit.folder, audit.saved)


def _require_components(config: Config) -> None:
    """Raises UsageError if a component is not on this machine: methods say there whether they are floors, or masks."""
    for kind in SECTIONS:
        for name in getattr(config, kind):
            component = config.component(kind, name)
            if not component.is_here:
                raise UsageError(
                    f"{kind}.{name}: '{component.origin}' is not here, and a report needs it; read the report that is "
                    "there, or install the module"
                )


def _write_report(folder: Path, config: Config) -> Path:
    """Build the database, the page and the list of checksums. Returns the page's path."""
    build_database.create(folder, config)
    with database.connect(folder, spills=True, small=True) as connection:
        html = _page(connection, folder, config)
    path = audit_folder.page(folder)
    writing.write_text(path, html)
    checksums.write_list(audit_folder.checksums(folder), sql_files.written(folder))
    log.info("%d reports, %.1f MB: %s", len(sql_files.all_reports()), len(html) / 1e6, path)
    return path


def _sections(connection: DuckDBPyConnection, folder: Path, drawn: Sequence[page.Chart]) -> list[page.Section]:
    """Section of each report, with its rows, which are also written as CSV."""
    sections = []
    for report in sql_files.all_reports():
        answer = _query_result(connection, report, audit_folder.answer(folder, report.name))
        meaning = partial(catalog.text_of, report.name)
        grid = grids.grid_of(answer, summary.labels(connection, answer.shown), meaning)
        own_charts = [chart for chart in drawn if chart.section == report.name]
        sections.append(page.Section(report, grid, own_charts, grids.verdict(answer.answers)))
    return sections


def _query_result(connection: DuckDBPyConnection, report: sql_files.Report, path: Path) -> grids.QueryResult:
    """Rows of a report for the page; all rows go to a CSV file, in batches."""
    answer: grids.QueryResult | None = None
    with writing.text_file(path) as file:
        for names, rows in database.batches(connection, report.sql):
            if answer is None:
                answer = grids.QueryResult(names)
                file.write(formats.csv_lines([names]))
            file.write(formats.csv_lines(rows))
            answer.add(rows)
    if answer is None:
        raise RuntimeError(f"report '{report.name}' gave no columns")  # `batches` gives them also without rows
    return answer


def _page(connection: DuckDBPyConnection, folder: Path, config: Config) -> str:
    """The page's HTML; writes the CSV files on the way."""
    drawn = charts.all_charts(connection, config)
    is_paper = summary.is_paper(connection)
    sections = [each for each in _sections(connection, folder, drawn) if is_paper or not each.report.is_claim]
    measured = [section for section in sections if section.grid.rows and section.report.name != FIRST]
    placed = {section.report.name for section in measured}
    examples = gallery.examples(connection, folder)
    return page.render(
        is_paper=is_paper,
        details={header: name for header, name in DETAILS.items() if name in placed},
        glance=[section for section in sections if section.grid.rows and section.report.name == FIRST],
        charts=drawn,
        vega=charts.vega_bundle() if any(chart.spec for chart in drawn) else "",
        chapters=chapters.in_chapters((section.report.name, section) for section in measured),
        unmeasured=[section for section in sections if not section.grid.rows],
        answers=[section for section in measured if section.verdict],
        overview_charts=[chart for chart in drawn if chart.section not in placed],
        findings=finding_pictures.pictured(conclusions.conclusions(connection, config), examples),
        examples=examples,
        clip_list=clip_list.clip_list(connection, folder, examples.anchors),
        mean_maps=mean_maps.mean_maps(connection, folder),
        **_audit_facts(connection, folder, config),
    )


def _audit_facts(connection: DuckDBPyConnection, folder: Path, config: Config) -> dict:
    """Name, configuration and versions of the audit, for the page."""
    return {
        "name": config.audit,
        "folder": f"{folder.resolve().parent.name}/{folder.resolve().name}",
        "headline": summary.headline(connection, config),
        "notices": summary.notices(connection),
        "filters": summary.filters(connection, config),
        "overview": summary.overview(connection, config),
        "stages": summary.stages(connection),
        "versions": summary.versions(connection),
        "seed": config.seed,
        "config_hash": config.hash,
        "config": (folder / audit_folder.FILE).read_text(encoding="utf-8"),
    }
