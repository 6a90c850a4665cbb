"""Passes through a network, noted beside a job's progress."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from stepaudit.layers import hooked
from stepaudit.running import progress


@contextmanager
def passes_noted(net: nn.Module) -> Iterator[None]:
    """Note each call of a network: a batch can take hours, in which the job would look as if it had stopped."""
    passes = 0

    def note(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        nonlocal passes
        passes += 1
        progress.note(f"pass {passes} of a batch")

    with hooked(net, note):
        yield
