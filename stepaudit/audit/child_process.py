"""Calls of a module in a Python process of its own, whose output, and a user's prints in it, are not its result."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Any

# `-P`: no module of the folder that one runs from, such as statistics.py, stands for one of Python's.
START = (
    "import sys; sys.path += {paths!r}; from stepaudit.audit import child_process; child_process.main({module!r}, {to})"
)


@dataclass(frozen=True)
class Ended:
    """End of such a process.

    Args:
        result: that its function `answer` returned; None if the process ended otherwise.
        status: exit status.
        printed: its output, of a quiet one.
    """

    result: Any
    status: int
    printed: str


def call(module: str, request: object, *, seconds: float | None = None, quiet: bool = False) -> Ended:
    """Call `answer(request)` of a module in a process of its own. Request and result are JSON.

    Args:
        seconds: time limit.
        quiet: its output is returned, and else goes to this process's standard error.

    Raises:
        subprocess.TimeoutExpired: it took too long.
    """
    output: int | IO[bytes] = 2
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as answered, tempfile.TemporaryFile() as printed:
        given.write(json.dumps(request).encode())
        given.seek(0)
        output = printed if quiet else output
        start = START.format(paths=[path for path in sys.path if path], module=module, to=answered.fileno())
        command = [sys.executable, "-P", "-X", "utf8", "-c", start]
        done = subprocess.run(
            command, stdin=given, stdout=output, stderr=output,
            pass_fds=[answered.fileno()], timeout=seconds, check=False,
        )  # fmt: skip
        answered.seek(0)
        printed.seek(0)
        text = answered.read()
        return Ended(json.loads(text) if text else None, done.returncode, printed.read().decode(errors="replace"))


def main(module: str, descriptor: int) -> None:
    """Answer the request on standard input into an open file."""
    result = import_module(module).answer(json.load(sys.stdin.buffer))
    os.write(descriptor, json.dumps(result).encode())
