"""docs/sql.md and docs/export.md: every command, query and program in them runs over an audit with the demo's names."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import command_line
import pytest
import questioned_audit

from stepaudit.report import worked_questions
from stepaudit.store import database

DOCS = Path(__file__).parents[1] / "docs"
SQL, EXPORT = (DOCS / "sql.md").read_text(), (DOCS / "export.md").read_text()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def lines(page: str, program: str) -> list[str]:
    """The command lines of a page that run a program, without comments."""
    found = [re.sub(r"\s+#.*", "", line) for block in blocks(page, "bash") for line in block.splitlines()]
    return [line for line in found if re.search(rf"(^|\| ){program} ", line)]


@pytest.fixture(scope="module")
def place(questioned, tmp_path_factory):
    """A working folder with the results of an audit, and what the examples read."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "results").symlink_to(questioned / "results")
    (folder / "my_question.sql").write_text("from accuracy;\n")
    return folder


@pytest.fixture
def stepaudit(place, monkeypatch):
    """Runs a command line of `stepaudit`. Returns what it prints."""
    monkeypatch.chdir(place)

    def run(*arguments: str) -> str:
        status, out, err = command_line.run(*arguments)
        assert status == 0, err
        return out

    return run


def run_shell(line: str, place: Path) -> str:
    """Runs a line in a shell in which `stepaudit` is the one under test."""
    program = place / "bin/stepaudit"
    if not program.exists():
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m stepaudit.cli \"$@\"\n")
        program.chmod(0o755)
    found = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(DOCS.parent),
    }
    done = subprocess.run(
        ["sh", "-c", line], cwd=place, env=found, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"
    return done.stdout


def test_the_pages_have_commands_to_test():
    assert len(lines(SQL, "stepaudit")) >= 8
    assert len(lines(EXPORT, "stepaudit")) >= 10


@pytest.mark.parametrize("line", [each for each in lines(SQL, "stepaudit") if each != "stepaudit sql results/demo"])
def test_a_command_of_the_page_on_sql_runs(line, place, stepaudit):
    if re.search("[|<]", line):
        assert run_shell(line, place).startswith(("[{", "dataset,"))
    else:
        assert stepaudit(*_words(line)) or " --out " in line


def test_the_commands_of_the_page_on_export_run_in_their_order_and_its_python_reads_the_maps(place, stepaudit):
    for line in lines(EXPORT, "stepaudit"):
        stepaudit(*_words(line))
    assert list((place / "exported/tables").iterdir())
    assert (place / "min_ratio.tex").read_text().count("\\toprule") == 1
    assert list((place / "one_clip").rglob("*.mp4"))
    namespace: dict = {}
    for code in blocks(EXPORT, "python"):
        exec(compile(code, "export.md", "exec"), namespace)
    assert namespace["importance"].shape == (16, 16, 16)
    assert len(namespace["frames"]) == 16
    assert namespace["units"] in EXPORT or "importance in [0, 1]" in namespace["units"]


@pytest.mark.parametrize("code", blocks(SQL, "python"), ids=lambda code: code.split()[1])
def test_the_python_of_the_page_on_sql_runs(code, place, monkeypatch):
    for package in ("pandas", "polars"):
        if package in code or (package == "pandas" and ".df()" in code):
            pytest.importorskip(package)
    monkeypatch.chdir(place)
    namespace: dict = {}
    exec(compile(code, "sql.md", "exec"), namespace)
    if "wrong" in namespace:
        assert namespace["wrong"] == [questioned_audit.NAMES["c7"]]
    if "accuracy" in namespace:
        assert len(namespace["accuracy"]) == 2


DUCKDB = shutil.which("duckdb")


@pytest.mark.skipif(DUCKDB is None, reason="there is no duckdb on the PATH; `pip install duckdb-cli`")
@pytest.mark.parametrize("line", lines(SQL, "duckdb"))
def test_the_duckdb_command_line_of_the_page_runs(line, place):
    assert run_shell(line, place)


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="there is no R")
def test_the_r_of_the_page_runs(place, stepaudit):
    (code,) = blocks(SQL, "r")
    (before,) = (line for line in lines(SQL, "stepaudit") if " --out rows.csv" in line)
    (place / "rows.csv").unlink(missing_ok=True)
    stepaudit(*_words(before))
    (place / "page.R").write_text(code)
    out = run_shell("Rscript page.R", place)
    assert re.search(r"max_over_time\s+cross-vertical\s+0\.0625", out), out


def test_the_session_that_is_shown_is_what_the_shell_says(place):
    (session,) = (text for text in blocks(SQL, "text") if text.startswith("stepaudit> "))
    with database.connect(place / "results/demo") as connection:
        for statement in re.findall(r"(?:stepaudit> )((?:select)[^;]*(?:\n +\.\.\.> [^;]*)*);", session):
            names, rows = database.fetch(connection, re.sub(r"\n +\.\.\.> ", "\n", statement))
            assert rows
            assert names[0] in session


def test_every_question_is_in_the_list_of_the_page():
    questions = worked_questions.all_questions().values()
    assert not [each.name for each in questions if f"| `{each.name}` | {each.asks} |\n" not in SQL]


def test_every_view_that_the_page_names_is_there(place):
    with database.connect(place / "results/demo") as connection:
        known = {row[0] for row in connection.execute("select view_name from duckdb_views()").fetchall()}
        known |= {row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()}
    (table,) = re.findall(r"\| you look for \| ask \|\n(.*?)\n\n", SQL, re.S)
    for name in re.findall(r"`(?:from )?(\w+)`", table):
        assert name in known | set(worked_questions.all_questions()), name


def _words(line: str) -> list[str]:
    return shlex.split(line)[1:]
