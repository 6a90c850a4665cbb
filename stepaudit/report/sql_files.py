"""The questions of `reports/*.sql` and the views between."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from stepaudit.audit import audit_folder
from stepaudit.errors import UsageError
from stepaudit.store import database, package_files

RESULTS = "_results"  # files of views over the tables of estimates, which are made before them
SAMPLES = "_samples"  # end of the name of a view from which a table of estimates is made
MADE = re.compile(r"(?:create (?:or replace )?(?:temp )?(?:view|table|macro)|comment on (?:view|table)) (\w+)")


@dataclass(frozen=True)
class Report:
    """A question with the SQL that answers it: `question` and `note` are the file's first two comment lines."""

    name: str
    question: str
    note: str
    sql: str

    @property
    def title(self) -> str:
        """The question without the paper's table."""
        return self.question.rpartition(" (")[0] if self.paper else self.question

    @property
    def paper(self) -> str:
        """The place of the paper that it answers, such as `Table 1` or `section 4.2`; empty if none."""
        match = re.search(r"\(([^()]*(?:Table|section) [\d.]+)\)$", self.question)
        return match[1] if match else ""

    @property
    def is_claim(self) -> bool:
        """True for a claim of the paper's text, about its own models."""
        return self.paper.startswith("section")

    @property
    def order(self) -> tuple:
        """Sort key: the paper's tables, each followed by the reports beside it, then its claims, then all others."""
        match = re.search(r"(Table|section) ([\d.]+)$", self.paper)
        kind, number = match.groups() if match else (None, None)
        place = [int(part) for part in number.split(".")] if number else []
        return (("Table", "section", None).index(kind), place, self.paper, self.name)


@dataclass(frozen=True)
class Statement:
    """A statement of a shared file; `name` of the table, view or macro that it makes, or comments on."""

    file: str
    name: str
    sql: str

    @property
    def makes_view(self) -> bool:
        """True if it makes a view, or a table in the place of one; false of macros, comments and what is temporary."""
        return re.search(r"^create (view|table) ", self.sql, re.MULTILINE) is not None


def shared() -> list[Statement]:
    """The statements that make the shared views and macros. Raises UsageError for invalid SQL."""
    paths = sorted(package_files.reports().glob("_*.sql"))
    return [statement for path in paths for statement in _statements(path, path.read_text(encoding="utf-8"))]


@cache
def _statements(path: Path, text: str) -> list[Statement]:
    """The statements of a shared file; one is parsed once, however many databases are made."""
    try:
        parts = [part.query for part in duckdb.extract_statements(text)]
    except duckdb.Error as error:
        raise UsageError(f"{path}: {error}") from error
    return [Statement(path.name, _relation_made(sql), sql) for sql in parts]


def _relation_made(sql: str) -> str:
    """Name of the relation that a statement makes or comments on; empty if none."""
    match = MADE.search(sql)
    return match[1].removesuffix(SAMPLES) if match else ""


def with_dependencies(names: Iterable[str], words_of: Mapping[str, Collection[str]]) -> set[str]:
    """The names and their transitive dependencies.

    Args:
        words_of: words of the SQL that makes each table, view or macro, by its name.
    """
    reached: set[str] = set()
    new = set(names)
    while new:
        reached |= new
        new = {word for name in new for word in words_of.get(name, ())} & words_of.keys() - reached
    return reached


def all_reports() -> list[Report]:
    """Every report, in the paper's order. Raises UsageError if a file does not begin with its question and its note."""
    reports = [read(path) for path in package_files.reports().glob("[!_.]*.sql")]
    return sorted(reports, key=lambda report: report.order)


def read(path: Path) -> Report:
    """A file as a report. Raises UsageError if it does not begin with its question and its note."""
    question, note, sql = [*path.read_text(encoding="utf-8").split("\n", 2), "", ""][:3]
    if not (question.startswith("-- ") and note.startswith("-- ")):
        raise UsageError(
            f"{path}: the first two lines must be comments: the question, and the grain with what is left out"
        )
    return Report(path.stem, question[3:], note[3:], sql.strip())


def written(folder: Path) -> list[Path]:
    """The files of the report of the audit in a folder: the database, the page, and a CSV for each question."""
    answers = [audit_folder.answer(folder, report.name) for report in all_reports()]
    return [folder / database.FILE, audit_folder.page(folder), *answers]
