"""Progress: lines in a log, a bar on a terminal."""

import io

import pytest
import torch
from rich.console import Console

from stepaudit.running import progress as module
from stepaudit.running.passes import passes_noted
from stepaudit.running.progress import progress
from stepaudit.store.formats import duration


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    time = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: time[0])
    return time


def console(monkeypatch, terminal):
    written = io.StringIO()
    monkeypatch.setattr(module, "console", Console(file=written, force_terminal=terminal, width=100))
    return written


def test_a_log_gets_a_line_every_ten_seconds_and_at_the_end(monkeypatch, clock):
    log = console(monkeypatch, terminal=False)
    with progress("train m on d", 5) as advance:
        advance()
        clock[0] += 9.9
        advance(1, "loss 2")
        assert log.getvalue() == ""
        clock[0] += 0.2
        advance(1, "loss 1")
        assert log.getvalue() == "train m on d: 3/5, 10 s, 6.7 s left, loss 1\n"
        advance(2)
    assert log.getvalue() == "train m on d: 3/5, 10 s, 6.7 s left, loss 1\ntrain m on d: 5/5, 10 s\n"


def test_the_passes_of_a_batch_that_takes_long_are_told(monkeypatch, clock):
    log, heard = console(monkeypatch, terminal=False), []
    net = torch.nn.Identity()
    with progress("preserve", 2, clips=2) as advance, module.heard(lambda count: heard.append(count.done)):
        advance()
        with passes_noted(net):
            for _ in range(3):
                clock[0] += 5
                net(1)
        net(1)
        assert log.getvalue() == "preserve: 1/2, 10 s, 0.1 clips/s, 10 s left, pass 2 of a batch\n"
        assert heard == [1, 1, 1, 1]  # so that the job's note is not taken for that of a dead one
    with passes_noted(net):
        net(1)  # no progress is shown


def test_clips_a_second_time_left_probability_and_failures_are_told(monkeypatch, clock):
    log = console(monkeypatch, terminal=False)
    good = {"status": "ok", "target_probability": 0.9}
    with progress("step of m", 40, clips=20) as advance:  # two rows a clip
        advance(10, cached=True)  # were there before: they took no time
        clock[0] += 20
        advance(
            10, rows=[{**good, "kept_probability": 0.5}, {**good, "kept_probability": 0.7}, {"status": "bad_video"}]
        )
    told = "step of m: 20/40, 20 s, 0.25 clips/s, 40 s left, mean kept probability 0.60, 1 rows without a value\n"
    assert log.getvalue() == told


def test_rows_without_masks_tell_the_probability_of_whole_clips(monkeypatch, clock):
    log = console(monkeypatch, terminal=False)
    with progress("predict", 2, clips=2) as advance:
        clock[0] += 1
        advance(2, rows=[{"status": "ok", "target_probability": value} for value in (0.2, 0.4)])
    assert log.getvalue() == "predict: 2/2, 1 s, 2 clips/s, mean target probability 0.30\n"


def test_who_listens_is_told_of_each_step_while_he_listens(monkeypatch, clock):
    console(monkeypatch, terminal=False)
    told = []
    listening = module.heard(lambda count: told.append((count.description, count.done, count.total)))
    with listening, progress("score", 3) as advance:
        advance(2)
    with progress("later", 1) as advance:
        advance()
    assert told == [("score", 2, 3)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.46, "4.5 s"),
        (59.99, "1 min 00 s"),
        (45, "45 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (10**6, "11 d 13 h"),
    ],
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


def test_a_long_line_is_not_broken_and_nothing_in_it_is_markup(monkeypatch, clock):
    log = console(monkeypatch, terminal=False)
    note = "x" * 200 + " [bold]"
    with progress("attribute", 1) as advance:
        advance(1, note)
    assert log.getvalue() == f"attribute: 1/1, 0 s, {note}\n"


def test_nothing_to_do_writes_nothing(monkeypatch, clock):
    log = console(monkeypatch, terminal=False)
    with progress("score", 0):
        pass
    assert log.getvalue() == ""


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = console(monkeypatch, terminal=True)
    with progress("train", 4) as advance:
        advance(3, "loss 1")
    assert "train" in terminal.getvalue()
    assert "3/4" in terminal.getvalue()
    assert "loss 1" in terminal.getvalue()


def test_an_error_passes():
    with pytest.raises(ValueError, match="a bug"), progress("train", 4):
        raise ValueError("a bug")
