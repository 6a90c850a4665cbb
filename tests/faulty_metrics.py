"""Metrics that a configuration may name, `faulty_metrics:…`, and that go wrong."""

import time

from torch import Tensor


def hanging(importance: Tensor) -> float:
    """Never ends."""
    while True:
        time.sleep(0.01)


def raising(importance: Tensor) -> float:
    """Has a bug."""
    raise KeyError("a bug")
