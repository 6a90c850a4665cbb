"""Times in turns: two cores that others use too say nothing about seconds, and a lot about ratios."""

import statistics
import time
from collections.abc import Callable


def seconds(*works: Callable[[], object], repeats: int) -> list[list[float]]:
    """Seconds of each piece of work, `repeats` times in turns, after one turn that does not count."""
    times: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for work, measured in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            if turn:
                measured.append(time.perf_counter() - start)
    return times


def ratio(first: Callable[[], object], second: Callable[[], object], *, repeats: int = 5) -> tuple[float, float, float]:
    """Time of the first over that of the second: median, least and greatest over the turns."""
    turns = sorted(one / other for one, other in zip(*seconds(first, second, repeats=repeats), strict=True))
    return statistics.median(turns), turns[0], turns[-1]


def exponent(sizes: list[float], times: list[float]) -> float:
    """Slope of log time over log size, least squares: 1 is linear growth."""
    from math import log

    return statistics.linear_regression([log(size) for size in sizes], [log(value) for value in times]).slope
