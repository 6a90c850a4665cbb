import re

import pytest
from tiny_audit import write_audit

from stepaudit.audit import config
from stepaudit.errors import UsageError
from stepaudit.report import build_database, sql_files
from stepaudit.store import database, package_files

README = (package_files.reports() / "README.md").read_text()
NAMES = [report.name for report in sql_files.all_reports()]


def test_the_questions_of_the_paper_come_first_and_in_its_order():
    tables = [report.paper for report in sql_files.all_reports()]
    numbered = ["Table 1", "Table 2", "Table 3", "Table 4", "Table 5"]
    assert [table for table in tables if table.startswith("Table")] == numbered
    for number in numbered:  # what stands beside a table comes right after it
        beside = tables.count(f"beside {number}")
        assert tables[tables.index(number) + 1 :][:beside] == [f"beside {number}"] * beside
    sections = ["section 4.2", "section 4.3.1", "section 4.3.2", "section 4.5"]
    rest = tables[max(place for place, table in enumerate(tables) if "Table" in table) + 1 :]
    assert rest[:4] == sections
    assert set(rest[4:]) == {""}


def test_every_report_stands_in_the_readme_with_its_question():
    missing = []
    for report in sql_files.all_reports():
        question = report.title.partition(": ")[2]
        if f"| `{report.name}` | {question[0].upper()}{question[1:]} | {report.paper}".rstrip() not in README:
            missing.append(report.name)
    assert not missing


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """An audit without any rows, with its database."""
    folder = write_audit(tmp_path_factory.mktemp("empty"))
    build_database.create(folder, config.load(folder / "config.yaml"))
    return folder


def test_every_report_works_over_an_audit_without_any_rows(empty):
    rows = {}
    with database.connect(empty) as connection:
        for report in sql_files.all_reports():
            rows[report.name] = database.records(connection, report.sql)
    assert {row["asked"] for row in rows.pop("coverage")} == {0}
    assert {name: found for name, found in rows.items() if found} == {}


def test_every_claim_of_the_paper_answers_yes_no_or_cannot_tell(empty):
    claims = [report for report in sql_files.all_reports() if report.paper.startswith("section")]
    assert {report.name for report in claims} == {name for name in NAMES if name.startswith("claim_")}
    for report in claims:
        assert {"claim", "dataset", "answer", "clips"} <= set(database.query(empty, report.sql)[0])


def test_sql_is_lower_case_and_every_rate_has_a_count_and_an_interval():
    for report in sql_files.all_reports():
        bare = re.sub(r"--.*|'[^']*'", "", report.sql)
        assert bare == bare.lower(), report.name
        if "_percent" in bare:
            assert re.search(r"\bclips\b", bare), report.name
            assert "_low" in bare, report.name


def test_every_view_and_table_has_a_comment(empty):
    views = database.query(empty, "select view_name, comment from duckdb_views() where not internal")[1]
    assert len(views) > 15
    for name, comment in views:
        assert comment, name
    tables = database.query(empty, "select table_name from duckdb_tables() where comment is null")[1]
    assert tables == []


def test_the_database_of_a_small_audit_is_small(empty):
    """Dozens of short tables, each in a block of its own at least."""
    assert (empty / database.FILE).stat().st_size < 3e6


def test_a_report_without_its_two_comment_lines_is_refused(tmp_path):
    (tmp_path / "bare.sql").write_text("-- What?\nselect 1\n")
    with pytest.raises(UsageError, match=r"bare\.sql.*first two lines"):
        sql_files.read(tmp_path / "bare.sql")
