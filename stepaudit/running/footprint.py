"""Memory of this process, and the limits that it has."""

import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

MB = 1 << 20
SHARE = 0.9  # of the limit; above it a job that grows stops
GROWN = 1.1  # times what it took after its first batch: one that merely is large does not stop


def resident_mb() -> float:
    """Resident memory now, MB."""
    return psutil.Process().memory_info().rss / MB


def peak_mb() -> float:
    """Largest resident memory of this program so far, MB.

    Psutil has no peak on Linux, and `getrusage` there begins with that of the parent, which may be larger.
    """
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def limit_mb(root: Path = Path("/sys/fs/cgroup"), environment: Mapping[str, str] = os.environ) -> float:
    """Lowest memory limit of this process, MB: of its control groups, its shell and its Slurm job."""
    limits = [*_cgroup_limits(root), *_slurm_limits(environment)]
    limits += [resource.getrlimit(kind)[0] / MB for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    return min((limit for limit in limits if 0 < limit < 1 << 40), default=float("inf"))


def too_much(first: float, now: float, limit: float, growth: float | None) -> str | None:
    """Reason to go on in a fresh process; None if memory has not grown too much.

    Args:
        first: MB after the first batch.
        now: MB.
        limit: largest MB.
        growth: largest growth, MB.
    """
    if growth is not None and now - first > growth:
        return f"memory has grown from {first:.0f} to {now:.0f} MB, by more than `memory_growth_mb: {growth:g}`"
    if now > SHARE * limit and now > GROWN * first:
        return f"memory has grown from {first:.0f} to {now:.0f} MB, and {limit:.0f} MB is the limit"
    return None


def _cgroup_limits(root: Path) -> Iterator[float]:
    """Limits of the process's control groups (version 1 and 2) and of those around them."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, kind, group = line.split(":", 2)
            if kind in ("", "memory"):
                name = "memory.limit_in_bytes" if kind else "memory.max"
                place = root / kind / group.lstrip("/")
                for folder in (place, *place.parents):
                    with suppress(OSError, ValueError):
                        yield int((folder / name).read_text(encoding="utf-8")) / MB


def _slurm_limits(environment: Mapping[str, str]) -> Iterator[float]:
    with suppress(KeyError, ValueError):
        yield float(environment["SLURM_MEM_PER_NODE"])
    with suppress(KeyError, ValueError):
        yield float(environment["SLURM_MEM_PER_CPU"]) * float(environment["SLURM_CPUS_ON_NODE"])
