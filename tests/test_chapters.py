import pytest

from stepaudit.report import sql_files
from stepaudit.report.page import chapters


def test_every_report_of_this_project_has_a_chapter():
    assert [each.name for each in sql_files.all_reports() if chapters.chapter_of(each.name) == chapters.OTHERS] == []


def test_a_report_that_somebody_adds_is_a_further_question_at_the_end():
    found = chapters.in_chapters([("my_question", 1), ("failures", 2), ("min_ratio", 3)])
    assert found == {"What models need": [3], "Failures": [2], chapters.OTHERS: [1]}
    assert list(found) == ["What models need", "Failures", chapters.OTHERS]


def test_a_claim_about_ratios_stands_with_ratios_and_others_with_pointing():
    assert chapters.chapter_of("claim_larger_ratio") == "What models need"
    assert chapters.chapter_of("claim_two_maps") == "Pointing"


def test_reports_follow_the_order_of_their_chapter_and_those_of_a_pattern_stay_as_given():
    named = [(name, name) for name in ("ratio_b", "ratio_a", "model_pairs", "min_ratio")]
    assert chapters.in_chapters(named)["What models need"] == ["min_ratio", "model_pairs", "ratio_b", "ratio_a"]


@pytest.mark.parametrize("title", [*chapters.CHAPTERS, chapters.OTHERS])
def test_the_anchor_of_a_chapter_is_no_name_of_a_report(title):
    assert chapters.anchor(title).startswith("chapter-")
    assert " " not in chapters.anchor(title)
