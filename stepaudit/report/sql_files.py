"""The questions of `reports/*.sql` and the views between."""

import re
from dataclasses import dataclass
from pathlib import Path

from stepaudit.audit import audit_folder
from stepaudit.errors import UsageError
from stepaudit.store import database, package_files

RESULTS = "_results"  # files of views over the tables of estimates, which are made before them


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
    def order(self) -> tuple:
        """Sort key: the paper's tables, each followed by the reports beside it, then its claims, then all others."""
        match = re.search(r"(Table|section) ([\d.]+)$", self.paper)
        kind, number = match.groups() if match else (None, None)
        place = [int(part) for part in number.split(".")] if number else []
        return (("Table", "section", None).index(kind), place, self.paper, self.name)


def shared() -> dict[str, str]:
    """SQL of the shared views and macros, by the file's name."""
    return {path.name: path.read_text() for path in sorted(package_files.reports().glob("_*.sql"))}


def all_reports() -> list[Report]:
    """Every report, in the paper's order. Raises UsageError if a file does not begin with its question and its note."""
    reports = [read(path) for path in package_files.reports().glob("[!_.]*.sql")]
    return sorted(reports, key=lambda report: report.order)


def read(path: Path) -> Report:
    """A file as a report. Raises UsageError if it does not begin with its question and its note."""
    question, note, sql = [*path.read_text().split("\n", 2), "", ""][:3]
    if not (question.startswith("-- ") and note.startswith("-- ")):
        raise UsageError(
            f"{path}: the first two lines must be comments: the question, and the grain with what is left out"
        )
    return Report(path.stem, question[3:], note[3:], sql.strip())


def written(folder: Path) -> list[Path]:
    """The files of the report of the audit in a folder: the database, the page, and a CSV for each question."""
    answers = [audit_folder.answer(folder, report.name) for report in all_reports()]
    return [folder / database.FILE, audit_folder.page(folder), *answers]
