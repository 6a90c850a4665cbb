"""Results of an audit in Python: SQL, maps and clips. Torch is imported only for maps."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.report.pictures import figure_sources
from stepaudit.store import arrays, database
from stepaudit.store.plain_files import at_home

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # its stubs are another package

MAPS = """
    select maps.*, models.size from maps join models on maps.model = models.name
    where clip_id = $clip and model = $model and method = $method and ($dataset is null or dataset = $dataset)
    order by dataset, ratio, seed
"""
CLIPS = """
    select clips.* from clips join models using (size)
    where clip_id = $clip and models.name = $model and view = 'middle' and ($dataset is null or dataset = $dataset)
    order by dataset
"""


class Rows(list):
    """Rows of a query as dicts, `rows[0]["ratio"]`; NULL is None. Also as Arrow and pandas."""

    def __init__(self, table: pa.Table):
        super().__init__(table.to_pylist())
        self._table = table

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self._table.column_names

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table; polars takes it by `polars.from_arrow`."""
        return self._table

    def df(self) -> "pandas.DataFrame":
        """The rows as a pandas data frame. Raises UsageError if pandas is not installed."""
        try:
            return self._table.to_pandas()
        except ImportError as error:
            raise UsageError("pandas is not installed; `pip install pandas`, or use `.arrow()`") from error


class Results:
    """The results of an audit, read-only."""

    def __init__(self, folder: str | Path):
        self.folder = at_home(Path(folder))
        with database.connect(self.folder):
            pass

    def sql(self, query: str, **values: Any) -> Rows:
        """Rows of a query in DuckDB's SQL over the audit's tables, views and reports.

        Args:
            query: such as `from min_ratio`; `$name` stands for a value.
            values: by name.

        Raises:
            UsageError: DuckDB refuses the query.

        Example:
            >>> import stepaudit
            >>> results = stepaudit.open_results("results/demo")
            >>> results.sql("select model, ratio from maps where method = $method", method="ep3d")
            [{'model': 'max_over_time', 'ratio': 0.05}]
        """
        with database.connect(self.folder) as connection:
            return _rows(connection, query, values)

    def map(
        self,
        clip: str,
        *,
        model: str,
        method: str,
        ratio: float | None = None,
        seed: int | None = None,
        dataset: str | None = None,
    ) -> np.ndarray:
        """A map at the size of the model's clips.

        Args:
            clip: its name, `clip_id`.
            model: its name in the configuration.
            method: its name in the configuration.
            ratio: of a mask; may be left out where there is one only.
            seed: by default the least.
            dataset: may be left out where one only has the clip.

        Returns:
            float32 [T, H, W] in [0, 1].

        Raises:
            UsageError: there is no such map, or several are meant, or the method failed on the clip.

        Example:
            >>> import stepaudit
            >>> results = stepaudit.open_results("results/demo")
            >>> results.map("disc-horizontal-test-000", model="max_over_time", method="ep3d").shape
            (16, 48, 48)
        """
        return arrays.full_map(self._map_row(clip, model, method, ratio, seed, dataset), self.folder)

    def clip(self, clip: str, *, model: str, dataset: str | None = None) -> np.ndarray:
        """The frames of a clip as a model takes them, uint8 [T, H, W, 3]. Raises UsageError if there is none."""
        keys = {"clip": clip, "model": model, "dataset": dataset}
        with database.connect(self.folder) as connection:
            figure_sources.names(connection, "models", [model])
            rows = database.records(connection, CLIPS, keys) or self._raise_no_rows(connection, clip)
        return arrays.pixels(_first_ok(_rows_with_value(rows, "dataset", None, f"clip '{clip}'")), self.folder)

    def render(
        self,
        clip: str,
        *,
        model: str,
        method: str,
        ratio: float | None = None,
        seed: int | None = None,
        dataset: str | None = None,
    ) -> np.ndarray:
        """A clip in grey with a map over it as heat, uint8 [T, H, W, 3], for `stepaudit.save`. Arguments as for `map`.

        Example:
            >>> import stepaudit
            >>> results = stepaudit.open_results("results/demo")
            >>> frames = results.render("disc-horizontal-test-000", model="max_over_time", method="ep3d")
            >>> stepaudit.save(frames, "map.gif").name
            'map.gif'
        """
        from stepaudit.report.pictures import pictures

        row = self._map_row(clip, model, method, ratio, seed, dataset)
        frames = self.clip(clip, model=model, dataset=row["dataset"])
        return pictures.overlay(frames, arrays.full_map(row, self.folder), mask=row["kept_probability"] is not None)

    def _map_row(
        self, clip: str, model: str, method: str, ratio: float | None, seed: int | None, dataset: str | None
    ) -> dict:
        """The row of `maps` with these keys; None takes the only value there is, or the smallest seed."""
        keys = {"clip": clip, "model": model, "method": method, "dataset": dataset}
        with database.connect(self.folder) as connection:
            for kind, name in (("models", model), ("methods", method)):
                figure_sources.names(connection, kind, [name])
            rows = database.records(connection, MAPS, keys) or self._raise_no_rows(connection, clip)
        for key, value in (("dataset", None), ("ratio", ratio), ("seed", seed)):
            rows = _rows_with_value(rows, key, value, f"the map of '{clip}' by {method}")
        return _first_ok(rows)

    def _raise_no_rows(self, connection: duckdb.DuckDBPyConnection, clip: str) -> list[dict]:
        known = [row["clip_id"] for row in database.records(connection, "select distinct clip_id from test_clips")]
        if clip in known:
            raise UsageError(f"clip '{clip}' has none of these; see `from coverage`")
        raise UsageError(f"the audit has no test clip '{clip}'{did_you_mean(clip, known) if len(known) < 30 else ''}")


def _rows(connection: duckdb.DuckDBPyConnection, query: str, values: dict) -> Rows:
    try:
        result = connection.sql(query, params=values or None)
        if result is None:
            raise UsageError('no statement; write one such as "from coverage"')
        return Rows(result.to_arrow_table())
    except (duckdb.Error, RuntimeError) as error:
        raise UsageError(str(error).strip()) from error


def _rows_with_value(rows: list[dict], key: str, value: object, what: str) -> list[dict]:
    """Rows whose `key` has a value; with None the only value there is, or the smallest seed. Raises UsageError."""
    known = sorted({row[key] for row in rows if row[key] is not None})
    if value is None:
        if len(known) > 1 and key != "seed":
            raise UsageError(f"{what} is there {len(known)} times; say which, {key}={known[0]!r} (known: {known})")
        value = known[0] if known else None
    matches = [row for row in rows if row[key] == value]
    if not matches:
        raise UsageError(f"{what}: none with {key} {value!r} (known: {known})")
    return matches


def _first_ok(rows: list[dict]) -> dict:
    """The first row. Raises UsageError, with its status and error, unless it is ok."""
    row = rows[0]
    if row["status"] != "ok":
        raise UsageError(f"{row['clip_id']}: {row['status']}: {row['error']}")
    return row


def open_results(folder: str | Path) -> Results:
    """The results of an audit, such as `results/demo`, read-only.

    Args:
        folder: of the audit, in which `audit.duckdb` lies.

    Raises:
        UsageError: there is no database yet, or it cannot be opened.

    Example:
        >>> import stepaudit
        >>> rows = stepaudit.open_results("results/demo").sql("select clip_id, rank from predictions")
        >>> rows
        [{'clip_id': 'disc-horizontal-test-000', 'rank': 1}]
        >>> rows.columns
        ['clip_id', 'rank']
        >>> rows.df()["rank"].tolist()
        [1]
    """
    return Results(folder)
