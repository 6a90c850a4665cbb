"""An audit larger than any other test has: nothing gets lost, memory is bounded, and docs/scale.md counts right."""

import re
from pathlib import Path

import duckdb
import pytest

from benchmarks import scale, synthetic
from stepaudit.audit import config
from stepaudit.store import database, package_files

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
CLIPS, SHARDS = 8000, 32
MEMORY_MB = 1200


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    """272,000 scores, 136,000 of them of one method: more than DuckDB inserts in one piece."""
    made = config.parse(
        {
            **scale.AUDIT,
            "results": str(tmp_path_factory.mktemp("results")),
            "shards": SHARDS,
            "datasets": {"ucf101_24": {"root": "none"}},
            "models": {"r2plus1d": {"use": "r2plus1d_18"}},
            "methods": {"step": scale.MASKS, "center": None},
            "preserve": {**scale.AUDIT["preserve"], "methods": ["step"]},
            "metrics": {"spatial_pointing": {}, "temporal_pointing": {}},
        }
    )
    synthetic.write(made, CLIPS)
    return made


@pytest.fixture(scope="module")
def found(audit):
    """What making the database cost, and then every question."""
    return {step: scale.measured(audit.folder, step) for step in ("database", "queries")}


def parquet(audit, table):
    return f"read_parquet('{audit.folder / table}/**/*.parquet', hive_partitioning = true)"


def test_the_database_and_every_question_of_a_large_audit_need_bounded_memory(found):
    assert {step: cost["memory"] < MEMORY_MB for step, cost in found.items()} == dict.fromkeys(found, True), found


def test_rows_that_several_threads_insert_are_there_for_the_estimates_too(audit, found):
    sql = "select method, sum(value) / count(value), count(value), count(distinct clip_id) filter (value is not null)"
    where = "where metric = 'spatial_pointing' group by method order by method"
    expected = duckdb.execute(f"{sql} from {parquet(audit, 'scores')} {where}").fetchall()
    sql = "select method, value, frames, clips from estimates where metric = 'spatial_pointing' order by method"
    assert database.query(audit.folder, sql)[1] == [pytest.approx(row) for row in expected]
    assert database.query(audit.folder, "select count(*) from scores")[1] == [(2 * CLIPS * 17,)]
    assert database.query(audit.folder, "select count(*) from comparisons")[1] == [(2,)]


def test_frames_are_profiled_over_thousands_of_clips_and_ends_over_all(audit, found):
    whole = "where label is null"
    sql = f"select share_clips from frame_means {whole} union select head_clips from end_means {whole}"
    known = {count for (count,) in database.query(audit.folder, sql)[1]}
    assert max(known) > 0.9 * CLIPS
    assert 0.9 * 4000 < min(known) <= 4000
    sql = """
        select frame_means.share, avg(frame_volume[1 + frame] / list_sum(frame_volume))
        from frame_means
        join maps using (dataset, model, method)
        semi join profile_clips using (dataset, clip_id)
        where label is null and status = 'ok' and method = 'step' and frame in (0, 15)
        group by all
    """
    rows = database.query(audit.folder, sql)[1]
    assert len(rows) == 2
    for share, literal in rows:
        assert share == pytest.approx(literal, rel=1e-6)


def test_curves_of_thousands_of_steps_are_drawn_with_as_many_as_can_be_seen(audit, found):
    sql = (package_files.reports() / "charts" / "minimum_ratio.sql").read_text()
    with database.connect(audit.folder) as connection:
        drawn = [row for row in database.records(connection, sql) if row["label"] is None]
        whole = database.records(connection, "from kaplan_meier")
    assert len(whole) > 5000 > 1100 > sum(len(row["ratio"]) for row in drawn)
    assert sum(sum(row["right_censored"]) for row in drawn) == sum(row["censored"] for row in whole)


@pytest.mark.parametrize("table", ["segments", "clip_boxes", "predictions", "frame_orders", "preservation", "scores"])
def test_the_page_says_how_many_bytes_a_row_takes(audit, table):
    sizes = [path.stat().st_size for path in (audit.folder / table).rglob("*.parquet")]
    rows = duckdb.execute(f"select count(*) from {parquet(audit, table)}").fetchone()[0]
    said = float(re.search(rf"^\| `{table}` \|[^|]*\| ([\d.]+) \|", PAGE, re.M)[1])
    assert said == pytest.approx(sum(sizes) / rows, rel=0.5)
