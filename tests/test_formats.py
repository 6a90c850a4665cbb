import csv
import datetime
import json
from decimal import Decimal
from io import StringIO

import pytest

from stepaudit.errors import UsageError
from stepaudit.store.formats import format_rows, two_digits

NAMES = ["clip", "rate"]
ROWS = [("a|b", 0.5), ("line\nbreak", None), ("日本", 12.0)]


def test_a_table_is_aligned_by_screen_width_and_keeps_one_line_a_row():
    assert format_rows(NAMES, ROWS) == (
        "clip         rate\n───────────  ────\na|b           0.5\nline\\nbreak  NULL\n日本           12\n"
    )


def test_control_characters_do_not_reach_the_terminal():
    assert "\x1b" not in format_rows(["x"], [("\x1b[31mred",)])


def test_csv_reads_back(tmp_path):
    text = format_rows(NAMES, ROWS, "csv")
    assert list(csv.reader(StringIO(text))) == [NAMES, ["a|b", "0.5"], ["line\nbreak", ""], ["日本", "12.0"]]


def test_csv_quotes_whatever_may_end_a_line_and_begins_no_text_like_a_formula():
    rows = [("a\rb", -1), ('=HYPERLINK("x")', -0.5), ("@x", None), ("-", 2), ("a=b", 3)]
    text = format_rows(["+x", "y"], rows, "csv")
    assert list(csv.reader(StringIO(text, newline=""))) == [
        ["'+x", "y"], ["a\rb", "-1"], ["'=HYPERLINK(\"x\")", "-0.5"], ["'@x", ""], ["'-", "2"], ["a=b", "3"]
    ]  # fmt: skip


def test_json_reads_back_with_null_and_numbers():
    row = (0.1, None, float("nan"), [1, {"a": float("inf")}], Decimal("1.5"), datetime.date(2021, 1, 5))
    text = format_rows(["a", "a", "b", "c", "d", "e"], [row], "json")
    expected = {"a": 0.1, "a_1": None, "b": None, "c": [1, {"a": None}], "d": 1.5, "e": "2021-01-05"}
    assert json.loads(text) == [expected]


def test_json_of_no_rows_is_an_empty_array():
    assert json.loads(format_rows(NAMES, [], "json")) == []


def test_markdown_escapes_what_would_end_a_cell():
    assert format_rows(NAMES, ROWS[:2], "md") == (
        "| clip | rate |\n| --- | ---: |\n| a\\|b | 0.5 |\n| line\\\\nbreak | NULL |\n"
    )


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'json'"):
        format_rows(NAMES, ROWS, "jsn")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.834, "0.83"), (9.96, "10"), (99.4, "99"), (99.6, "100"), (343.4, "343"), (0, "0")],
)
def test_a_number_with_two_digits_has_no_exponent(value, text):
    assert two_digits(value) == text
