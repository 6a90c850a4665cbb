"""`stepaudit check`: whatever is wrong with an audit is found and named, and nothing else."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import command_line
import pyarrow.parquet as pq
import pytest
import yaml

from stepaudit.audit import audit_folder, config, jobs
from stepaudit.audit.audit_folder import Audit, Problem
from stepaudit.commands.check import integrity, remedies, requested_rows, sound_files
from stepaudit.errors import UsageError
from stepaudit.networks import checkpoint
from stepaudit.report import build_database, sql_files
from stepaudit.running import run_records
from stepaudit.stages import attribute, extract, index, predict, preserve, score, train
from stepaudit.store import checksums, database, package_files, schema, tables

STAGES = {
    module.__name__.rpartition(".")[2]: module
    for module in (index, extract, train, predict, attribute, preserve, score)
}
PLAN = {
    "audit": "tiny",
    "shards": 2,
    "clips": {"height": 16, "width": 16, "frames": 8, "random_views": 1},
    "datasets": {
        "planted": {
            "root": "",
            "options": {"classes": ["disc-horizontal", "cross-vertical"], "train_per_class": 2, "test_per_class": 2},
        }
    },
    "models": {
        "r3d": {"use": "r2plus1d_18", "options": {"width": 2}, "training": {"epochs": 1, "batch_size": 4}},
        "other": {"of": "r3d", "randomise": 0.5},
    },
    "methods": {
        "center": None,
        "noise": {"use": "random_pixel", "seeds": [0, 7]},
        "step": {"ratios": [0.1, 0.3], "options": {"iterations": 2, "schedule": "short"}},
    },
    "metrics": {
        "spatial_pointing": None,
        "mass_in_box": None,
        "on_boxes": {"methods": ["center"]},
        "similarity": {"methods": ["center", "noise"]},
    },
    "preserve": {"methods": ["step"], "grid": [0.2, 0.6], "tolerance": 0.3, "bounds": ["probability", "top1"]},
}  # fmt: skip
MAPS = "maps/dataset=planted/model={model}/method={method}/test-00{shard}.parquet"
STEP, CENTER = (MAPS.format(model="r3d", method=method, shard=0) for method in ("step", "center"))


def run_jobs(made: config.Config, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Runs the jobs one of whose files is wanted, as the command line does."""
    for group in jobs.in_groups(made):
        for job in group:
            if any(wanted(str(path)) for path in job.writes):
                with run_records.recorded(job):
                    STAGES[job.stage].run(job)


def write_report(folder: Path) -> None:
    """The report's part that `check` looks at: the database, files of the right names, and their checksums."""
    build_database.create(folder, config.load(folder / "config.yaml"))
    (folder / "report").mkdir(exist_ok=True)
    database_file, *others = sql_files.written(folder)
    for path in others:
        path.write_text(f"{path.name}\n")
    checksums.write_list(audit_folder.checksums(folder), [database_file, *others])


def parse(results: Path, root: Path, **changes: dict) -> config.Config:
    datasets = {"planted": {**PLAN["datasets"]["planted"], "root": str(root)}}
    return config.parse({**PLAN, "results": str(results), "datasets": datasets, **changes})


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def made(videos, tmp_path_factory) -> Audit:
    """A whole audit, which tests only read."""
    settings = parse(tmp_path_factory.mktemp("results"), videos)
    config.save(settings, settings.folder / "config.yaml")
    run_jobs(settings)
    write_report(settings.folder)
    return audit_folder.of_folder(settings.folder)


@pytest.fixture
def copy(made, tmp_path) -> Audit:
    """A copy of the audit in another folder, to be damaged."""
    shutil.copytree(made.folder, tmp_path / "results/tiny")
    return audit_folder.of_folder(tmp_path / "results/tiny")


def found(audit: Audit) -> dict[str, tuple[str, str]]:
    """Kind and text of all problems, by name of the file."""
    return {each.name: (each.kind, each.text) for each in integrity.problems(audit)}


def found_in_files(audit: Audit) -> dict[str, tuple[str, str]]:
    """Kind and text of what is wrong with files one by one."""
    return {each.name: (each.kind, each.text) for each in sound_files.problems(audit)[0]}


def found_in_rows(audit: Audit) -> dict[str, str]:
    """Faults in the rows of files that are as they were recorded."""
    assert all(text.startswith("made from another ") for _, text in found_in_files(audit).values())
    told: dict[str, str] = {}
    for path, text in requested_rows.problems(audit.config, {audit.folder / name for name in audit.files}):
        told[audit.name(path)] = f"{told.get(audit.name(path), '')}{text}\n"
    return told


def check(*arguments: object) -> tuple[int, str]:
    return command_line.run("check", *arguments)[:2]


def rewritten(audit: Audit, name: str, change: Callable[[list[dict]], list[dict]]) -> None:
    """A job writes other rows, and records them: only what they say can be wrong."""
    job, table = audit.files[name], Path(name).parts[0]
    rows = change(tables.read(table, audit.folder / name))
    with run_records.recorded(job):
        tables.write(rows, table, audit.folder / name)
    record = job.record
    (old,) = tables.read("runs", record)
    inputs = tables.read("runs", Path(str(record).replace(str(audit.folder), str(audit.saved.folder))))[0]["inputs"]
    with tables.made_by(run_records.job_metadata(job)):
        tables.write([{**old, "inputs": inputs}], "runs", record, with_checksum=True)


def test_a_sound_audit_has_no_problem_and_no_line(made):
    assert integrity.problems(made) == []
    assert check(made.folder) == (0, "")


def test_it_is_as_sound_in_another_place(copy):
    assert copy.saved.folder != copy.folder
    assert integrity.problems(copy) == []


def test_every_file_of_the_tables_is_known(made):
    """The truth is the folder: what the stages have written."""
    written = {str(path.relative_to(made.folder)) for path in made.folder.rglob("*") if path.is_file()}
    beside = {name for name in written if name.startswith("report/")} | {"config.yaml", "audit.duckdb", "SHA256SUMS"}
    assert written - beside == made.files.keys() | made.records.keys()


def flipped(content: bytes, random: Random) -> bytes:
    place, bit = random.randrange(len(content)), random.randrange(8)
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_is_found_wherever_it_is(copy, seed):
    """One in each of half of the files, at a random place."""
    random = Random(seed)
    names = random.sample(sorted([*copy.files, *copy.records]), 40)
    for name in names:
        (copy.folder / name).write_bytes(flipped((copy.folder / name).read_bytes(), random))
    told = found_in_files(copy)
    unknown = {name for name, job in copy.files.items() if copy.name(job.record) in names}  # what they should be
    assert set(names) | unknown == set(told)
    assert {told[name][0] for name in set(names) - unknown} <= {"damaged", "foreign"}
    assert {told[name][0] for name in unknown} <= {"damaged", "foreign", "unrecorded", "version", "stale"}


def test_a_bit_of_the_configuration_is_found_and_then_nothing_is_deleted(copy):
    path, random = copy.folder / "config.yaml", Random(0)
    before = path.read_bytes()
    for _ in range(15):
        path.write_bytes(flipped(before, random))
        try:
            audit = audit_folder.of_folder(copy.folder)
            problems = list(integrity._configuration_problems(audit, sound_files.problems(audit)[1]))
        except UsageError:
            continue
        assert [problem.name for problem in problems] == ["config.yaml"]
        assert remedies.to_delete(audit, [*problems, Problem("orphan", "config.yaml", "")]) == []


def test_a_truncated_file_is_damaged(copy):
    names = [STEP, "checkpoints/dataset=planted/r3d.safetensors", "runs/stage=train/planted,other.parquet"]
    whole = {name: (copy.folder / name).read_bytes() for name in names}
    for size in (0, 3, 11, 200, -9, -1):
        for name in names:
            (copy.folder / name).write_bytes(whole[name][:size])
        told = found_in_files(copy)
        unknown = {name for name in copy.files if copy.name(copy.files[name].record) == names[-1]}
        expected = dict.fromkeys(unknown, ("unrecorded", "the record of its job is damaged"))
        assert {name: told.pop(name) for name in unknown} == expected
        assert {name: kind for name, (kind, _) in told.items()} == dict.fromkeys(names, "damaged"), size


def test_missing_files_are_told_and_made_again_by_name(copy):
    names = [
        STEP,
        "clips/dataset=planted/size=8x16x16/train-001.parquet",
        "checkpoints/dataset=planted/r3d.safetensors",
    ]
    for name in names:
        (copy.folder / name).unlink()
    problems = integrity.problems(copy)
    assert {problem.name: problem.kind for problem in problems} == dict.fromkeys(names, "missing")
    assert set(remedies.targets(copy, problems)) == {str(copy.folder / name) for name in names}


def test_files_of_two_methods_that_changed_places_are_told(copy):
    one, other = copy.folder / STEP, copy.folder / CENTER
    content = one.read_bytes(), other.read_bytes()
    one.write_bytes(content[1])
    other.write_bytes(content[0])
    told = found_in_files(copy)
    assert told[STEP] == ("foreign", "it is a file of `attribute` of planted, r3d, center, test-000")
    assert told[CENTER] == ("foreign", "it is a file of `attribute` of planted, r3d, step, test-000")


def test_two_checkpoints_that_changed_places_are_told(copy):
    one, other = (copy.folder / f"checkpoints/dataset=planted/{model}.safetensors" for model in ("r3d", "other"))
    content = one.read_bytes()
    shutil.copy(other, one)
    other.write_bytes(content)
    told = found_in_files(copy)
    assert told[copy.name(one)][1] == f"it is the file {copy.name(other)}"
    assert told[copy.name(other)][1] == f"it is the file {copy.name(one)}"


def test_a_file_that_was_written_again_with_other_rows_is_not_the_one_that_was_recorded(copy):
    rows = tables.read("maps", copy.folder / STEP)
    with tables.made_by(run_records.job_metadata(copy.files[STEP])):
        tables.write(rows[1:], "maps", copy.folder / STEP)
    assert found_in_files(copy)[STEP] == ("damaged", "its bytes are not those that its job has recorded")


def test_a_file_without_a_job_is_foreign(copy):
    tables.write(tables.read("maps", copy.folder / STEP), "maps", copy.folder / STEP)
    assert found_in_files(copy)[STEP] == ("foreign", "no job of an audit wrote it")


@pytest.fixture(scope="module")
def otherwise(videos, made, tmp_path_factory) -> config.Config:
    """An audit of the same videos whose method `step` has another option, and whose model `r3d` another seed."""
    methods = {
        **PLAN["methods"],
        "step": {**PLAN["methods"]["step"], "options": {"iterations": 3, "schedule": "short"}},
    }
    settings = parse(tmp_path_factory.mktemp("others"), videos, methods=methods)
    shutil.copytree(made.folder, settings.folder)
    run_jobs(settings, lambda name: "step/test-000" in name)
    return settings


def test_a_file_of_another_configuration_is_foreign_with_or_without_its_record(copy, otherwise):
    shutil.copy(otherwise.folder / STEP, copy.folder / STEP)
    assert found_in_files(copy)[STEP] == (
        "foreign",
        "the settings of `attribute` of planted, r3d, step, test-000 were others",
    )
    record = copy.name(copy.files[STEP].record)
    shutil.copy(otherwise.folder / record, copy.folder / record)
    told = found_in_files(copy)
    assert told[STEP][0] == "foreign"
    assert told[record] == (
        "foreign",
        "the settings of `attribute` of planted, r3d, step, test-000 were others",
    )


def test_files_made_from_others_than_are_there_are_foreign(copy):
    """Another checkpoint, recorded as it should be; the settings of the maps are still the same."""
    name = "checkpoints/dataset=planted/r3d.safetensors"
    net = checkpoint.build(copy.config.models["r3d"], 2)
    about, _ = checkpoint.read(copy.folder / name)
    with run_records.recorded(copy.files[name]):
        details = {key: about[key] for key in ("dataset", "seed")}
        checkpoint.save(net, copy.folder / name, copy.config.models["r3d"], about["classes"], details)
    told = {key: text for key, (kind, text) in found_in_files(copy).items() if kind == "foreign"}
    assert STEP in told
    assert told[STEP] == f"made from another {name} than is there"
    assert {Path(key).parts[0] for key in told if "model=r3d" in key} == {
        "predictions",
        "maps",
        "preservation",
        "scores",
    }
    assert "training_log/dataset=planted/model=other/all.parquet" in told  # it is a control of the other
    assert "predictions/dataset=planted/model=other/test-000.parquet" not in told


def test_another_schema_is_told_and_not_deleted(copy):
    names = {STEP, copy.name(copy.files[STEP].record)}
    data = {name: pq.read_table(copy.folder / name, partitioning=None) for name in names}
    for version in ("3", "0", str(schema.SCHEMA_VERSION + 1)):
        for name in names:
            changed = data[name].replace_schema_metadata({schema.SCHEMA_KEY: version})
            pq.write_table(changed, copy.folder / name)
        problems, _ = sound_files.problems(copy)
        text = f"it has table schema {version}, not {schema.SCHEMA_VERSION}"
        assert {(each.name, each.kind, each.text) for each in problems} == {(name, "version", text) for name in names}
        assert remedies.to_delete(copy, problems) == []
        assert "read these files with the stepaudit that wrote them" in "\n".join(remedies.lines(copy, problems))


def test_files_of_another_version_are_told_and_not_deleted(copy, monkeypatch):
    monkeypatch.setattr(sound_files, "__version__", "99")
    problems, _ = sound_files.problems(copy)
    assert {problem.kind for problem in problems} == {"version"}
    assert len(problems) == len(copy.files) + len(copy.records) - 2  # checkpoints do not say
    assert remedies.to_delete(copy, problems) == []


def test_a_job_without_a_record_did_not_end(copy):
    copy.files[STEP].record.unlink()
    assert found_in_files(copy)[STEP] == ("unrecorded", "")


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("clips", "2 rows missing; 1 row there more than once"),
        ("predictions", "2 rows missing; 1 row there more than once"),
        ("frame_orders", "2 rows missing; 1 row there more than once"),
        ("maps", "2 rows missing; 1 row there more than once"),
        ("preservation", "2 rows missing; 1 row there more than once"),
    ],
)
def test_rows_that_are_missing_or_there_twice_are_told(copy, table, text):
    name = next(name for name in copy.files if name.startswith(f"{table}/") and "test-001" in name)
    rewritten(copy, name, lambda rows: [*rows[2:], rows[-1]])
    assert found_in_rows(copy)[name].startswith(f"{text}, such as clip '")


def test_rows_that_nobody_asked_for_are_told(copy):
    rewritten(copy, STEP, lambda rows: [*rows, {**rows[0], "ratio": 0.2}, {**rows[0], "seed": 5}])
    assert found_in_rows(copy)[STEP].startswith("2 rows not asked for, such as clip ")


def test_rows_in_the_wrong_shard_are_told(copy):
    one, other = (tables.read("maps", copy.folder / MAPS.format(model="r3d", method="center", shard=n)) for n in (0, 1))
    rewritten(copy, CENTER, lambda rows: [*rows[1:], other[0]])
    assert found_in_rows(copy)[CENTER].startswith("1 row missing; 1 row not asked for")
    assert one[0]["clip_id"] != other[0]["clip_id"]


def test_epochs_that_are_missing_are_told(copy):
    name = "training_log/dataset=planted/model=r3d/all.parquet"
    rewritten(copy, name, lambda rows: [])
    assert found_in_rows(copy) == {name: "it holds the epochs [], the configuration asks for 1\n"}


def scores(method: str) -> str:
    return MAPS.format(model="r3d", method=method, shard=0).replace("maps/", "scores/")


@pytest.mark.parametrize(
    ("method", "metric", "text"),
    [
        ("center", "mass_in_box", "scores missing"),
        ("noise", "mass_in_box", "scores missing"),
        ("center", "on_boxes", "scores missing"),
        ("step", "spatial_pointing", "scores missing"),
    ],
)
def test_scores_of_a_metric_that_are_missing_are_told(copy, method, metric, text):
    rewritten(copy, scores(method), lambda rows: [row for row in rows if row["metric"].split(".")[0] != metric])
    assert text in found_in_rows(copy)[scores(method)]


def test_a_frame_or_part_of_a_score_that_is_missing_or_twice_is_told(copy):
    def without_a_frame(rows):
        return [row for row in rows if row["frame"] != 3]

    def with_one_twice(rows):
        (part, *_) = [row for row in rows if row["metric"].startswith("similarity.")]
        return [*rows, part]

    rewritten(copy, scores("center"), without_a_frame)
    rewritten(copy, scores("noise"), with_one_twice)
    told = found_in_rows(copy)
    assert " scores of which a frame or part is missing, or is there twice" in told[scores("center")]
    assert "1 score of which a frame or part is missing, or is there twice" in told[scores("noise")]


def test_a_metric_that_is_not_asked_for_is_told(copy):
    rewritten(copy, scores("step"), lambda rows: [*rows, {**rows[0], "metric": "on_boxes.peak", "frame": None}])
    assert "1 score not asked for" in found_in_rows(copy)[scores("step")]


@pytest.mark.parametrize("table", ["predictions", "frame_orders", "maps", "preservation"])
def test_a_failure_that_later_rows_do_not_know_of_is_told(copy, table):
    """The broken videos of the planted data set: their clips have no status 'ok'."""
    name = next(name for name in copy.files if name.startswith(f"{table}/") and "test-000" in name)

    def well(rows):
        assert any(row["status"] == "upstream" for row in rows)
        return [{**row, "status": "ok"} for row in rows]

    rewritten(copy, name, well)
    assert "do not agree with what they are made from on what failed" in found_in_rows(copy)[name]


def test_a_value_of_a_map_that_failed_is_told(copy):
    rewritten(copy, scores("center"), lambda rows: [{**row, "status": "ok"} for row in rows])
    assert " of maps that failed, with a value" in found_in_rows(copy)[scores("center")]


def test_a_checkpoint_for_other_classes_is_told(copy):
    name = "checkpoints/dataset=planted/other.safetensors"
    entry = copy.config.models["other"]
    with run_records.recorded(copy.files[name]):
        checkpoint.save(checkpoint.build(entry, 2), copy.folder / name, entry, ["a", "b"], {})
    assert "a checkpoint with classes ['a', 'b']" in found(copy)[name][1]


def test_orphans_are_told_and_what_an_unfinished_job_keeps_is_none(copy):
    places = {
        "maps/dataset=planted/model=r3d/method=old/test-000.parquet",
        "maps/dataset=planted/model=r3d/method=step/test-002.parquet",
        "maps/stray.parquet",
        "maps/notes.txt",
        "runs/stage=attribute/planted,r3d,old,test-000.parquet",
        "checkpoints/dataset=planted/old.safetensors",
        "clips/dataset=planted/size=8x16x16/.test-000.parquet.tmp",
        "maps/dataset=planted/model=r3d/method=step/.test-001.parquet.parts",
        ".audit.duckdb.tmp",
    }
    for name in places:
        path = copy.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(copy.folder / STEP, path) if not name.endswith(".parts") else path.mkdir()
    (copy.folder / STEP).unlink()
    parts = (copy.folder / STEP).with_name(".test-000.parquet.parts")
    parts.mkdir()
    (copy.folder / "my notes.md").write_text("beside the tables, everything is the user's own")
    problems = list(integrity._orphan_problems(copy))
    assert {problem.name for problem in problems} == places
    assert {problem.kind for problem in problems} == {"orphan"}
    remedies.delete(copy, problems)
    assert found_in_files(copy) == {STEP: ("missing", "")}
    assert list(integrity._orphan_problems(copy)) == []
    assert parts.exists()
    assert not (copy.folder / "maps/dataset=planted/model=r3d/method=old").exists()


def found_in_report(audit: Audit) -> dict[str, tuple[str, str]]:
    problems = integrity._report_problems(audit, sound_files.problems(audit)[1])
    return {each.name: (each.kind, each.text) for each in problems}


class TestReport:
    def test_a_database_or_page_that_is_not_there_is_told(self, copy):
        (copy.folder / "audit.duckdb").unlink()
        (copy.folder / "report/index.html").unlink()
        assert {name: kind for name, (kind, _) in found_in_report(copy).items()} == {
            "audit.duckdb": "report",
            "report/index.html": "report",
        }

    def test_a_database_that_is_older_than_a_table_is_told(self, copy):
        rewritten(copy, scores("center"), lambda rows: [{**row, "value": row["value"] and 0.5} for row in rows])
        assert found_in_report(copy) == {
            "audit.duckdb": (
                "report",
                f"it was made of other tables than are there: 1 differ, such as {scores('center')}",
            )
        }

    def test_a_page_or_csv_file_that_has_changed_is_told(self, copy):
        (copy.folder / "report/index.html").write_text("")
        (copy.folder / "report/accuracy.csv").write_text("model,accuracy\nr3d,100\n")
        changed = ("report", "its bytes have changed since it was written")
        assert found_in_report(copy) == {"report/index.html": changed, "report/accuracy.csv": changed}

    def test_the_list_of_checksums_is_one_that_sha256sum_checks(self, made):
        done = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=made.folder, capture_output=True, text=True)
        assert done.returncode == 0
        assert done.stdout.splitlines()[0] == "audit.duckdb: OK"

    def test_a_flipped_bit_of_the_database_is_told_or_changes_nothing(self, copy):
        path, random, records = copy.folder / "audit.duckdb", Random(0), sound_files.problems(copy)[1]
        before, rows = path.read_bytes(), rows_of(copy)
        told = 0
        for _ in range(8):
            path.write_bytes(flipped(before, random))
            problems = list(integrity._report_problems(copy, records))
            told += len(problems)
            assert problems or rows_of(copy) == rows
        assert told == 8


def rows_of(audit: Audit) -> list:
    with database.connect(audit.folder) as connection:
        return [sorted(map(repr, database.fetch(connection, f"from {table}")[1])) for table in schema.TABLES]


def test_what_is_removed_is_what_was_told_and_what_is_made_again_is_sound(copy):
    damaged, missing = copy.folder / STEP, copy.folder / scores("noise")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    missing.unlink()
    (copy.folder / "maps/stray.parquet").write_bytes(b"")
    before = {path for path in copy.folder.rglob("*") if path.is_file()}
    status, out = check(copy.folder)
    assert status == 1
    for line in (
        "1 file not there:",
        "1 file not as they were written:",
        "  maps/stray.parquet",
        f"  {scores('noise')}",
    ):
        assert f"{line}\n" in out or f"{line}: " in out
    assert f"stepaudit check {copy.folder} --delete\n" in out
    command = next(line for line in out.splitlines() if " --force -- " in line)
    assert f"--cores all --configfile {copy.folder}/config.yaml --config results=" in command
    assert command.endswith(f" --force -- {missing} {damaged}") or command.endswith(f" --force -- {damaged} {missing}")
    status, out = check(copy.folder, "--delete")
    assert out.splitlines()[-1] == "removed: 2 of these files"
    assert before - {path for path in copy.folder.rglob("*") if path.is_file()} == {
        damaged,
        copy.folder / "maps/stray.parquet",
    }
    status, out = check(copy.folder, "--targets")
    assert (status, set(out.splitlines())) == (1, {str(missing), str(damaged)})
    wanted = out.splitlines()
    run_jobs(copy.config, lambda name: name in wanted)
    run_jobs(copy.config, lambda name: name == str(copy.folder / scores("step")))  # which Snakemake knows is older
    assert found_in_files(copy) == found_in_rows(copy) == {}


def test_the_commands_work_in_the_folder_where_they_are_printed(tmp_path, monkeypatch):
    """From elsewhere they first go to the folder of the run, and keep the names by which Snakemake knows the files."""
    project, elsewhere = tmp_path / "my project", tmp_path / "elsewhere"
    project.mkdir()
    monkeypatch.chdir(project)
    settings = config.parse({**PLAN, "datasets": {"planted": {"root": "videos"}}})
    config.save(settings, settings.folder / "config.yaml")
    snakemake = f"snakemake -s {package_files.snakefile()} --cores all --configfile results/tiny/config.yaml"
    missing = [Problem("missing", "report/index.html", "")]
    here = list(remedies.steps(audit_folder.of_folder(Path("results/tiny")), missing))
    assert here[0] == f"{snakemake} --force -- results/tiny/report/index.html"
    assert list(remedies.steps(audit_folder.of_folder(Path("results/tiny").resolve()), missing)) == here
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    there = list(remedies.steps(audit_folder.of_folder(Path("../my project/results/tiny")), missing))
    assert there == [f"cd '{project}' && {step}" for step in here]


def test_where_the_configuration_was_edited_nothing_is_removed(copy):
    path = copy.folder / "config.yaml"
    data = yaml.safe_load(path.read_text())
    data["methods"]["step"]["options"]["iterations"] = 7
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    before = {path for path in copy.folder.rglob("*") if path.is_file()}
    status, out = check(copy.folder, "--delete")
    assert status == 1
    assert "config.yaml: nothing here was made with it as it is: it was edited or damaged" in out
    assert "snakemake --cores all --configfile CONFIG" in out
    assert {path for path in copy.folder.rglob("*") if path.is_file()} == before


def test_while_the_workflow_runs_nothing_is_removed(copy, monkeypatch):
    locks = copy.folder / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").touch()
    monkeypatch.chdir(copy.folder)
    (copy.folder / "maps/stray.parquet").touch()
    assert check(copy.folder, "--delete")[0] == 2
    assert (copy.folder / "maps/stray.parquet").exists()


def test_a_folder_without_an_audit_is_a_usage_error(tmp_path):
    assert check(tmp_path)[0] == 2
    (tmp_path / "config.yaml").write_text("audit: [")
    assert check(tmp_path)[0] == 2
    assert check(tmp_path / "config.yaml", "--delete")[0] == 2


def test_many_problems_are_cut_short_and_their_files_listed(copy):
    for path in copy.folder.glob("scores/**/*.parquet"):
        path.unlink()
    problems, _ = sound_files.problems(copy)
    lines = list(remedies.lines(copy, problems))
    assert lines[0] == "12 files not there:"
    assert lines[11] == "  … and 2 more"
    assert lines[-2].startswith(f"  stepaudit check {copy.folder} --targets | tr '\\n' '\\0' | xargs -0 snakemake ")
    assert set(remedies.targets(copy, problems)) == {
        str(copy.folder / name) for name in copy.files if "scores/" in name
    }


def test_the_record_of_a_job_names_what_it_read_and_wrote(made):
    (row,) = tables.read("runs", made.files[scores("center")].record)
    (reading, wrote) = json.loads(row["inputs"]), json.loads(row["outputs"])
    clips = "clips/dataset=planted/size=8x16x16/test-000.parquet"
    assert {CENTER, clips, clips.replace("clips/", "clip_boxes/")} <= reading.keys()
    assert wrote.keys() == {scores("center")}
    (output,) = wrote.values()
    assert output["rows"] == pq.ParquetFile(made.folder / scores("center")).metadata.num_rows
    assert output["bytes"] == (made.folder / scores("center")).stat().st_size
