"""`stepaudit sql` from the command line, a file, a pipe, and at a terminal, which is a real one."""

import csv
import io
import os
import re
import signal
import time
from functools import partial
from pathlib import Path

import command_line
import processes
import pytest

from stepaudit.commands.sql import command, dot_commands, line_editor
from stepaudit.errors import UsageError
from stepaudit.report import catalog
from stepaudit.store import database

ENDLESS = "select count(*) from range(1000000000000) as a where hash(a.range) % 7 = 1;\n"


@pytest.fixture(scope="module")
def place(questioned, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    (folder / "results").symlink_to(questioned / "results")
    return folder


@pytest.fixture
def sql(place, monkeypatch):
    """Runs `stepaudit sql results/demo`, with something piped in. Returns status, output and errors."""
    monkeypatch.chdir(place)
    return partial(command_line.run, "sql", "results/demo")


@pytest.fixture
def terminal(place):
    environment = {"TERM": "dumb", "XDG_STATE_HOME": str(place / "state"), "OMP_NUM_THREADS": "1"}
    opened = processes.Terminal(["sql", "results/demo"], place, environment)
    opened.until("Ctrl-D ends")
    opened.until(command.PROMPT)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("select 1", False),
        ("select 1; select 2", False),
        ("select 1;", True),
        ("select ';'';' as \"a;b\";\n", True),
        ("select 1 -- no; end\n", False),
        ("select 1 -- no; end\n;", True),
        ("select /* ; */ 1;", True),
        ("select $$;$$, $a$ ; $$ ; $a$;", True),
        ("select e'\\';', 'x;';", True),
        ("select 'open;", False),
        ('select "open;', False),
        ("select /* open;", False),
        ("selct 1;", True),  # to be answered with its error
        (".tables", True),
    ],
)
def test_a_statement_ends_at_a_semicolon_that_stands_in_no_text_name_or_comment(text, complete):
    assert command._is_complete(text) is complete


def test_a_query_comes_from_the_line_or_a_pipe(sql):
    assert sql("select 1 as a", "--format", "csv") == (0, "a\n1\n", "")
    assert sql("--format", "csv", typed="-- a comment\nselect 2 as a;\nselect 3 as b;\n") == (0, "b\n3\n", "")
    assert sql("--format", "json", typed="select 4 as c") == (0, '[{"c": 4}]\n', "")
    assert sql("--format", "csv", typed=".questions\n")[1].startswith("name,question\nbackground_classes,")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "no query; write one"),
        (("select 1", "--format", "tabel"), "Invalid value for '--format'"),
        ((".tabels",), "no command '.tabels'; did you mean '.tables'?"),
        ((".format csv",), ".format works only in the shell"),
        ((".schema min_rati",), "no table or view 'min_rati'; did you mean 'min_ratio'?"),
        ((".question seed_effect",), "no question 'seed_effect'; did you mean 'seed_effects'?"),
        (("copy (select 1) to 'stolen.csv'",), "LocalFileSystem has been disabled"),
    ],
)
def test_bad_input_is_one_line_that_names_the_next_step(sql, place, arguments, text):
    status, out, err = sql(*arguments)
    assert (status, out) == (2, "")
    assert text in err
    assert not (place / "stolen.csv").exists()


def test_commands_with_a_dot_show_what_there_is(sql):
    tables = list(csv.DictReader(io.StringIO(sql(".tables", "--format", "csv")[1])))
    assert {row["kind"] for row in tables} == {"table", "view", "report"}
    kinds = {row["name"]: row["kind"] for row in tables}
    assert (kinds["maps"], kinds["failed"], kinds["min_ratio"]) == ("table", "view", "report")
    assert kinds["clip_needs"] == "view"  # stored, but made from tables as the others are
    assert kinds["accuracy_means"] == kinds["estimates"] == "table"  # estimates are computed
    assert "which share of clips needs more" in sql(".schema kaplan_meier_curves")[1]
    status, out, _ = sql(".question right_with_little")
    assert status == 0
    assert out.startswith("On which clips is the model right")
    assert "where is_right and upper < 0.05" in out
    assert "cross-vertical-test-001" in out
    assert "Beware: " in out


def test_every_table_view_and_column_has_a_sentence(place):
    with database.connect(place / "results/demo") as connection:
        relations = catalog.relations(connection)
        columns = [(name, column) for name in relations for column in catalog.columns(connection, name)]
    assert [name for name, relation in relations.items() if not relation.comment] == []
    # what is listed here belongs into reports/columns.yaml
    missing = [f"{name}.{each.name}" for name, each in columns if not each.text.endswith((".", "…"))]
    assert not missing, ", ".join(missing)


def test_no_sentence_is_left_of_a_column_that_is_gone(place):
    with database.connect(place / "results/demo") as connection:
        columns = catalog.all_columns(connection)
    known = {f"{name}.{column.name}" for name, each in columns.items() for column in each}
    known |= {column.name for each in columns.values() for column in each}
    assert set(catalog._texts()) <= known


def test_a_shell_takes_statements_of_several_lines_and_goes_on_after_an_error(terminal):
    terminal.type("select 40 + 2\n")
    terminal.until(re.escape(command.CONTINUED))
    terminal.type("  as answer;\n")
    assert "answer" in terminal.until("42.*stepaudit> ")
    terminal.type("from nope;\n")
    shown = terminal.until(r"with name nope.*\n.*stepaudit> ")
    assert "LINE 1" not in shown
    terminal.type("select '\x1b[31m' || 1 as red, 7 as b; select 8 as c;\n")
    shown = terminal.until(r"8\s+stepaudit> ")
    assert "\x1b[31m1" not in shown
    terminal.type("copy (select 1) to 'stolen.csv';\n")
    terminal.until(r"Permission Error.*stepaudit> ")
    terminal.type("\x04")
    assert terminal.ended() == 0


def test_a_shell_shows_answers_in_the_form_that_is_asked_for_and_ends_on_quit(terminal):
    terminal.type(".format csv\nselect 1 as a, 'x' as b;\n")
    terminal.until("a,b\r\n1,x\r\n")
    terminal.type(".format xml\n")
    terminal.until("no format 'xml'")
    terminal.type(".help\n")
    terminal.until(r"\.question NAME")
    terminal.type("from range(2000);\n")
    terminal.until(r"\(the first 1,000 rows; add a `limit`")
    terminal.type(".quit\n")
    assert terminal.ended() == 0


def test_ctrl_c_drops_a_line_or_stops_a_query_and_the_shell_goes_on(terminal):
    terminal.type("select 'half")
    time.sleep(0.3)
    terminal.type("\x03")
    terminal.until(command.PROMPT)
    terminal.type(ENDLESS)
    time.sleep(1)
    began = time.monotonic()
    terminal.type("\x03")
    terminal.until("interrupted.*stepaudit> ")
    assert time.monotonic() - began < 15
    terminal.type("select 5 as five;\n")
    terminal.until("five.*5.*stepaudit> ")
    terminal.type("\x04")
    assert terminal.ended() == 0


def test_sigterm_ends_a_shell(terminal):
    os.kill(terminal.process, signal.SIGTERM)
    assert terminal.ended() == -signal.SIGTERM


def test_a_shell_remembers_what_was_typed_and_completes_names(place, terminal):
    pytest.importorskip("readline")
    terminal.type("select 6 as first_line;\n")
    terminal.until("first_line.*6.*stepaudit> ")
    terminal.type("from min_rat\t;\n")
    terminal.until("median_ratio.*stepaudit> ")
    terminal.type("\x04")
    assert terminal.ended() == 0
    history = place / "state/stepaudit/sql_history"
    assert "select 6 as first_line;" in history.read_text()
    assert "from min_ratio" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_completion_knows_what_may_come(place):
    with database.connect(place / "results/demo") as connection:
        found = line_editor.completer(connection)
    assert found("from ", "min_") == ["min_ratio"]
    assert found("select ", "clip_i") == ["clip_id", "clip_ids"]
    assert found("select m.", "clip_i") == ["clip_id", "clip_ids"]
    assert found(".", "sch") == ["schema"]
    assert found(".schema ", "kaplan_meier_") == ["kaplan_meier_curves"]
    assert found(".question ", "see") == ["seed_effects"]
    assert found(".format ", "js") == ["json"]
    assert found("", "selec") == ["select"]


def test_names_that_a_terminal_would_obey_are_never_completed():
    assert line_editor._unquoted_names(["a", "b\x1b[31m", "c d", 'e"', "ü"]) == ["a"]


def test_a_shell_without_a_database_says_what_to_run(tmp_path):
    with pytest.raises(UsageError, match="run `stepaudit report"):
        command.Shell(tmp_path, "table", str).run()


def test_history_lies_in_the_users_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert line_editor.history_file() == tmp_path / "stepaudit/sql_history"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert line_editor.history_file() == tmp_path / ".local/state/stepaudit/sql_history"


def test_help_names_every_command_that_the_code_knows():
    named = {each.partition(" ")[0] for each in dot_commands.HELP}
    assert named == {".tables", ".schema", ".questions", ".question", ".format", ".help", ".quit"}
