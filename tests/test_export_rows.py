"""Rows as files: they read back with other programs, whatever the names in them are."""

import csv
import io
import json
import shutil
import subprocess
from functools import partial

import command_line
import duckdb
import pyarrow.parquet as pq
import pytest
from tiny_audit import write_audit

from stepaudit.audit import config
from stepaudit.commands.export import latex, row_files, sources
from stepaudit.errors import UsageError
from stepaudit.report import build_database
from stepaudit.store import database

NASTY = r"""a_b & 50% $x$ #1 {c} ~ ^ \input{/etc/passwd} <b> "q" 'r' `s` -- |t|"""


@pytest.fixture
def connection(questioned):
    with database.connect(questioned / "results/demo", small=True) as opened:
        yield opened


@pytest.fixture
def export(questioned, monkeypatch, tmp_path):
    """Runs `stepaudit export` beside the results, writing into a folder of its own. Returns status, output, errors."""
    (tmp_path / "results").symlink_to(questioned / "results")
    monkeypatch.chdir(tmp_path)

    return partial(command_line.run, "export")


def query(sql):
    return sources.Source("", "query", "", sql)


def test_every_format_holds_the_same_rows(connection, tmp_path):
    source = sources.find(connection, "predictions")
    expected = connection.execute("select clip_id, rank from predictions").fetchall()
    for suffix in (".csv", ".json", ".parquet"):
        path = tmp_path / f"p{suffix}"
        assert row_files.write_file(connection, source, row_files.format_of(path), path) == len(expected)
        with duckdb.connect() as other:
            read = other.execute(f"select clip_id, rank from '{path}'").fetchall()
        assert read == expected


def test_parquet_keeps_types_and_numbers_names_that_stand_twice(connection, tmp_path):
    path = tmp_path / "x.parquet"
    row_files.write_file(connection, query("select [1, 2] as a, null::int as b, true as a, 'é' as d"), "parquet", path)
    assert pq.read_table(path).to_pylist() == [{"a": [1, 2], "b": None, "a_1": True, "d": "é"}]


def test_long_answers_come_in_pieces_and_are_whole(connection, tmp_path, monkeypatch):
    monkeypatch.setattr(row_files, "AT_ONCE", 7)
    source = query("select range as a, null as b from range(50)")
    for format in ("csv", "json"):
        assert len(list(row_files.texts(connection, source, format))) > 5
    assert list(csv.reader(io.StringIO("".join(row_files.texts(connection, source, "csv"))))) == [
        ["a", "b"], *([str(number), ""] for number in range(50))
    ]  # fmt: skip
    assert json.loads("".join(row_files.texts(connection, source, "json"))) == [{"a": n, "b": None} for n in range(50)]
    assert "".join(row_files.texts(connection, query("select 1 where false"), "json")) == "[]\n"


def test_no_cell_of_a_csv_is_a_formula(connection):
    text = "".join(row_files.texts(connection, query("select '=1+1' as \"@x\", '-2' as b, -2 as c"), "csv"))
    assert text == "'@x,b,c\n'=1+1,'-2,-2\n"


def test_latex_sets_intervals_behind_numbers_with_the_pages_decimals():
    names = ["model", "top1_percent", "top1_percent_low", "top1_percent_high", "ratio", "clips"]
    text = latex.table(
        names,
        [("r3d", 94.71, 75.4, 99.1, None, 1234), ("r3d", -1.5, None, 2.0, 0.05, 7)],
        caption="50 % of a_b",
        label="tab:a_b",
    )
    lines = [line.strip() for line in text.splitlines()]
    assert r"\begin{tabular}{lrrr}" in lines
    assert r"model & top1 percent & ratio & clips \\" in lines
    assert r"r3d & 94.7 {\small [75.4, 99.1]} & -- & 1\,234 \\" in lines
    assert r"& $-$1.5 {\small [$\leq$ 2.0]} & 0.05 & 7 \\" in lines  # the model is the same
    assert r"\caption{50 \% of a\_b}" in lines
    assert r"\label{tab:a-b}" in lines
    order = [lines.index(line) for line in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{table}")]
    assert order == sorted(order)


def test_latex_obeys_no_text():
    escaped = latex.escaped(NASTY)
    for sign in "&%$#_{}":
        assert escaped.count(f"\\{sign}") >= 1
    assert "\\input" not in escaped
    assert "\\textbackslash{}input\\{" in escaped
    assert "--" not in escaped


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_latex_compiles_with_the_text_as_it_was(connection, tmp_path):
    table = latex.table(["label", "rate", "rate_low", "rate_high"], [(NASTY, 0.5, 0.4, 0.6)], caption=NASTY, label="x")
    (tmp_path / "table.tex").write_text(table)
    names = ("accuracy", "min_ratio", "evidence_clips", "right_with_little")
    for name in names:
        source = sources.find(connection, name)
        row_files.write_file(connection, source, "latex", tmp_path / f"{name}.tex")
    inputs = "\n".join(rf"\input{{{name}}}" for name in ("table", *names))
    preamble = "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "all.tex").write_text(f"{preamble}{inputs}\n\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", "-layout", "all.pdf", "-"], cwd=tmp_path, capture_output=True, text=True)
        assert "a_b & 50% $x$ #1 {c}" in text.stdout
        assert "0.5 [0.4, 0.6]" in text.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("table", "results/demo", "accurac"),
            "no table, view, report or question 'accurac'; did you mean 'accuracy'?",
        ),
        (("table", "results/demo", "accuracy", "--format", "tex"), "Invalid value for '--format'"),
        (("table", "results/demo", "accuracy", "--out", "a.doc"), "no format by its ending; end it with .csv"),
        (("table", "results/demo", "accuracy", "--format", "parquet"), "is no text; give a file with --out"),
        (("table", "results/demo", "accuracy", "--out", "no/a.csv"), "there is no folder 'no'; make it first"),
        (("table", "results/demo", "accuracy", "--out", "results", "--format", "csv"), "a folder; name a file"),
        (("query", "results/demo", "from range(201)", "--format", "latex"), "more than 200 rows are too many"),
        (("table", "results/none", "accuracy"), "run `stepaudit report results/none` first"),
        (("query", "results/demo", "selec 1"), "syntax error"),
        (("query", "results/demo", ""), "no statement"),
        (("query", "results/demo", "", "--out", "a.parquet"), "no statement"),
        (("query", "results/demo", "copy (select 1) to 'x.csv'"), "has been disabled"),
        (("all", "results/demo", "--out", "results"), "not empty; name a new folder"),
        (("all", "results/demo", "--out", "new", "--format", "xml"), "Invalid value for '--format'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(export, tmp_path, arguments, text):
    status, _, err = export(*arguments)
    assert status == 2
    assert text in err
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_file_that_is_there_is_replaced_only_with_force(export, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("mine")
    status, _, err = export("table", "results/demo", "accuracy", "--out", path)
    assert (status, path.read_text()) == (2, "mine")
    assert "there already; name another file, or replace it with --force" in err
    assert export("table", "results/demo", "accuracy", "--out", path, "--force")[0] == 0
    assert path.read_text().startswith("dataset,model,")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.csv", "results"]


def test_what_fails_half_way_leaves_the_old_file_and_no_other(connection, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("mine")
    with pytest.raises(UsageError, match="boom"):
        row_files.write_file(
            connection, query("select if(range = 90000, error('boom'), 1) from range(100000)"), "csv", path, force=True
        )
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_all_of_an_audit_goes_into_a_folder_with_an_index(export, tmp_path):
    status, out, _ = export("all", "results/demo", "--out", "new", "--format", "json")
    assert status == 0
    with (tmp_path / "new/index.csv").open() as file:
        index = list(csv.DictReader(file))
    files = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*.json")}
    assert {row["file"] for row in index} == files
    assert f"{len(files)} files in new" in out
    assert {"tables/maps.json", "reports/min_ratio.json", "questions/seed_effects.json"} <= files
    assert not (tmp_path / "new/views").exists()
    assert "tables/clip_needs.json" not in files  # a stored view
    for row in index:
        assert len(json.loads((tmp_path / "new" / row["file"]).read_text())) == int(row["rows"]), row
    assert not list((tmp_path / "new").glob(".*"))


def test_in_latex_what_is_too_long_is_left_out_with_the_reason(export, tmp_path):
    assert export("all", "results/demo", "--out", "new", "--format", "latex")[0] == 0
    assert {path.parent.name for path in (tmp_path / "new").rglob("*.tex")} == {"reports", "questions"}


def test_names_of_a_strange_database_lead_nowhere(tmp_path):
    folder = write_audit(tmp_path)
    build_database.create(folder, config.load(folder / "config.yaml"))
    with duckdb.connect(str(folder / "audit.duckdb")) as strange:
        for name in ("../../evil", "a/b", "..", '"; drop', "con"):
            strange.execute('create table "' + name.replace('"', '""') + '" as select 1 as x')
    from stepaudit.commands.export import everything

    with database.connect(folder) as opened:
        lines = everything.write(opened, "csv", tmp_path / "new")
    written = {line[1]: tmp_path / "new" / line[0] for line in lines}
    assert all(path.parent == tmp_path / "new/tables" for name, path in written.items() if "e" in name and "/" in name)
    assert {"../../evil", "a/b", "..", '"; drop'} <= set(written)
    assert len(set(written.values())) == len(written)
    assert not (tmp_path / "evil.csv").exists()
