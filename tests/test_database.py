import shutil
import subprocess
import sys
from contextlib import suppress

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.commands import status
from stepaudit.commands.check import values
from stepaudit.errors import UsageError
from stepaudit.report import build_database
from stepaudit.store import database, schema, tables


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An audit with its database, views and all."""
    rows = clips("a", "b")
    rows["clips"][0]["pixels"] = bytes(12)
    rows["maps"] = [{"clip_id": "a", "ratio": 0.1, "grid": np.ones(8, np.float16), "grid_shape": [2, 2, 2]}]
    folder = write_audit(tmp_path_factory.mktemp("made"), rows)
    build_database.create(folder, config.load(folder / "config.yaml"))
    return folder


@pytest.fixture
def audit(made, tmp_path):
    """A copy, which a test may change."""
    return shutil.copytree(made, tmp_path / "results" / made.name)


def tables_alone(folder):
    """Makes the database without views: what its tables hold does not depend on them."""
    build_database.create(folder, config.load(folder / "config.yaml"), ())


def one(folder, sql):
    return database.query(folder, sql)[1][0][0]


def test_tables_are_there_under_their_names_with_what_their_columns_mean(audit):
    for table in schema.TABLES.values():
        sql = f"select column_name, comment from duckdb_columns() where table_name = '{table.name}'"
        assert database.query(audit, sql)[1] == [
            (column.name, column.text) for column in table.columns if not column.heavy
        ]
    assert one(audit, "select count(*) from clips") == 2
    assert database.query(audit, "select dataset, model, method from maps")[1] == [("planted", "r3d", "step")]


def test_heavy_columns_stay_in_parquet(audit):
    for statement in ("select pixels from clips", "select grid from maps"):
        with pytest.raises(UsageError, match="not found"):
            database.query(audit, statement)
    path = audit / "maps" / "dataset=planted" / "model=r3d" / "method=step" / "test-000.parquet"
    assert duckdb.execute(f"select grid from read_parquet('{path}')").fetchone()[0] == [1.0] * 8


def test_the_file_alone_opens_elsewhere_with_its_views(audit, tmp_path, monkeypatch):
    elsewhere = tmp_path / "colleague"
    elsewhere.mkdir()
    shutil.copy(audit / "audit.duckdb", elsewhere / "theirs.duckdb")
    shutil.rmtree(audit)
    monkeypatch.chdir(elsewhere)
    with duckdb.connect("theirs.duckdb", read_only=True) as connection:
        assert connection.execute("select count(*) from test_clips").fetchone() == (2,)
        assert connection.execute("from accuracy").fetchall() == []


def test_the_configuration_stands_in_the_database(audit):
    assert database.query(audit, "select name, use from models")[1] == [("r3d", "r2plus1d_18")]
    sql = "select * exclude (settings) from methods where name = 'step'"
    assert database.query(audit, sql)[1] == [("step", "step", "{}", False, True, [0.1], [0], [])]
    assert one(audit, "select config_hash from audit") == config.load(audit / "config.yaml").hash
    assert one(audit, "select config ->> '$.datasets.planted.root' from audit") == "data"


def test_settings_are_the_options_with_the_defaults_of_those_that_were_not_given(tmp_path):
    methods = {"smooth": {"use": "ep3d_gaussian", "ratios": [0.1], "options": {"reach": 3}}}
    folder = write_audit(tmp_path, methods=methods)
    tables_alone(folder)
    sql = "select settings ->> ['$.reach', '$.preset', '$.iterations'], options from methods"
    assert database.query(folder, sql)[1] == [(["3", "matched", None], '{"reach":3}')]


def old_and_new(folder):
    """Results of a data set, two models, two methods and two shards, of which the configuration names one each."""
    places = [
        ("planted", "r3d", "step"),
        ("gone", "r3d", "step"),
        ("planted", "gone", "step"),
        ("planted", "r3d", "gone"),
    ]
    whole = {"datasets": ("planted", "gone"), "models": ("r3d", "gone"), "methods": ("step", "gone")}
    uses = {
        "datasets": {"use": "planted", "root": "d"},
        "models": {"use": "r2plus1d_18"},
        "methods": {"use": "grad_cam"},
    }
    rows = {
        "segments": [{"clip_id": "a", "dataset": dataset} for dataset in whole["datasets"]],
        "clips": [{"clip_id": "a", "dataset": dataset} for dataset in whole["datasets"]],
        "predictions": [{"clip_id": "a", "dataset": d, "model": m, "rank": 1} for d, m, _ in places[:3]],
        "runs": [
            {"keys": tables.as_json(dict(zip(("dataset", "model", "method"), place, strict=True)))} for place in places
        ],
    }
    keyed = [{"clip_id": "a", "dataset": d, "model": m, "method": method} for d, m, method in places]
    rows |= {name: [dict(row) for row in keyed] for name in ("maps", "preservation")}
    rows["scores"] = [row | {"metric": "mass_in_box", "value": 0.5} for row in keyed]
    write_audit(folder, rows, **{kind: dict.fromkeys(names, uses[kind]) for kind, names in whole.items()})
    now = {kind: {names[0]: uses[kind]} for kind, names in whole.items()}
    methods = {"step": {"ratios": [0.1]}}
    return write_audit(folder, **{**now, "methods": methods, "preserve": {"methods": ["step"]}})


def test_results_of_what_the_configuration_no_longer_names_are_not_counted(tmp_path):
    folder = old_and_new(tmp_path)
    for table in ("maps", "scores", "clips"):
        source = next((folder / table).rglob("dataset=planted/**/test-000.parquet"))
        shutil.copy(source, source.with_name("test-001.parquet"))  # of a time with more shards
    unreadable = folder / "maps" / "dataset=planted" / "model=gone" / "method=step" / "test-000.parquet"
    unreadable.write_bytes(b"of an older version")
    tables_alone(folder)
    for table in ("segments", "clips", "predictions", "maps", "preservation", "scores", "runs"):
        assert one(folder, f"select count(*) from {table}") == 1, table
    assert database.query(folder, "select distinct dataset, model, method from scores")[1] == [
        ("planted", "r3d", "step")
    ]
    assert len(list((folder / "maps").rglob("*.parquet"))) == 5  # they stay where they are


def test_a_search_that_the_configuration_no_longer_asks_for_is_not_counted(tmp_path):
    rows = {"preservation": [{"clip_id": "a", "ratio": 0.1, "lower": 0.05, "upper": 0.1}]}
    folder = write_audit(tmp_path, rows)
    tables_alone(folder)
    assert one(folder, "select count(*) from preservation") == 0


FORBIDDEN = [
    "insert into clips (clip_id) values ('x')",
    "delete from clips",
    "drop table clips",
    "create table mine as select 1",
    "select 1; update clips set label = 'x'",
    "copy clips to 'out.csv'",
    "copy (select 1) to 'out.parquet' (format parquet)",
    "export database 'out'",
    "attach 'other.duckdb'",
    "select * from read_csv('secret.csv')",
    "select * from 'secret.csv'",
    "select * from read_text('secret.csv')",
    "from glob('*')",
    "select * from read_csv('https://example.org/x.csv')",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set temp_directory = 'spill'",
    "set threads = 1",
    "from secret",
]


def test_sql_can_change_nothing_and_reach_nothing_outside(audit, tmp_path, monkeypatch):
    secret = pa.table({"a": [1]})  # a variable of the caller, which DuckDB for Python would find by itself
    assert secret.num_rows == 1
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.csv").write_text("a\n1\n")
    before = (audit / "audit.duckdb").read_bytes()
    allowed = []
    for statement in FORBIDDEN:
        with suppress(UsageError):
            allowed.append((statement, database.query(audit, statement)))
    assert allowed == []
    assert (audit / "audit.duckdb").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "secret.csv"]


def test_errors_carry_the_message_of_duckdb(audit):
    with pytest.raises(UsageError, match="Candidate bindings"):
        database.query(audit, "select clip_idd from clips")
    with pytest.raises(UsageError, match="syntax error"):
        database.query(audit, "selekt 1")
    with pytest.raises(UsageError, match="no statement"):
        database.query(audit, " -- nothing")


def test_without_a_database_the_error_names_the_command(tmp_path):
    with pytest.raises(UsageError, match=rf"run `stepaudit report {tmp_path}`"):
        database.query(tmp_path, "select 1")


def test_a_file_that_is_no_database_is_bad_input(tmp_path):
    (tmp_path / "audit.duckdb").write_text("not a database " * 100)
    with pytest.raises(UsageError, match=r"cannot be opened.*stepaudit report"):
        database.query(tmp_path, "select 1")


def test_files_of_unfinished_jobs_and_leftovers_do_not_matter(audit):
    shards = audit / "maps" / "dataset=planted" / "model=r3d" / "method=step"
    (shards / ".test-001.parquet.parts").mkdir()
    shutil.copy(shards / "test-000.parquet", shards / ".test-001.parquet.parts" / "000000.parquet")
    (shards / ".test-001.parquet.tmp").write_bytes(b"half")
    (audit / ".audit.duckdb.tmp").write_bytes(b"half")
    (audit / ".audit.duckdb.tmp.wal").write_bytes(b"half")
    tables_alone(audit)
    assert one(audit, "select count(*) from maps") == 1
    assert [path.name for path in audit.iterdir() if path.name.startswith(".")] == []


def test_two_cannot_make_the_same_database_at_once(tmp_path):
    folder = write_audit(tmp_path)
    script = "print(locks.take(pathlib.Path(sys.argv[1])), flush=True); input()"
    imports = "import sys, pathlib; from stepaudit.running import locks; "
    command = [sys.executable, "-c", imports + script, folder / ".audit.duckdb.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "True\n"
        with pytest.raises(UsageError, match=f"process {other.pid} on .* is making the report"):
            tables_alone(folder)
        other.communicate("\n")
    tables_alone(folder)
    assert not list(folder.glob(".audit*"))


def test_values_in_paths_stay_text_and_folders_above_do_not_count(tmp_path):
    rows = {"predictions": [{"clip_id": "a", "dataset": "007", "model": "r3d+x"}]}
    changes = {"datasets": {"007": {"use": "planted", "root": "data"}}, "models": {"r3d+x": {"use": "r2plus1d_18"}}}
    folder = write_audit(tmp_path / "dataset=other", rows, **changes)
    tables_alone(folder)
    assert database.query(folder, "select dataset, model from predictions")[1] == [("007", "r3d+x")]


def test_results_of_another_schema_are_refused_and_the_old_database_stays(audit):
    path = audit / "maps" / "dataset=planted" / "model=r3d" / "method=step" / "test-000.parquet"
    old = pq.read_table(path, partitioning=None).replace_schema_metadata({schema.SCHEMA_KEY: b"0"})
    pq.write_table(old, path)
    with pytest.raises(UsageError, match=r"test-000\.parquet: written with table schema 0"):
        tables_alone(audit)
    assert one(audit, "select count(*) from maps") == 1


def test_a_parquet_file_in_the_wrong_place_is_named(audit):
    source = audit / "maps" / "dataset=planted" / "model=r3d" / "method=step" / "test-000.parquet"
    shutil.copy(source, audit / "maps" / "stray.parquet")
    with pytest.raises(UsageError, match=r"stray\.parquet.*no folder `dataset=…`"):
        tables_alone(audit)


def test_names_with_quotes_survive(tmp_path):
    name = """o'hara "x" <b>"""
    folder = write_audit(tmp_path / "it's", clips(name))
    tables_alone(folder)
    assert one(folder, "select clip_id from clips") == name


@pytest.mark.parametrize(("name", "other"), [("run[1]", "run1"), ("run*", "run2")])
def test_a_folder_whose_name_could_be_a_pattern_is_read_and_no_other(tmp_path, name, other):
    folders = [write_audit(tmp_path / each, clips(f"clip of {each}")) for each in (other, name)]
    tables_alone(folders[1])
    assert database.query(folders[1], "select clip_id from clips")[1] == [(f"clip of {name}",)]
    (stage,) = [each for each in status.of_folder(folders[1]).stages if each.name == "extract"]
    assert stage.rows == 1
    wrong = [path for path, _ in values.problems([*folders[1].rglob("*.parquet")], folders[1])]
    assert wrong == [folders[1] / "clips/dataset=planted/size=16x112x112/test-000.parquet"]  # without `sha256`


def test_times_with_a_zone_are_read_without_another_package():
    sql = "select timestamptz '2020-01-02 03:04:05+01' as t, 1 as one, [now()] as more"
    with duckdb.connect() as connection:
        names, rows = database.fetch(connection, f"{sql} union all {sql}", most=10)
        assert names == ["t", "one", "more"]
        assert [(str(row[0]), row[1]) for row in rows] == [("2020-01-02 02:04:05+00:00", 1)] * 2
        assert [part for _, part in database.batches(connection, "select now() where false")] == [[]]
        assert [len(part) for _, part in database.batches(connection, "select now() from range(5)", 2)] == [2, 2, 1]


def test_a_database_in_a_folder_that_duckdb_misreads_is_refused_with_the_reason(audit, tmp_path):
    shutil.copytree(audit, tmp_path / "which?" / audit.name)
    with pytest.raises(UsageError, match=r"DuckDB does not open files in a folder with `\?` in its name; rename it"):
        database.query(tmp_path / "which?" / audit.name, "select 1")
