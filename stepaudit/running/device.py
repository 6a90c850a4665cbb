"""Choice of device and threads. Jobs on one machine take a free GPU each."""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import parent_process
from pathlib import Path

import torch

from stepaudit.audit.config import Config
from stepaudit.errors import UsageError
from stepaudit.running import locks
from stepaudit.store import writing

SECONDS_BETWEEN_TRIES = 1.0

log = logging.getLogger(__name__)
_chosen: list[int] = []  # the GPU of this process


def choose(config: Config) -> torch.device:
    """Configured device; `auto` waits for a free GPU if the machine has any, and else is the CPU.

    On a CPU every process keeps to `OMP_NUM_THREADS`, by default one thread: the workflow runs several jobs side by
    side, and two processes of one thread are several times faster than two of two threads on the same cores.
    """
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("`device: cuda`, but PyTorch finds no GPU; install a CUDA build of PyTorch, or choose `auto`")
    if config.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if not _chosen:
        _chosen.append(free_gpu(gpus(), config.jobs_per_gpu, folder()))
        torch.cuda.set_device(_chosen[0])  # what asks for a GPU without a number gets this one
    return torch.device("cuda", _chosen[0])


def gpus() -> list[str]:
    """Names of the GPUs that this process may use, in their order: the same names in all processes of the machine.

    Unlike numbers: `CUDA_VISIBLE_DEVICES` renumbers GPUs, and a cluster's jobs may all see their own as the first.
    """
    given = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    count = torch.cuda.device_count()
    parts = [name if name.startswith("MIG-") else "" for name in given] if len(given) == count else [""] * count
    return [
        part or str(getattr(torch.cuda.get_device_properties(index), "uuid", index)) for index, part in enumerate(parts)
    ]


def folder() -> Path:
    """Folder of the locks of this user's processes.

    Raises:
        UsageError: it belongs to another user, who could make the jobs wait, or is a link.
    """
    place = Path(tempfile.gettempdir(), f"stepaudit-{os.getuid()}")
    writing.make_folder(place, mode=0o700)
    if place.is_symlink() or place.stat().st_uid != os.getuid():
        raise UsageError(f"{place}: not yours; remove it, or set TMPDIR to a folder of your own")
    return place


def free_gpu(names: Sequence[str], slots: int, place: Path, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Take a GPU that fewer than `slots` other processes use, until this process ends. Returns its number.

    A worker of a pool never waits: it shares a GPU if all are taken.

    Args:
        names: of the GPUs.
        place: folder of the locks.
        sleep: waits for some seconds.
    """
    files = [(index, place / f"gpu-{name}-{slot}") for slot in range(slots) for index, name in enumerate(names)]
    waiting = False
    while True:
        for index, file in files:
            if locks.take(file):
                if waiting:
                    log.info("continues with GPU %d", index)
                return index
        if parent_process() is not None:  # a worker of a pool keeps its GPU from job to job: nobody would give way
            return os.getpid() % len(names)
        if not waiting:
            log.info("waits for a GPU: %d jobs use all of them (`jobs_per_gpu: %d`)", len(files), slots)
        waiting = True
        sleep(SECONDS_BETWEEN_TRIES)
