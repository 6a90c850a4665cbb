"""One failing row does not take its batch with it, nor does a batch that is too large for the memory."""

import pytest
import torch

from stepaudit.errors import AuditError, NonFiniteError, TooShortError
from stepaudit.running.smaller_batches import is_out_of_memory, run_batch


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
    assert run_batch([1, 2, 3], worker([], calls), failed) == [(1, 2), (2, 4), (3, 6)]
    assert calls == [[1, 2, 3]]


def test_a_failing_item_is_the_only_one_that_fails_and_order_is_kept():
    calls = []
    assert run_batch([1, 2, 3], worker([2], calls), failed) == [(1, 2), (2, "too_short"), (3, 6)]
    assert calls == [[1, 2, 3], [1], [2], [3]]


def test_all_items_may_fail():
    assert run_batch([1, 2], worker([1, 2], error=NonFiniteError), failed) == [(1, "non_finite"), (2, "non_finite")]


def test_a_single_failing_item_is_tried_once():
    calls = []
    assert run_batch([7], worker([7], calls), failed) == [(7, "too_short")]
    assert calls == [[7]]


def test_no_items_are_no_work():
    assert run_batch([], worker([], error=None), failed) == []


@pytest.mark.parametrize("bug", [ValueError, RuntimeError, KeyboardInterrupt])
def test_what_is_not_expected_crashes(bug):
    calls = []
    with pytest.raises(bug, match="bad"):
        run_batch([1, 2], worker([1], calls, bug), failed)
    assert calls == [[1, 2]]


def test_a_failure_with_a_status_of_its_own_is_a_row():
    class OwnError(AuditError):
        status = "own"

    assert run_batch([1], worker([1], error=OwnError), failed) == [(1, "own")]


def roomy(most, calls, error):
    """Doubles the items if there are not too many of them."""

    def work(items):
        calls.append(len(items))
        if len(items) > most:
            raise error
        return [2 * item for item in items]

    return work


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_a_batch_for_which_memory_runs_out_is_halved_and_order_is_kept(error):
    calls = []
    assert run_batch(list(range(7)), roomy(2, calls, error), failed) == [0, 2, 4, 6, 8, 10, 12]
    assert calls == [7, 4, 2, 2, 3, 2, 1]


def test_an_item_that_does_not_fit_alone_crashes_and_says_what_helps():
    with pytest.raises(MemoryError) as told:
        run_batch([1, 2, 3], roomy(0, [], MemoryError()), failed)
    assert told.value.__notes__ == [
        "one row alone does not fit into memory; choose smaller clips, or a machine with more of it"
    ]


def test_memory_that_runs_out_and_a_failing_item_in_one_batch():
    def work(items):
        if len(items) > 2:
            raise MemoryError
        if 3 in items:
            raise TooShortError("bad")
        return [(item, "ok") for item in items]

    statuses = [(item, "too_short" if item == 3 else "ok") for item in range(6)]
    assert run_batch(list(range(6)), work, failed) == statuses


def test_what_pytorch_raises_when_the_computers_memory_is_out_is_known():
    with pytest.raises(RuntimeError) as told:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(told.value)
    assert not is_out_of_memory(RuntimeError("sizes do not match"))
