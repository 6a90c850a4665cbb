"""The tiny audit from videos to the report: every row that was asked for, and what runs again after a change."""

import shutil
import subprocess
import zipfile
from collections import Counter
from itertools import product

import pytest
from checkouts import SNAKEMAKE, TINY, Checkout

from stepaudit.audit import config
from stepaudit.report import sql_files
from stepaudit.store import database, schema, tables

STAGES = {"index": 1, "extract": 3, "train": 1, "predict": 1, "attribute": 2, "preserve": 1, "score": 2, "report": 1}
BROKEN = {
    "broken-no_video": "bad_video",
    "broken-damaged": "bad_video",
    "broken-too_short": "too_short",
}
TEST_CLIPS = [f"{label}-test-{index:03d}" for label, index in product(("disc-horizontal", "cross-vertical"), range(3))]
ASKED = [*TEST_CLIPS, *BROKEN, "broken-not_annotated"]


def rows_of(checkout: Checkout, table: str) -> list[dict]:
    return tables.read(table, checkout.folder / "results/tiny" / table)


def answers(checkout: Checkout, sql: str) -> list[tuple]:
    return database.query(checkout.folder / "results/tiny", sql)[1]


def test_the_run_ends_with_the_name_of_the_report(audited):
    checkout, log = audited
    assert "Report: results/tiny/report/index.html\n" in log
    assert "100%" in log
    assert (checkout.folder / "results/tiny/report/index.html").stat().st_size > 10_000


def test_every_job_leaves_a_log_a_benchmark_and_a_row_of_runs(audited):
    results = audited[0].folder / "results/tiny"
    assert {path.name: len(list(path.iterdir())) for path in (results / "logs").iterdir()} == STAGES
    assert {path.name: len(list(path.iterdir())) for path in (results / "benchmarks").iterdir()} == STAGES
    whole = config.load(results / "config.yaml")
    runs = rows_of(audited[0], "runs")
    assert Counter(row["stage"] for row in runs) == {name: count for name, count in STAGES.items() if name != "report"}
    assert {row["config_hash"] for row in runs} == {whole.hash}


def test_all_jobs_were_forked(audited):
    logs = [path.read_text() for path in (audited[0].folder / "results/tiny/logs").rglob("*.log")]
    assert len(logs) == sum(STAGES.values())
    assert not [text for text in logs if "in a process of its own" in text]


def test_a_job_in_a_process_of_its_own_gives_the_rows_of_a_forked_one(audited, tmp_path):
    checkout, tables_of = audited[0], ("predictions", "frame_orders")
    shutil.copytree(checkout.folder / "results", tmp_path / "results")
    made = {table: tables.read(table, tmp_path / "results/tiny" / table) for table in tables_of}
    for table in tables_of:
        shutil.rmtree(tmp_path / "results/tiny" / table)
    keys = ("--dataset", "planted", "--model", "narrow", "--shard", "test-000")
    command = [SNAKEMAKE.with_name("stepaudit"), "predict", "results/tiny/config.yaml", *keys]
    subprocess.run(**{**checkout.command(), "args": command, "cwd": tmp_path}, check=True)
    assert {table: tables.read(table, tmp_path / "results/tiny" / table) for table in tables_of} == made


def test_the_saved_configuration_is_there_before_the_first_job(audited):
    results = audited[0].folder / "results/tiny"
    first = min(path.stat().st_mtime_ns for path in (results / "logs").rglob("*.log"))
    assert (results / "config.yaml").stat().st_mtime_ns < first


def test_each_row_that_was_asked_for_is_there_once(audited):
    seeds, methods = [0], [("step", 0.1), ("step", 0.3), ("center", None)]
    frames = [
        *(("spatial_pointing", frame) for frame in range(16)),
        *((metric, None) for metric in ("temporal_pointing", "mass_in_box", "box_share")),
    ]
    asked = {
        "predictions": {(clip, "planted", "narrow") for clip in ASKED},
        "maps": {(clip, "planted", "narrow", *method, seed) for clip, method, seed in product(ASKED, methods, seeds)},
        "preservation": {
            (c, "planted", "narrow", "step", bound, "label", 0) for c, bound in product(ASKED, ("probability", "top1"))
        },
        "scores": {(c, "planted", "narrow", *m, s, *f) for c, m, s, f in product(ASKED, methods, seeds, frames)},
    }
    for table, keys in asked.items():
        names = schema.TABLES[table].key_names
        found = Counter(tuple(row[name] for name in names) for row in rows_of(audited[0], table))
        assert found == Counter(keys), table
    tested = Counter(row["clip_id"] for row in rows_of(audited[0], "clips") if row["split"] == "test")
    assert tested == Counter(ASKED)


def test_no_table_has_a_key_twice(audited):
    for table in schema.TABLES.values():
        keys = [tuple(row[name] for name in table.key_names) for row in rows_of(audited[0], table.name)]
        if table.name not in ("boxes", "clip_boxes"):  # a frame may hold several boxes of a label
            assert keys, table.name
            assert len(keys) == len(set(keys)), table.name


def test_coverage_misses_nothing_and_failures_names_the_broken_files(audited):
    checkout, _ = audited
    assert answers(checkout, "select count(*), sum(missing) from coverage where asked > 0")[0][1] == 0
    named = dict(answers(checkout, "select clip_id, status from failures where stage = 'clips'"))
    assert named == BROKEN
    told = dict(answers(checkout, "select clip_id, error from failures where stage = 'clips'"))
    assert all(told[clip].startswith(f"{clip}.mp4: ") for clip in BROKEN)
    (without,) = answers(checkout, "select clip_id, status from failures where error = 'no action is annotated'")
    assert without == ("broken-not_annotated", "no_annotation")


ANSWERED = {
    *("accuracy", "min_ratio", "kaplan_meier_curves", "preservation_curves", "ratio_sensitivity", "spatial_pointing"),
    *("mass_in_box", "smoothness", "temporal_pointing", "claim_two_maps", "coverage", "failures", "method_gains"),
    *("annotation_frames", "metric_reliability", "model_overview", "near_duplicates", "time_use", "accuracy_by_class"),
    *("class_cues", "confusions", "kinds_of_clips"),
}


def test_reports_about_models_methods_and_metrics_that_are_not_there_alone_have_no_answer(audited):
    answered = {report.name for report in sql_files.all_reports() if answers(audited[0], f"from {report.name}")}
    assert answered == ANSWERED
    measured = answers(audited[0], "select method, clips, times > 0 from mass_in_box order by all")
    assert measured == [("center", 6, True), ("step", 6, True), ("step", 6, True)]


@pytest.mark.parametrize("table", ["predictions", "maps", "preservation", "scores"])
def test_broken_files_are_rows_of_every_later_table(audited, table):
    failed = [row for row in rows_of(audited[0], table) if row["clip_id"] in BROKEN]
    assert {row["clip_id"] for row in failed} == set(BROKEN)
    for row in failed:
        assert row["status"] == "upstream"
        assert BROKEN[row["clip_id"]] in row["error"]


def test_snakemakes_own_report_holds_the_page_and_the_tables(audited):
    checkout, _ = audited
    done = checkout.snakemake("--configfile", "tiny.yaml", "--report", "report.zip")
    assert done.returncode == 0, done.stdout
    with zipfile.ZipFile(checkout.folder / "report.zip") as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
    assert {"index.html", "accuracy.csv", "min_ratio.csv"} <= names


def test_a_second_run_has_nothing_to_do(audited):
    done = audited[0].snakemake("--cores", "2", "--configfile", "tiny.yaml")
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


@pytest.mark.parametrize(
    ("table", "planned"),
    [
        ("clip_boxes", {"extract": 1, "predict": 1, "attribute": 2, "preserve": 1, "score": 2, "report": 1}),
        ("frame_orders", {"predict": 1, "attribute": 2, "preserve": 1, "score": 2, "report": 1}),
        ("maps", {"attribute": 1, "score": 1, "report": 1}),
    ],
)
def test_a_table_that_a_killed_job_has_removed_is_made_again_with_what_is_made_of_it(audited, table, planned):
    """Snakemake removes the files of a job before it repeats it; what was made of them before is there."""
    checkout, _ = audited
    path = next((checkout.folder / "results/tiny" / table).rglob("test-000.parquet"))
    away = checkout.folder / "away"
    path.rename(away)
    try:
        assert checkout.planned("tiny.yaml") == planned
    finally:
        away.rename(path)


def test_a_changed_option_runs_the_jobs_of_its_method_again_and_no_others(audited):
    checkout, _ = audited
    step = TINY["methods"]["step"]
    methods = {**TINY["methods"], "step": {**step, "options": {**step["options"], "iterations": 21}}}
    planned = checkout.planned(checkout.configure("changed.yaml", methods=methods))
    assert planned == {"attribute": 1, "preserve": 1, "score": 1, "report": 1}


def test_another_bound_searches_again_and_keeps_the_maps(audited):
    checkout, _ = audited
    preserve = {**TINY["preserve"], "bounds": ["top1"]}
    assert checkout.planned(checkout.configure("changed.yaml", preserve=preserve)) == {"preserve": 1, "report": 1}


def test_a_new_method_runs_its_own_jobs_only(audited):
    checkout, _ = audited
    methods = {**TINY["methods"], "random_pixel": {}}
    planned = checkout.planned(checkout.configure("changed.yaml", methods=methods))
    assert planned == {"attribute": 1, "score": 1, "report": 1}


@pytest.mark.parametrize(
    ("edited", "planned"),
    [
        ("stepaudit/methods/step.py", {"attribute": 1, "preserve": 1, "score": 1, "report": 1}),
        ("stepaudit/metrics/mass_in_box.py", {"score": 2, "report": 1}),
        ("reports/coverage.sql", {"report": 1}),
    ],
)
def test_editing_one_component_runs_its_jobs_again_and_touching_it_none(audited, edited, planned):
    checkout, _ = audited
    path = checkout.folder / edited
    text = path.read_text()
    path.touch()
    assert checkout.planned("tiny.yaml") == {}
    try:
        path.write_text(text + "\n")
        assert checkout.planned("tiny.yaml") == planned
    finally:
        path.write_text(text)
