"""Commands for a fork server under test."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Does what the first argument says."""
    sys.stderr.reconfigure(errors="backslashreplace")  # as `stepaudit` does
    match sys.argv[1]:
        case "say":
            about = {
                "arguments": sys.argv[1:],
                "folder": str(Path.cwd()),
                "mine": os.environ.get("MINE"),
                "path": sys.path,
            }
            sys.stdout.write(json.dumps({**about, "random": random.random(), "input": sys.stdin.read()}))
            sys.stderr.write("said\n")
            raise SystemExit(7)
        case "wait":
            signal.signal(signal.SIGTERM, lambda *_: os._exit(75))
            sys.stdout.write(f"{os.getpid()}\n")
            sys.stdout.flush()
            time.sleep(60)
        case "break":
            os.kill(os.getpid(), signal.SIGKILL)
