"""Imports of a fork server, and the reasons why a fork of it would not do what a new process does."""

import gc
import os
import sys
from importlib import import_module
from pathlib import Path

from stepaudit.audit import source_code
from stepaudit.running import fork_child

Modules = dict[str, list[str]]  # by command
FORKABLE = ("jemalloc_bg_thd",)  # a thread of Arrow's allocator, which starts it again in the new process


class Imports:
    """Modules of commands, imported when the first job of a command comes.

    Args:
        modules: to import for each command.
    """

    def __init__(self, modules: Modules):
        self._modules = modules
        self._files: dict[str, tuple[int, int]] = {}  # time of change and size, when they were read

    def unfit(self, request: fork_child.Request) -> str:
        """Reason why a fork would not do what a new process does; else empty."""
        command = request.arguments[0] if request.arguments else ""
        if command not in self._modules:
            return f"no job '{command}'"
        if name := fork_child.differing(request.environment):
            return f"{name} has another value"
        self._import(self._modules[command])
        if changed := [path for path, stamp in self._files.items() if _time_and_size(path) != stamp]:
            return f"{changed[0]} has changed since it was imported"
        return f"an imported module has started the thread {threads[0]}" if (threads := _other_threads()) else ""

    def _import(self, modules: list[str]) -> None:
        if missing := [name for name in modules if name not in sys.modules]:
            for name in missing:
                import_module(name)
            self._files = {path: _time_and_size(path) for path in _files_read(modules)} | self._files
            gc.collect()
            gc.freeze()  # collections of a job need not look at what is imported


def _files_read(modules: list[str]) -> set[str]:
    """Files of everything imported, and the sources that decide rows: parsed here once, not in each job."""
    ours = [name for name in modules if name.startswith("stepaudit.")]
    loaded = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return {*filter(None, loaded), *map(str, source_code.files(ours))}


def _time_and_size(path: str) -> tuple[int, int]:
    try:
        about = Path(path).stat()
    except OSError:
        return 0, 0
    return about.st_mtime_ns, about.st_size


def _other_threads() -> list[str]:
    """Names of the threads beside the main one that a fork would lose."""
    tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
    names = [(task / "comm").read_text().strip() for task in tasks]
    return [name for name in names if name not in FORKABLE]
