"""Times and memory of work on a device, and the number format of its products."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median seconds of a call, after one that does not count."""
    times = []
    for turn in range(repeats + 1):
        synchronize(device)
        start = time.perf_counter()
        work()
        synchronize(device)
        if turn:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int | None:
    """Bytes that a call takes beyond what is there; None on a CPU."""
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


@contextmanager
def products(precision: str) -> Iterator[None]:
    """Float32 products and convolutions in full (`ieee`), or rounded to `tf32`."""
    places = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = precision
    try:
        yield
    finally:
        for place, own in zip(places, before, strict=True):
            place.fp32_precision = own
