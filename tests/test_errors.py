"""Statuses and messages."""

import pytest

from stepaudit import errors


def test_every_expected_failure_has_a_status_of_its_own_and_a_sentence():
    kinds = [kind for kind in errors.AuditError.__subclasses__() if kind.__module__ == errors.__name__]
    assert len({kind.status for kind in kinds}) == len(kinds)
    assert set(errors.STATUSES) == {"ok"} | {kind.status for kind in kinds}
    assert all(sentence.endswith(".") for sentence in errors.STATUSES.values())


def test_the_statuses_are_those_of_the_design():
    assert set(errors.STATUSES) == {
        "ok", "bad_video", "too_short", "no_annotation", "no_peak", "not_applicable", "non_finite", "upstream",
        "timed_out",
    }  # fmt: skip


def test_bad_input_is_no_row():
    assert not issubclass(errors.UsageError, errors.AuditError)


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("stepp", ["ep3d", "step", "center"], "; did you mean 'step'? (known: center, ep3d, step)"),
        ("zzz", ["b", "a"], " (known: a, b)"),
        ("zzz", [], " (known: none)"),
    ],
)
def test_a_message_ends_with_the_nearest_name_and_all_known_ones(name, known, text):
    assert errors.did_you_mean(name, known) == text
