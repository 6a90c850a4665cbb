"""Conditions of a release gate: read like Python reads them, three-valued where a number is not known, never run."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepaudit.commands.compare import command
from stepaudit.commands.compare.conditions import Verdict, judge, parse
from stepaudit.commands.compare.quantities import FAMILIES, FIELDS, OF, Quantity
from stepaudit.errors import UsageError

KNOWN = [
    Quantity("accuracy_increase", value=-0.1, lower=-0.3, upper=0.1, a=0.9, b=0.8, p=0.5, clips=10),
    Quantity("newly_failed", value=2, clips=10),
    Quantity("newly_wrong", reason="A has no clip right"),
    Quantity("median_ratio_increase", ("ep3d", "probability"), at_least=0.1, at_most=0.6, clips=9),
    Quantity("median_ratio_increase", ("ep3d", "top1"), value=0.3, lower=0.2, clips=9),
    Quantity("metric_increase", ("mass_in_box", "step", "0.05"), value=0.5),
    Quantity("metric_increase", ("mass_in_box", "step", "0.1"), value=0.25),
    Quantity("metric_increase", ("mass_in_box", "grad_cam"), value=0.125),
]


def truth(text):
    return judge(parse(text), KNOWN).holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("newly_failed > 1", True),
        ("newly_failed > 2", False),
        ("newly_failed >= 2", True),
        ("newly_failed<=1.9e0", False),
        ("accuracy_increase == -0.1", True),
        ("accuracy_increase != - 0.1", False),
        ("-.2 < accuracy_increase", True),
        ("accuracy_increase.upper < 0", False),
        ("accuracy_increase.lower < -0.2 and accuracy_increase.b < 0.85", True),
        ("accuracy_increase.clips < 30 or accuracy_increase.p < 0.05", True),
        ("newly_failed > 5 and newly_failed > 1 or newly_failed == 2", True),  # `and` binds closer
        ("newly_failed > 5 and (newly_failed > 1 or newly_failed == 2)", False),
        ("not newly_failed > 5 and not (newly_failed == 2)", False),
        ("accuracy_increase.a > accuracy_increase.b", True),
        ("metric_increase[mass_in_box, step, 0.10] == 0.25", True),
        ("metric_increase[grad_cam] == 0.125", True),
        ("metric_increase [ 5e-2 ] == 0.5", True),
    ],
)
def test_a_condition_is_true_of_the_numbers_or_not(text, expected):
    assert truth(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("median_ratio_increase > 0.05", True),  # it is at least 0.1
        ("median_ratio_increase > 0.6", False),  # it is at most 0.6
        ("median_ratio_increase >= 0.6", None),
        ("median_ratio_increase < 0.1", False),
        ("median_ratio_increase > 0.3", None),
        ("not median_ratio_increase > 0.3", None),
        ("median_ratio_increase == 0.7", False),
        ("median_ratio_increase == 0.3", None),
        ("median_ratio_increase != 0.7", True),
        ("median_ratio_increase > 0.3 or newly_failed > 0", True),
        ("median_ratio_increase > 0.3 and newly_failed > 5", False),
    ],
)
def test_where_searches_end_before_the_answer_only_what_is_certain_counts(text, expected):
    assert truth(text) is expected


def test_what_cannot_be_told_says_between_what_it_lies():
    verdict = judge(parse("median_ratio_increase > 0.3"), KNOWN)
    assert verdict.reasons == ["median_ratio_increase[ep3d, probability] is between 0.1 and 0.6"]


def test_a_number_that_is_missing_never_lets_a_condition_pass():
    missing = ["newly_wrong has no value: A has no clip right"]
    for text in ("newly_wrong > 0", "not newly_wrong > 0", "newly_wrong > 0 and newly_failed > 5"):
        verdict = judge(parse(text), KNOWN)
        assert (verdict.holds, verdict.reasons) == (None, missing)
        assert command.status([verdict]) == 2
    assert judge(parse("newly_wrong > 0 or newly_failed == 2"), KNOWN).holds is True
    interval = judge(parse("newly_failed.lower > 0"), KNOWN)
    assert (interval.holds, interval.reasons) == (
        None,
        ["newly_failed.lower has no value: there is no interval over 10 clips"],
    )


def test_the_verdict_says_what_each_name_stood_for():
    verdict = judge(parse("median_ratio_increase[top1].lower > 0.1"), KNOWN)
    assert verdict.values == {"median_ratio_increase[ep3d, top1].lower": "0.2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'condition "": invalid syntax'),
        ("newly_failed", "`!=` is missing in 'newly_failed'; write one such as \"needs_more > 0.5\""),
        ("newly_failed >", "invalid syntax"),
        ("newly_failed > 1 newly_failed", "invalid syntax"),
        ("(newly_failed > 1", "'(' was never closed"),
        ("newly_failed > 1)", "unmatched ')' at ')'"),
        ("0 < newly_failed < 3", "one comparison at a time"),
        ("newly_failed > and", "invalid syntax at 'and'"),
        ("newly_failed = 1", "condition"),
        ("newly_failed > 5%", "invalid syntax"),
        ("newly_failed > 1x", "invalid decimal literal"),
        ("newly_failed > 1 + 1", "'1 + 1' is neither a name nor a number"),
        ("newly_failed > True", "'True' is neither a name nor a number"),
        ("newly_failed in 1", "`!=` is missing in 'newly_failed in 1'"),
        ("newly_failed > 1 # or so", "one line without a comment"),
        ("-newly_failed > 1", "'-newly_failed' is neither a name nor a number"),
        ("__import__('os').system('ls') > 0", "'__import__('os').system('ls')' is neither a name nor a number"),
        ("__import__ > 0", "no quantity '__import__'"),
        ("newly_faild > 0", "did you mean 'newly_failed'?"),
        ("newly_failed.uper > 0", "did you mean 'upper'?"),
        ("(" * 50 + "newly_failed > 0" + ")" * 50, "more than 20 brackets"),
        ("not " * 50 + "newly_failed > 0", "more than 20 brackets"),
    ],
)
def test_what_is_no_condition_is_told_with_the_place_or_the_nearest_name(text, message):
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("map_iou > 0", "'map_iou' was not measured on both sides"),
        ("metric_increase > 0", "may be any of 3; name one: metric_increase[mass_in_box, step, 0.05]"),
        ("metric_increase[step] > 0", "may be any of 2"),
        ("metric_increase[mass_in_bax, step, 0.1] > 0", "did you mean 'metric_increase[mass_in_box, step, 0.1]'?"),
        ("median_ratio_increase[step] > 0", "no 'median_ratio_increase[step]'"),
    ],
)
def test_a_name_must_stand_for_one_quantity(text, message):
    with pytest.raises(UsageError) as raised:
        judge(parse(text), KNOWN)
    assert message in str(raised.value)


def test_the_exit_status_is_1_if_any_condition_is_true_else_2_if_any_cannot_be_told():
    true, false, open_ = (Verdict("", holds, {}, []) for holds in (True, False, None))
    assert [command.status(each) for each in ([], [false], [false, open_], [open_, true], [true])] == [0, 0, 2, 1, 1]


numbers = st.floats(-2, 2).map(lambda value: round(value, 2))
names = st.sampled_from(["accuracy_increase", "newly_failed", "accuracy_increase.upper", "accuracy_increase.a"])
operands = st.one_of(numbers.map(str), names)
compared = st.tuples(operands, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), operands).map(" ".join)
texts = st.recursive(
    compared,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("not ({})".format),
    ),
    max_leaves=6,
)


@given(texts)
def test_known_numbers_give_what_python_gives(text):
    values = {each.name: each for each in KNOWN[:2]}
    python = text.replace("accuracy_increase.", "accuracy_.")
    python = python.replace("accuracy_increase", "accuracy_.value").replace("newly_failed", "newly_.value")
    scope = {"accuracy_": values["accuracy_increase"], "newly_": values["newly_failed"]}
    assert truth(text) is eval(python, {"__builtins__": {}}, scope)


@given(st.text(alphabet="newly_failed .<>=()[],-andort019e%'\"\\", max_size=40))
def test_any_other_text_is_an_error_in_words(text):
    with suppress(UsageError):
        assert parse(text).text == text


def test_every_field_that_may_be_asked_for_is_there():
    for field in FIELDS:
        assert hasattr(KNOWN[0], field)


PAGE = (Path(__file__).parents[1] / "docs" / "compare.md").read_text()


def test_every_quantity_and_every_condition_of_the_page_is_one():
    for name in FAMILIES:
        assert f"`{name}{OF.get(name, '')}`" in PAGE
    shown = re.findall(r'--fail-if "([^"]+)"', PAGE)
    assert len(shown) == 4
    for text in shown:
        assert parse(text).text == text
