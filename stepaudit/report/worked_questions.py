"""Worked questions, `reports/questions/*.sql`: each with its SQL, the meaning of the answer, and a warning."""

import re
from dataclasses import dataclass
from pathlib import Path

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store import package_files

HEADS = ("Question", "Answer", "Beware")
LINE = re.compile(r"-- (?:(?P<head>Question|Answer|Beware): |  )(?P<text>.*)")


@dataclass(frozen=True)
class Question:
    """A question with the SQL that answers it.

    Args:
        name: of its file.
        asks: the question.
        answer: the meaning of a row of the answer.
        beware: a warning against misreading it.
        sql: without the comments above it, which hold the other three.
    """

    name: str
    asks: str
    answer: str
    beware: str
    sql: str


def folder() -> Path:
    """Folder of the files."""
    return package_files.reports() / "questions"


def all_questions() -> dict[str, Question]:
    """Every question, by its name. Raises UsageError if a file does not begin as it should."""
    return {path.stem: read(path) for path in sorted(folder().glob("[!_.]*.sql"))}


def find(name: str) -> Question:
    """A question by its name. Raises UsageError, with the nearest, if there is none."""
    known = all_questions()
    if name not in known:
        raise UsageError(f"no question '{name}'{did_you_mean(name, list(known))}")
    return known[name]


def read(path: Path) -> Question:
    """A file as a question: comments `-- Question: `, `-- Answer: ` and `-- Beware: `, then SQL.

    Raises:
        UsageError: it does not begin with the three.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    texts: dict[str, str] = {}
    while lines and (match := LINE.match(lines[0])):
        head = match["head"] or next(reversed(texts), "")
        texts[head] = f"{texts[head]} {match['text']}" if head in texts else match["text"]
        lines = lines[1:]
    if tuple(texts) != HEADS:
        raise UsageError(f"{path}: it must begin with comments `-- Question: `, `-- Answer: ` and `-- Beware: `")
    asks, answer, beware = texts.values()
    return Question(path.stem, asks, answer, beware, "\n".join(lines).strip())
