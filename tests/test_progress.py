"""Progress: lines in a log, a bar on a terminal."""

import io

import pytest
from rich.console import Console

from stepaudit import progress as module
from stepaudit.progress import progress


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
        assert log.getvalue() == "train m on d: 3/5, 10 s loss 1\n"
        advance(2)
    assert log.getvalue() == "train m on d: 3/5, 10 s loss 1\ntrain m on d: 5/5, 10 s\n"


def test_a_long_line_is_not_broken_and_nothing_in_it_is_markup(monkeypatch, clock):
    log = console(monkeypatch, terminal=False)
    note = "x" * 200 + " [bold]"
    with progress("attribute", 1) as advance:
        advance(1, note)
    assert log.getvalue() == f"attribute: 1/1, 0 s {note}\n"


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
