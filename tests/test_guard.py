"""What stands around the calls of plugins, without a stage around it."""

import time

import pytest
import torch
from torch import nn

from stepaudit.audit import config
from stepaudit.audit.requests import Request
from stepaudit.running import footprint, interruption
from stepaudit.running.guard import Guard
from stepaudit.running.smaller_batches import run_batch

AUDIT = {
    "audit": "a", "datasets": {"planted": {"root": "x"}}, "models": {"r2plus1d_18": None}, "methods": {"center": None},
}  # fmt: skip
BATCH = [Request({"clip_id": f"clip{place}"}, target=place) for place in range(4)]


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch):
    monkeypatch.setattr(interruption._State, "finished", "")
    monkeypatch.setattr(interruption._State, "reason", None)


def guard(folder, work, *, model=None, loads=None, **settings):
    def load():
        if loads is not None:
            loads.append(1)
        return model or nn.Linear(2, 2), work

    return Guard(config.parse({**AUDIT, **settings}), folder, "method 'm'", load)


def values(rows):
    return [row.target for row in rows]


def failed(row, error):
    return f"{row.target} {error.status}"


def test_a_batch_and_a_clip_that_ended_processes_are_not_tried_again_and_all_others_are(tmp_path):
    tried = []

    def work(rows):
        tried.append(values(rows))
        return values(rows)

    ended = ("batch 3, 4 rows from 0 within 5 s", "batch 3, 1 rows from 2 within 5 s")
    (tmp_path / "hung").write_text("".join(f"{line}\n" for line in ended))
    with guard(tmp_path, work, batch_seconds=5) as guarded:
        assert run_batch(BATCH, guarded.over(3, BATCH), failed) == [0, 1, "2 timed_out", 3]
        assert run_batch(BATCH, guarded.over(4, BATCH), failed) == [0, 1, 2, 3]
    assert tried == [[0], [1], [3], [0, 1, 2, 3]]


def test_a_model_that_was_spoiled_is_loaded_anew_for_the_next_call_and_only_then(tmp_path):
    loads, model = [], nn.Linear(2, 2)

    def work(rows):
        if 1 in values(rows):
            with torch.no_grad():
                model.weight.add_(1)
        return values(rows)

    with guard(tmp_path, work, model=model, loads=loads) as guarded:
        for index, row in enumerate(BATCH):
            run_batch([row], guarded.over(index, [row]), failed)
    assert len(loads) == 2


def test_nothing_is_loaded_before_it_is_called(tmp_path):
    loads = []
    with guard(tmp_path, values, loads=loads) as guarded:
        guarded.over(0, BATCH)
    assert loads == []


def test_what_cannot_be_loaded_names_the_plugin_and_what_is_kept(tmp_path):
    interruption.keeps(3, 8)
    broken = Guard(config.parse(AUDIT), tmp_path, "model 'm'", lambda: 1 / 0)
    with broken, pytest.raises(ZeroDivisionError) as bug:
        broken.over(0, BATCH)(BATCH)
    assert bug.value.__notes__ == [
        "stepaudit: model 'm' failed while it was loaded; 3 of 8 rows are kept; fix it and run again"
    ]


def test_a_clip_that_does_not_fit_alone_is_named(tmp_path):
    def work(rows):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with guard(tmp_path, work) as guarded, pytest.raises(torch.OutOfMemoryError) as bug:
        run_batch(BATCH, guarded.over(0, BATCH), failed)
    notes = "\n".join(bug.value.__notes__)
    assert "method 'm' failed on 'clip0'" in notes
    assert "one row alone does not fit into memory" in notes


def test_many_clips_are_not_all_named(tmp_path):
    def work(rows):
        raise ValueError("a bug")

    batch = [Request({"clip_id": f"c{place % 7}"}, target=0) for place in range(14)]  # several rows of a clip
    with guard(tmp_path, work) as guarded, pytest.raises(ValueError, match="a bug") as bug:
        guarded.over(0, batch)(batch)
    assert "failed on 'c0', 'c1', 'c2', 'c3' or 3 others; fix it" in bug.value.__notes__[0]


def test_a_process_that_grows_is_asked_to_stop_after_its_batch(tmp_path, monkeypatch):
    sizes = iter([1000.0, 1100.0, 1300.0])
    monkeypatch.setattr(footprint, "resident_mb", lambda: next(sizes))
    reasons = []
    with guard(tmp_path, values, memory_growth_mb=200) as guarded:
        for index in range(3):
            guarded.over(index, BATCH)(BATCH)
            reasons.append(interruption._State.reason)
    assert reasons[:2] == [None, None]
    assert reasons[2].startswith("method 'm': memory has grown from 1000 to 1300 MB")


def test_a_call_costs_less_than_a_few_milliseconds(tmp_path):
    """It is made once for each batch, which takes seconds; this only tells if something of another order was added."""
    with guard(tmp_path, values) as guarded:
        run_batch(BATCH, guarded.over(0, BATCH), failed)
        start = time.process_time()
        for index in range(50):
            run_batch(BATCH, guarded.over(index, BATCH), failed)
        assert (time.process_time() - start) / 50 < 0.005
