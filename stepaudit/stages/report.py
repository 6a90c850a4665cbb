"""Stage report: an audit's tables become `audit.duckdb`, a CSV for each question, and a page to read."""

import logging
from pathlib import Path

from duckdb import DuckDBPyConnection

from stepaudit import charts, database, gallery, page, reports, summary
from stepaudit.config import Config, load
from stepaudit.errors import UsageError

log = logging.getLogger(__name__)


def run(folder: Path) -> Path:
    """Writes the database, `report/<question>.csv` and `report/index.html` of an audit. Returns the page's path.

    Args:
        folder: of the audit, `results/<audit>`.

    Raises:
        UsageError: no audit lies there, its tables are of another version, or a report is no valid SQL.
    """
    if not (folder / "config.yaml").exists():
        raise UsageError(f"{folder}: no audit lies here (no config.yaml in it); name its folder, such as results/demo")
    config = load(folder / "config.yaml")
    database.create(folder, config)
    with database.connect(folder) as connection:
        sections = _sections(connection, folder, config)
        html = page.render(sections=sections, **_context(connection, folder, config))
    path = folder / "report" / "index.html"
    _write(path, html)
    log.info("%d reports, %.1f MB: %s", len(sections), len(html) / 1e6, path)
    return path


def _sections(connection: DuckDBPyConnection, folder: Path, config: Config) -> list[page.Section]:
    """Every report, answered; the answers are also written as CSV."""
    drawn = {"accuracy": _training_chart(connection), "min_ratio": _preservation_chart(connection, config)}
    sections = []
    for report in reports.all_reports():
        names, rows = database.fetch(connection, report.sql)
        _write(folder / "report" / f"{report.name}.csv", database.format_rows(names, rows, "csv"))
        sections.append(page.Section(report, page.grid(names, rows), drawn.get(report.name), page.verdict(names, rows)))
    return sections


def _training_chart(connection: DuckDBPyConnection) -> page.Chart | None:
    rows = database.records(connection, "from training_log")
    title = "Training: accuracy on validation clips (solid) and training views (dashed); the dot is the epoch kept."
    return page.Chart(title, charts.training_curves(rows)) if rows else None


def _preservation_chart(connection: DuckDBPyConnection, config: Config) -> page.Chart | None:
    rows = database.records(connection, "from kaplan_meier")
    title = "Share of clips whose answer a mask of this ratio keeps (1 − Kaplan-Meier); a tick marks censored clips."
    return page.Chart(title, charts.preservation_curves(rows, max(config.preserve.grid))) if rows else None


def _context(connection: DuckDBPyConnection, folder: Path, config: Config) -> dict:
    return {
        "name": config.audit,
        "headline": summary.headline(connection),
        "notices": summary.notices(connection),
        "overview": summary.overview(connection),
        "examples": gallery.examples(connection, folder),
        "stages": summary.stages(connection),
        "versions": summary.versions(connection),
        "config_hash": config.hash,
        "config": (folder / "config.yaml").read_text(),
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text)
    temporary.replace(path)
