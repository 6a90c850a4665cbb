"""Rows of an audit's files compared with the requested ones, and with the rows that they are made from.

DuckDB does it out of core.
"""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from stepaudit.audit.config import Config
from stepaudit.audit.jobs import Job
from stepaudit.store.database import exact_names
from stepaudit.store.read_only import Settings

MEMORY = "1GB"  # what does not fit is put on disk
ORDERS = ["shuffled", "reversed", "frozen"]

# A shard of a division into n holds every n-th segment of its split, in their order, with all windows of it.
SEGMENTS = """
create or replace temp table requested as
with rows as (
    select null::varchar as window_of where false  -- which earlier files lack
    union all by name
    from read_parquet($files, file_row_number = true, hive_partitioning = false)
),
segments as (
    select clip_id, split, min(file_row_number) over (partition by split, coalesce(window_of, clip_id)) as place
    from rows
)
select clip_id, split, dense_rank() over (partition by split order by place) - 1 as position
from segments
"""
READ = "read_parquet($files, filename = true, hive_partitioning = false)"
SHARD_OF_FILE = "parse_filename(filename, true)"
CLIPS = """(
    from (select clip_id, split, split || '-' || format('{:03d}', position % $division) as shard from requested)
    where split = $split and list_contains($shards, shard)
)"""
# Requested rows by table: keys beside the clip, and a query.
REQUESTED = {
    "clips": ("view", f"select shard, clip_id, unnest($views) as view from {CLIPS}"),
    "predictions": ("", f"select shard, clip_id from {CLIPS}"),
    "frame_orders": ("frame_order", f"select shard, clip_id, unnest($orders) as frame_order from {CLIPS}"),
    "maps": (
        "ratio, seed",
        f"select shard, clip_id, ratio, seed from {CLIPS}, unnest($ratios) as r (ratio), unnest($seeds) as s (seed)",
    ),
    "preservation": (
        "bound, asked_class, seed",
        f"select shard, clip_id, bound, asked_class, seed from {CLIPS}, "
        "(select unnest($bounds) as bound, unnest($classes) as asked_class), unnest($seeds) as s (seed)",
    ),
    "scores": (
        "ratio, seed, metric",
        "select shard, clip_id, ratio, seed, metric from maps, unnest($metrics) as m (metric)",
    ),
}
QUESTION = "replace(asked_class, 'predicted', 'label') as asked_class"  # of the configuration
COMPARE = """
with counted as (
    select shard, {keys}, sum(requested) as requested, sum(existing) as existing
    from (
        select *, 1 as requested, 0 as existing from ({requested})
        union all by name
        select *, 0 as requested, 1 as existing from ({existing})
    )
    group by all
    having sum(requested) != 1 or sum(existing) != 1
)
select shard,
    count(*) filter (where existing = 0) as missing,
    count(*) filter (where requested = 0) as unrequested,
    count(*) filter (where existing > 1) as repeated,
    min(clip_id) as clip_id
from counted group by shard order by shard
"""
# Rows of `scores`: one of each frame, one of the whole clip, or several with a part of the metric after a dot.
MAPS = f"""
create or replace temp table maps as
select {SHARD_OF_FILE} as shard, clip_id, ratio, seed, status from {READ}
"""
SCORES = f"""
create or replace temp table scored as
select {SHARD_OF_FILE} as shard, clip_id, ratio, seed, name as metric,
    count(*) as times, count(distinct (metric, frame)) as different, count(frame) as frames,
    min(frame) as first, max(frame) as last, bool_or(status = 'ok') as any_ok
from (select filename, clip_id, ratio, seed, metric, frame, status from {READ})
left join (select unnest($names) as metric, unnest($of) as name) using (metric)
group by all
"""
UNEVEN = """
select shard, count(*) as rows, min(clip_id) as clip_id from scored
where times != different
    or frames > 0 and (frames != $frames or times != frames or first != 0 or last != $frames - 1)
    or frames = 0 and metric in (select metric from scored where frames > 0)
group by shard order by shard
"""
# The status is 'upstream' if, and only if, the row's source failed.
DISAGREE = f"""
select own.shard, count(*) as rows, min(clip_id) as clip_id
from (select {SHARD_OF_FILE} as shard, clip_id, status from {READ}) as own
join {{before}} as before using (clip_id)
where (before.failed) != (own.status = 'upstream')
group by all order by all
"""
SCORED_WITHOUT = """
select scored.shard, count(*) as rows, min(scored.clip_id) as clip_id
from scored join maps
    on scored.clip_id = maps.clip_id and scored.ratio is not distinct from maps.ratio and scored.seed = maps.seed
where maps.status != 'ok' and scored.any_ok
group by all order by all
"""


def problems(config: Config, sound: Collection[Path]) -> Iterator[tuple[Path, str]]:
    """Files with other rows than requested, and the differences. Only `sound` files are read."""
    with _connection() as connection:
        for dataset in config.datasets:
            job = Job(config, "", dataset)
            segments = job.file("segments")
            if segments in sound:
                connection.execute(SEGMENTS, {"files": exact_names([segments])})
                yield from _duplicate_segments(connection, segments)
                for size in config.sizes:
                    yield from _Part(connection, sound, replace(job, size=size)).clips()
                for model in config.models:
                    part = _Part(connection, sound, replace(job, model=model))
                    yield from part.training()
                    yield from part.answers()
                    for method in config.methods:
                        yield from _Part(connection, sound, replace(job, model=model, method=method)).explanations()


@contextmanager
def _connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory() as folder:
        settings: Settings = {"memory_limit": MEMORY, "temp_directory": folder, "preserve_insertion_order": "false"}
        with duckdb.connect(config=settings) as connection:
            yield connection


def _duplicate_segments(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[tuple[Path, str]]:
    ((twice,),) = connection.execute("select count(*) - count(distinct clip_id) from requested").fetchall()
    if twice:
        yield path, f"{_count_text(twice, 'row')} of a clip that has one already"


class _Part:
    """Sound files of a data set and a size, or a model, or a model and a method."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sound: Collection[Path], job: Job):
        self.connection, self.config, self.sound, self.job = connection, job.config, sound, job

    def clips(self) -> Iterator[tuple[Path, str]]:
        views = self.config.sizes[self.job.size].random_views
        for split in self.config.splits_cut(self.job.dataset):
            names = [f"random{view}" for view in range(views)] if split == "train" else ["middle"]
            yield from self._compare_rows("clips", split, views=names)

    def training(self) -> Iterator[tuple[Path, str]]:
        path, entry = self.job.file("training_log"), self.config.models[self.job.model]
        epochs = entry.training_for(self.job.dataset).epochs if entry.is_trained_on(self.job.dataset) else 0
        if path in self.sound:
            ((rows,),) = self._execute(f"select coalesce(list(epoch order by epoch), []) from {READ}", files=[path])
            if rows != list(range(1, epochs + 1)):
                yield path, f"it holds the epochs {rows}, the configuration asks for {epochs}"

    def answers(self) -> Iterator[tuple[Path, str]]:
        yield from self._compare_rows("predictions", "test")
        yield from self._compare_rows("frame_orders", "test", orders=ORDERS)
        files = self._sound_paths(self.job.files("clips"))
        self._execute(
            "create or replace temp table extracted as "
            f"select clip_id, bool_or(status != 'ok') as failed from {READ} group by all"
            if files
            else "create or replace temp table extracted as select '' as clip_id, false as failed limit 0",
            files=files,
        )
        for table in ("predictions", "frame_orders"):
            yield from self._disagreements_on_failures(table, "extracted")
        files = self._sound_paths(self.job.files("predictions"))
        self._execute(
            "create or replace temp table answered as select clip_id, bool_or(own.status != 'ok') as failed "
            f"from (select clip_id, status from {READ}) as own join extracted using (clip_id) group by all"
            if files
            else "create or replace temp table answered as from extracted limit 0",
            files=files,
        )

    def explanations(self) -> Iterator[tuple[Path, str]]:
        entry = self.config.methods[self.job.method]
        yield from self._compare_rows("maps", "test", ratios=entry.ratios or [None], seeds=entry.seeds)
        yield from self._disagreements_on_failures("maps", "answered")
        if self.job.method in self.config.preserve.methods and self.config.models[self.job.model].of is None:
            bounds, classes = map(list, zip(*self.config.preserve.questions, strict=True))
            yield from self._compare_rows("preservation", "test", bounds=bounds, classes=classes, seeds=entry.seeds)
            yield from self._disagreements_on_failures("preservation", "answered")
        yield from self._scores()

    def _scores(self) -> Iterator[tuple[Path, str]]:
        """Problems of scores, compared with the existing maps, shard by shard."""
        maps = self._sound_paths(self.job.files("maps"))
        files = self._sound_paths([self._path("scores", path.stem) for path in maps])
        maps = [self._path("maps", path.stem) for path in files]
        if not files:
            return
        self._execute(MAPS, files=maps)
        metrics = self.job.metrics
        names = [name for (name,) in self._execute(f"select distinct metric from {READ} order by metric", files=files)]
        self._execute(SCORES, files=files, names=names, of=[_metric_of_row(name, metrics) for name in names])
        keys, requested = REQUESTED["scores"]
        existing = f"select shard, clip_id, {keys} from scored where not list_contains($comparing, metric)"
        sql = COMPARE.format(keys=f"clip_id, {keys}", requested=requested, existing=existing)
        comparing = [name for name in metrics if "references" in self.config.component("metrics", name).measures]
        metrics = [name for name in metrics if name not in comparing]  # with nothing to compare, those give no row
        yield from self._differences("scores", self._rows(sql, metrics=metrics, comparing=comparing), "score")
        frames = self.config.clips_of(self.job.model).frames
        for sql, text in (
            (UNEVEN, "of which a frame or part is missing, or is there twice"),
            (SCORED_WITHOUT, "of maps that failed, with a value"),
        ):
            yield from self._problem_by_row("scores", self._rows(sql, frames=frames), "score", text)

    def _compare_rows(self, table: str, split: str, **values: Any) -> Iterator[tuple[Path, str]]:
        every = self.job.files(table, split)
        if not (files := self._sound_paths(every)):
            return
        keys, requested = REQUESTED[table]
        keys = f"clip_id, {keys}" if keys else "clip_id"
        existing = f"select {SHARD_OF_FILE} as shard, {keys} from {READ}".replace("asked_class", QUESTION)
        values |= {"files": files, "split": split, "division": len(every), "shards": [path.stem for path in files]}
        rows = self._rows(COMPARE.format(keys=keys, requested=requested, existing=existing), **values)
        yield from self._differences(table, rows, "row")

    def _differences(self, table: str, rows: list[dict], unit: str) -> Iterator[tuple[Path, str]]:
        words = {"missing": "missing", "repeated": "there more than once", "unrequested": "not asked for"}
        for row in rows:
            counts = [f"{_count_text(row[key], unit)} {text}" for key, text in words.items() if row[key]]
            yield self._path(table, row["shard"]), f"{'; '.join(counts)}, such as clip '{row['clip_id']}'"

    def _problem_by_row(self, table: str, rows: list[dict], unit: str, text: str) -> Iterator[tuple[Path, str]]:
        for row in rows:
            count = _count_text(row["rows"], unit)
            yield self._path(table, row["shard"]), f"{count} {text}, such as clip '{row['clip_id']}'"

    def _disagreements_on_failures(self, table: str, before: str) -> Iterator[tuple[Path, str]]:
        """Rows whose status does not follow from that of the rows before them."""
        if files := self._sound_paths(self.job.files(table)):
            text = "do not agree with what they are made from on what failed"
            yield from self._problem_by_row(table, self._rows(DISAGREE.format(before=before), files=files), "row", text)

    def _path(self, table: str, shard: str) -> Path:
        return self.job.file(table, shard)

    def _sound_paths(self, paths: list[Path]) -> list[Path]:
        return [path for path in paths if path in self.sound]

    def _execute(self, sql: str, **values: Any) -> list[tuple]:
        values = {name: value for name, value in values.items() if f"${name}" in sql}
        for name in {"files"} & set(values):
            values[name] = exact_names(values[name])
        return self.connection.execute(sql, values).fetchall()

    def _rows(self, sql: str, **values: Any) -> list[dict]:
        rows = self._execute(sql, **values)
        names = [column[0] for column in self.connection.description or ()]
        return [dict(zip(names, row, strict=True)) for row in rows]


def _metric_of_row(name: str, known: list[str]) -> str:
    """Metric of a row of `scores`: the longest name in the configuration that it begins with, before a dot."""
    own = [metric for metric in known if name == metric or name.startswith(f"{metric}.")]
    return max(own, key=len, default=name)


def _count_text(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
