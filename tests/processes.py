"""Programs that run beside a test, to be stopped."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE = 60  # seconds until a program must have come to where it is stopped


def heed_ctrl_c() -> None:
    """For a new process: what a shell started in the background was told to ignore SIGINT, and would hand that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(script: str, *arguments: object) -> subprocess.Popen:
    """Runs a script, and returns when it has printed its first line, which should be `ready`."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    process = subprocess.Popen(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent,
        preexec_fn=heed_ctrl_c,
    )
    line = process.stdout.readline()
    if line != "ready\n":
        process.kill()
        raise AssertionError(f"not ready: {line}{process.stderr.read()}")
    return process


def end(process: subprocess.Popen) -> tuple[int, str]:
    """Waits for its end. Returns its exit status and what it wrote to standard error."""
    with process:
        _, err = process.communicate(timeout=PATIENCE)
    return process.returncode, err


class Terminal:
    """A command of stepaudit in a terminal of its own."""

    def __init__(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]):
        script = "from stepaudit.cli import main\nmain()"
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            os.environ.update(environment)
            heed_ctrl_c()
            os.execv(sys.executable, [sys.executable, "-c", script, *arguments])
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, pattern: str, seconds: float = PATIENCE) -> str:
        """Output since the last call, up to a pattern."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen, re.S)):
            assert time.monotonic() < end, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.terminal], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.terminal, 65536).decode()
                except OSError:  # it has ended
                    assert re.search(pattern, self.seen, re.S), self.seen
        shown, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return shown

    def ended(self) -> int:
        """Its exit status."""
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def close(self) -> None:
        os.close(self.terminal)
