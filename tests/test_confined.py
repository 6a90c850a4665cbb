"""SQL, and databases, that were made to do harm: nothing is written, nothing else is read, and it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from processes import heed_ctrl_c
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.errors import UsageError
from stepaudit.report import build_database
from stepaudit.store import database, read_only


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a secret, and an audit in it."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "secret.csv").write_text("a\n1\n")
    audit = write_audit(folder / "results", clips("a", "b"))
    build_database.create(audit, config.load(audit / "config.yaml"))
    return folder


@pytest.fixture
def audit(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(place / "home"))
    return place / "results" / "tiny"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


OWN = "results/tiny/audit.duckdb"
WRITES = [
    "copy (select 1) to 'out.csv'",
    "copy (select 1) to '/dev/stdout'",
    "copy clips to 'out' (format parquet, partition_by (label))",
    f"copy (select 1) to '{OWN}'",
    f"copy (select 1) to '{OWN}' (use_tmp_file false)",
    f"copy (select 1) to '{OWN}.wal'",
    f"copy (select 1) to '{OWN}.tmp/x.csv'",
    f"copy (select 1) to '{OWN}.tmp/../../../x.csv'",
    f"with x as (copy (select 1) to '{OWN}' (use_tmp_file false)) select 1",
    f"with x as (copy (select 1) to '{OWN}.wal') select 1",
    f"explain analyze copy (select 1) to '{OWN}.wal'",
    f"prepare p as copy (select 1) to '{OWN}.wal'; execute p",
    f"select 1; copy (select 1) to '{OWN}.wal'",
    f"attach '{OWN}' as again (read_only false)",
    "attach 'other.duckdb' as other",
    "export database 'out'",
    "create table mine as select 1",
    "create macro mine() as 1",
    "insert into clips (clip_id) values ('x')",
    "update clips set label = 'x'",
    "delete from clips",
    "truncate clips",
    "drop view accuracy",
    "alter table clips rename to others",
    "comment on table clips is 'x'",
    "create persistent secret s (type http)",
    "set temp_directory = 'spill'",
    "set log_query_path = 'log'",
    "pragma profile_output = 'log'",
    "call enable_logging(storage = 'file', storage_config = {'path': 'log'})",
    "install httpfs",
    "force install httpfs from 'http://127.0.0.1:9'",
    "update extensions",
]
READS = [
    "from 'secret.csv'",
    "from \"secret.csv\"",
    "from read_csv('secret.csv')",
    "from read_csv(['secret.csv'])",
    "from read_text('secret.csv')",
    "from read_blob('/proc/self/environ')",
    "from read_json('secret.csv')",
    "from read_parquet('results/**/*.parquet')",
    "from parquet_metadata('results/tiny/segments/dataset=planted/all.parquet')",
    "from sniff_csv('secret.csv')",
    "from glob('*')",
    f"from read_blob('{OWN}')",
    f"from read_text('{OWN}.tmp/../../../secret.csv')",
    "from query_table('secret.csv')",
    "from query('copy (select 1) to ''x''')",
    "from read_csv('https://example.org/x.csv')",
    "from read_csv('s3://bucket/x.csv')",
    "attach 'http://127.0.0.1:9/x.duckdb'",
    "attach 'x.db' (type sqlite)",
    "attach ':memory:' as mine",
    "import database 'out'",
    "copy clips from 'secret.csv'",
    "load httpfs",
    "load './x.duckdb_extension'",
    "select getenv('HOME')",
    "from st_read('secret.csv')",
    "from secret",
]  # fmt: skip
UNLOCKS = [
    "set enable_external_access = true",
    "set disabled_filesystems = ''",
    "reset disabled_filesystems",
    "set lock_configuration = false",
    "set allowed_paths = ['/etc']",
    "set allowed_directories = ['/etc']",
    "set file_search_path = '/etc'",
    "set extension_directory = '.'",
    "set secret_directory = '.'",
    "set allow_unsigned_extensions = true",
    "set autoload_known_extensions = true",
    "set python_enable_replacements = true",
    "set memory_limit = '1TB'",
    "reset memory_limit",
    "pragma threads = 99",
]


@pytest.mark.parametrize("statement", WRITES + READS + UNLOCKS)
def test_a_statement_writes_nothing_and_reads_nothing_else(audit, place, statement):
    secret = [1]  # a variable of the caller's
    before = contents(place)
    with pytest.raises(UsageError):
        database.query(audit, statement)
    assert contents(place) == before, secret


def test_plain_questions_of_every_form_are_answered(audit):
    for question in (
        "select count(*) from clips",
        "from accuracy",
        "table clips",
        "values (1)",
        "describe clips",
        "summarize clips",
        "show tables",
        "with x as (select 1 as a) from x",
        "pivot clips on status using count(*)",
        "select clip_id, row_number() over (order by clip_id) from clips",
        "explain select 1",
    ):
        assert database.query(audit, question)[1] is not None
    assert database.query(audit, "select current_setting('temp_directory'), current_setting('threads')")[1] == [("", 4)]


EVIL = {
    "reads": "select content from read_text('{place}/secret.csv')",
    "reads_itself": "select content from read_blob('{own}.wal')",
    "copies": "with x as (copy (select 42) to '{own}.wal') select 1 as a",
    "leads_out": "with x as (copy (select 42) to '{own}.tmp/planted.csv') select 1 as a",
}


@pytest.fixture
def evil(tmp_path) -> Path:
    """An audit from elsewhere: views that read and write, and a folder of temporary files that leads out of it."""
    folder = tmp_path / "evil"
    (folder / "home").mkdir(parents=True)
    (folder / "secret.csv").write_text("secret")
    own = folder / "audit.duckdb"
    with duckdb.connect(str(own)) as connection:
        for name, sql in EVIL.items():
            _add_view(connection, name, sql.format(place=folder, own=own))
    return folder


def _add_view(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    """A view; where this DuckDB can have none that copies, one that fails."""
    try:
        connection.execute(f"create view {name} as {sql}")
    except duckdb.Error:
        connection.execute(f"create view {name} as select error('this DuckDB has no such view')")


@pytest.mark.parametrize("view", EVIL)
def test_views_inside_a_database_reach_no_more_than_statements(evil, view):
    before = contents(evil)
    with pytest.raises(UsageError):
        database.query(evil, f"from {view}")
    with database.connect(evil) as connection, pytest.raises(UsageError):
        database.fetch(connection, f"from {view}")
    assert contents(evil) == before


def test_a_folder_of_temporary_files_that_leads_elsewhere_is_refused(evil):
    """DuckDB opens that folder to every statement, even without access to any other file."""
    (evil / "audit.duckdb.tmp").symlink_to(evil / "home")
    (evil / "home" / "key").write_text("secret")
    for spills in (True, False):
        with pytest.raises(UsageError, match=r"audit\.duckdb\.tmp: a link; put the file itself there"):
            database.connect(evil, spills=spills)


def test_a_database_that_is_a_link_is_refused(audit, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for target in (audit / "audit.duckdb", "audit.duckdb"):  # another one, and itself
        (other / "audit.duckdb").symlink_to(target)
        with pytest.raises(UsageError, match="a link; put the file itself there"):
            database.query(other, "select 1")
        (other / "audit.duckdb").unlink()
    (tmp_path / "linked").symlink_to(audit)  # results on another disk are no trick
    assert database.query(tmp_path / "linked", "select 1")[1] == [(1,)]


@pytest.mark.parametrize("offset", [0, 8, 40, 4096])
def test_a_damaged_database_is_bad_input(audit, tmp_path, offset):
    content = bytearray((audit / "audit.duckdb").read_bytes())
    content[offset : offset + 64] = bytes(64)
    (tmp_path / "audit.duckdb").write_bytes(content)
    with pytest.raises(UsageError, match=r"audit\.duckdb: cannot be opened"):
        database.query(tmp_path, "from clips")


def test_an_answer_too_large_to_hold_says_what_to_do(audit, monkeypatch):
    monkeypatch.setattr(database, "MAX_ROWS", 1000)
    assert len(database.query(audit, "from range(999)")[1]) == 999
    with pytest.raises(UsageError, match=r"1,000 rows or more; add a `limit`"):
        database.query(audit, "from range(1000000000000)")


MEMORY = {
    "a set": "select count(*) from (select distinct range from range(400000000))",
    "a sort": "select range from range(90000000) order by hash(range)",
    "a list": "select len(range(1500000000))",
    "a text": "select length(repeat('x', 2000000000))",
}


@pytest.mark.parametrize("what", MEMORY)
def test_a_query_that_needs_too_much_memory_is_refused(audit, monkeypatch, what):
    monkeypatch.setattr(read_only, "SMALL", {"memory_limit": "200MB", "threads": "1"})
    monkeypatch.setattr(read_only, "HEADROOM", 2**29)
    with pytest.raises(UsageError, match=r"(?i)memory|alloc"):
        database.query(audit, MEMORY[what])
    assert database.query(audit, "select 1")[1] == [(1,)]
    assert not list(audit.glob("*.tmp"))


def test_a_query_that_never_ends_is_stopped_by_ctrl_c(audit):
    sql = "select count(*) from range(1000000000000) as a where hash(a.range) % 7 = 1"
    code = "import sys\nfrom stepaudit.cli import main\nsys.stderr.write('here\\n')\nmain()"
    command = [sys.executable, "-c", code, "sql", str(audit), sql]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=heed_ctrl_c) as process:
        process.stderr.readline()
        time.sleep(1.5)
        os.kill(process.pid, signal.SIGINT)
        began = time.monotonic()
        process.communicate(timeout=60)
    assert time.monotonic() - began < 15
    assert process.returncode not in (0, 2)
