"""Charts of a report: a still SVG and the same for Vega-Lite, from the queries of `reports/charts`."""

from duckdb import DuckDBPyConnection

from stepaudit.audit.config import Config
from stepaudit.report.charts.curves import minimum_ratio, preservation, training
from stepaudit.report.charts.drawing import svg as svg
from stepaudit.report.charts.drawing import vega_bundle as vega_bundle
from stepaudit.report.charts.looks import SERIES as SERIES
from stepaudit.report.charts.looks import Looks
from stepaudit.report.charts.matrix import confusions, transfer
from stepaudit.report.charts.needs import need_clips, need_curves
from stepaudit.report.charts.profiles import faithfulness, randomisation, time_lines, volume_profiles
from stepaudit.report.charts.rates import gains, pointing, preservation_rates
from stepaudit.report.page.page import Chart
from stepaudit.store import database, package_files


def all_charts(connection: DuckDBPyConnection, config: Config) -> list[Chart]:
    """The charts of an audit; those without rows are left out.

    Args:
        connection: to the audit's database.
        config: of the audit; methods and models take their colours in its order.

    Raises:
        UsageError: a file of `reports/charts` is no valid SQL.
    """
    rows = {name: database.records(connection, sql) for name, sql in _queries().items()}
    floors = database.fetch(connection, "select method from method_roles where is_floor")[1]
    looks = Looks(list(config.methods), list(config.models), {name for (name,) in floors})
    several = any(len(row["ratio"]) > 1 for row in rows["preservation_curves"])
    drawn = [
        training(rows["training"], looks),
        time_lines(rows["time_lines"]),
        *confusions(rows["confusions"]),
        need_clips(rows["need_clips"], looks),
        need_curves(rows["need_curves"], looks),
        minimum_ratio(rows["minimum_ratio"], looks, max(config.preserve.grid)),
        (preservation if several else preservation_rates)(rows["preservation_curves"], looks),
        pointing(rows["pointing"], looks, "spatial_pointing"),
        pointing(rows["pointing"], looks, "temporal_pointing"),
        gains(rows["gains"], looks, list(config.metrics)),
        volume_profiles(rows["volume_profiles"], looks),
        transfer(rows["transfer"]),
        faithfulness(rows["faithfulness_curves"], looks),
        randomisation(rows["sanity_randomisation"], looks),
    ]
    return [chart for chart in drawn if chart]


def _queries() -> dict[str, str]:
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted((package_files.reports() / "charts").glob("[!_.]*.sql"))
    }
