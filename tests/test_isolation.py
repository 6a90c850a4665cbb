"""One failing row does not take its batch with it."""

import pytest

from stepaudit.errors import AuditError, NonFiniteError, TooShortError
from stepaudit.isolation import each


def failed(item, error):
    return item, error.status


def worker(bad, calls=None, error=TooShortError):
    """Doubles the items; a batch with a bad item raises."""

    def work(items):
        if calls is not None:
            calls.append(list(items))
        if set(items) & set(bad):
            raise error("bad")
        return [(item, 2 * item) for item in items]

    return work


def test_a_sound_batch_is_worked_on_once():
    calls = []
    assert each([1, 2, 3], worker([], calls), failed) == [(1, 2), (2, 4), (3, 6)]
    assert calls == [[1, 2, 3]]


def test_a_failing_item_is_the_only_one_that_fails_and_order_is_kept():
    calls = []
    assert each([1, 2, 3], worker([2], calls), failed) == [(1, 2), (2, "too_short"), (3, 6)]
    assert calls == [[1, 2, 3], [1], [2], [3]]


def test_all_items_may_fail():
    assert each([1, 2], worker([1, 2], error=NonFiniteError), failed) == [(1, "non_finite"), (2, "non_finite")]


def test_a_single_failing_item_is_tried_once():
    calls = []
    assert each([7], worker([7], calls), failed) == [(7, "too_short")]
    assert calls == [[7]]


def test_no_items_are_no_work():
    assert each([], worker([], error=None), failed) == []


@pytest.mark.parametrize("bug", [ValueError, RuntimeError, MemoryError, KeyboardInterrupt])
def test_what_is_not_expected_crashes(bug):
    def work(items):
        raise bug("a bug")

    with pytest.raises(bug):
        each([1, 2], work, failed)


def test_a_failure_with_a_status_of_its_own_is_a_row():
    class OwnError(AuditError):
        status = "own"

    assert each([1], worker([1], error=OwnError), failed) == [(1, "own")]
