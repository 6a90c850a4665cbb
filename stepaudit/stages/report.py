"""Stage report: an audit's tables become `audit.duckdb`, a CSV for each question, and a page to read."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from duckdb import DuckDBPyConnection

from stepaudit import charts, database, gallery, page, reports, summary
from stepaudit.config import Config, load
from stepaudit.errors import UsageError

log = logging.getLogger(__name__)

# Of a curve of more steps than can be seen, the last in each thousandth; a tick stands for all clips censored in it.
DRAWN_CURVES = """
    with placed as (
        select *, if(count(*) over curve > 500, floor(1000 * ratio), ratio) as place
        from kaplan_meier
        window curve as (partition by dataset, model, method, bound)
    )
    select * replace (sum(censored) over here as censored) from placed
    window here as (partition by dataset, model, method, bound, place)
    qualify ratio = max(ratio) over here
    order by all
"""


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
    with database.connect(folder, spills=True, small=True) as connection:
        sections = _sections(connection, folder, config)
        html = page.render(sections=sections, **_context(connection, folder, config))
    path = folder / "report" / "index.html"
    _write(path, html)
    log.info("%d reports, %.1f MB: %s", len(sections), len(html) / 1e6, path)
    return path


def _sections(connection: DuckDBPyConnection, folder: Path, config: Config) -> list[page.Section]:
    """Every report, answered; the answers are also written as CSV."""
    drawn = {"accuracy": _training_chart(connection), "min_ratio": _preservation_chart(connection, config)}
    return [
        page.Section(report, page.grid_of(answer), drawn.get(report.name), page.verdict(answer.answers))
        for report in reports.all_reports()
        for answer in [_answer(connection, report, folder / "report" / f"{report.name}.csv")]
    ]


def _answer(connection: DuckDBPyConnection, report: reports.Report, path: Path) -> page.Answer:
    """What the page tells of a report, whose rows all go to a CSV file, some at a time."""
    answer = None
    with _written(path) as file:
        for names, rows in database.batches(connection, report.sql):
            text = database.format_rows(names, rows, "csv")
            if answer is None:
                answer = page.Answer(names)
                file.write(text)
            else:
                file.write(text.partition("\n")[2])
            answer.add(rows)
    return answer


def _training_chart(connection: DuckDBPyConnection) -> page.Chart | None:
    rows = database.records(connection, "from training_log")
    title = "Training: accuracy on validation clips (solid) and training views (dashed); the dot is the epoch kept."
    return page.Chart(title, charts.training_curves(rows)) if rows else None


def _preservation_chart(connection: DuckDBPyConnection, config: Config) -> page.Chart | None:
    rows = database.records(connection, DRAWN_CURVES)
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
    with _written(path) as file:
        file.write(text)


@contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    """A file to write, under a temporary name until it is whole."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w") as file:
        yield file
    temporary.replace(path)
