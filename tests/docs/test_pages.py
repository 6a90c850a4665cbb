"""Every page is in the index once, links lead to headings that are there, and every report has its section."""

import re
from pathlib import Path

from shown_commands import ROOT

from stepaudit.report import sql_files

DOCS = ROOT / "docs"
INDEX = (DOCS / "README.md").read_text()
FOLDERS = ("docs", "config", "reports")
PAGES = sorted(path for name in FOLDERS for path in (ROOT / name).glob("*.md") if path != DOCS / "README.md")
NUMBERS = (DOCS / "reading_numbers.md").read_text()


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> list[str]:
    """Those of headings, as GitHub makes them, and those that are written."""
    without_code = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", without_code, re.M)
    made = [re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
    return made + re.findall(r'<a id="([^"]+)">', text)


def test_every_page_is_in_the_index_once_and_under_one_of_four_headings():
    assert len(re.findall(r"^## ", INDEX, re.M)) == 4
    listed = re.findall(r"^\| \[[^\]]+\]\(([^)#]+)\)", INDEX, re.M)
    assert len(listed) == len(set(listed))
    assert {(DOCS / target).resolve() for target in listed} >= {path.resolve() for path in PAGES}


def test_every_link_to_a_place_in_a_page_finds_it():
    broken = []
    for path in (ROOT / "README.md", DOCS / "README.md", *PAGES):
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", path.read_text()):
            page = (path.parent / target).resolve() if target else path
            if not page.exists() or anchor not in anchors(page.read_text()):
                broken.append(f"{named(path)}: {target}#{anchor}")
    assert not broken


def test_every_report_has_one_place_in_the_page_on_numbers():
    names = [report.name for report in sql_files.all_reports()]
    assert not [name for name in names if NUMBERS.count(f'<a id="{name}"></a>') != 1]


def test_the_page_on_numbers_names_no_report_that_is_gone():
    known = {report.name for report in sql_files.all_reports()}
    others = {"intervals", "answers", "missing", "volume", "paper", "mean-maps"}
    assert set(re.findall(r'<a id="([^"]+)">', NUMBERS)) == known | others


def test_what_the_page_on_numbers_calls_a_column_or_a_name_exists(every_name):
    """Words in code with an underscore are names of columns, reports, metrics, methods, statuses or options."""
    words = set(re.findall(r"`\.?([a-z]+_[a-z0-9_]+)`", NUMBERS))
    assert words - every_name == set()
