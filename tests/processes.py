"""Programs that run beside a test, to be stopped."""

import signal
import subprocess
import sys
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
