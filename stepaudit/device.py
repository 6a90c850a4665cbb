"""Which device does the work, and with how many threads."""

import os

import torch

from stepaudit.config import Config
from stepaudit.errors import UsageError


def choose(config: Config) -> torch.device:
    """The configured device; `auto` takes a GPU where there is one.

    On a CPU every process keeps to `OMP_NUM_THREADS`, by default one thread: the workflow runs several jobs side by
    side, and two processes of one thread are several times faster than two of two threads on the same cores.
    """
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("`device: cuda`, but PyTorch finds no GPU; install a CUDA build of PyTorch, or choose `auto`")
    return torch.device(config.device)
