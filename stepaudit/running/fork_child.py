"""State that a forked job takes over from the process that asked for it: output, folder, environment, signals."""

import atexit
import ctypes
import os
import random
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NoReturn

# Beginnings of environment variables that Python and libraries read when they are started or imported.
READ_AT_IMPORT = ("PYTHON", "LD_", "OMP_", "KMP_", "GOTO_", "OPENBLAS_", "MKL_", "NUMEXPR_", "TORCH", "PYTORCH", "CUDA")
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGURG)
PR_SET_PDEATHSIG = 1
STARTED_WITH = dict(os.environ)  # imports add to it: PyTorch notes folders of its caches there
SERVER_VARIABLE = "STEPAUDIT_FORK_SERVER"  # its socket has this name, and no file that a killed workflow would leave


@dataclass(frozen=True)
class Request:
    """A command to run, and the state of the process that asks for it.

    Args:
        program: its name, `sys.argv[0]`.
        path: `sys.path`.
        ignored: signals that it ignores.
        descriptors: its standard input, output and error.
    """

    program: str
    arguments: list[str]
    path: list[str]
    folder: str
    umask: int
    environment: dict[str, str]
    ignored: list[int]
    descriptors: list[int] = field(default_factory=list)

    def become(self) -> None:
        """Give this process, just forked, the state of the process that asked: streams, folder, environment."""
        for number, descriptor in enumerate(self.descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(self.folder)
        os.umask(self.umask)
        added = {name: value for name, value in os.environ.items() if name not in STARTED_WITH}
        os.environ.clear()
        os.environ.update(added | self.environment)
        del os.environ[SERVER_VARIABLE]  # or it would ask for another fork
        sys.argv[:], sys.path[:] = [self.program, *self.arguments], self.path
        tempfile.tempdir = None  # found again, by the new environment
        _reopen_streams()
        for number in HANDLED:
            signal.signal(number, signal.SIG_IGN if number in self.ignored else _initial_handler(number))
        _new_random_states()


def _reopen_streams() -> None:
    """Standard streams of the present descriptors, which may be files or pipes, as Python opens them in UTF-8 mode."""
    sys.stdin = os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _initial_handler(number: signal.Signals) -> Any:
    return signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL


def _new_random_states() -> None:
    """As in a new process: unforeseeable, but for PyTorch's, which begins the same in each."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def differing(environment: Mapping[str, str]) -> str:
    """Name of a variable read at import that this process was started with another value of; else empty."""
    names = sorted(name for name in {*environment, *STARTED_WITH} if name.startswith(READ_AT_IMPORT))
    return next((name for name in names if environment.get(name) != STARTED_WITH.get(name)), "")


def die_with(parent: int) -> None:
    """Let this process end when its parent does, also if the parent has ended already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def status(entry: str) -> int:
    """Exit status of an entry point, `module:function`."""
    module, _, function = entry.partition(":")
    try:
        getattr(import_module(module), function)()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def exit_fast(status: int) -> NoReturn:
    """Exit after the atexit handlers, without the interpreter's final garbage collection.

    That walks through all that is imported, which takes up to a second.
    """
    atexit._run_exitfuncs()
    with suppress(OSError):  # nobody may read it any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
