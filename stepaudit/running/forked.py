"""The start of the server that forks into the jobs of a workflow on this machine (`fork_server`)."""

import json
import os
import secrets
import subprocess
import sys
from importlib.util import find_spec

from stepaudit.audit.config import Config
from stepaudit.audit.jobs import STAGES
from stepaudit.running.fork_child import SERVER_VARIABLE

ENTRY_POINT = "stepaudit.cli:main"
ALWAYS = ("stepaudit.cli", "stepaudit.running.run_records", "yaml", "pyarrow.compute")
# What PyArrow imports with the first rows, if it is installed, and PyTorch with the first gradient.
WITH_ROWS, WITH_GRADIENTS = "pandas", "torch.fx.experimental.symbolic_shapes"
ONE_THREAD = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")  # as Snakemake sets them for a job
_servers: list[subprocess.Popen] = []  # whose standard input stays open as long as this process lives


def start(config: Config) -> None:
    """Start the server that runs an audit's jobs in forks of itself; it ends with this process.

    The server imports PyTorch once, so that each job starts quickly. Without it, jobs run in processes of their own.
    Linux only.
    """
    if sys.platform != "linux":
        return  # other systems' libraries do not survive a fork
    name, program = f"stepaudit-{secrets.token_hex(16)}", [sys.executable, "-m", "stepaudit.running.fork_server"]
    environment = {**os.environ, "PYTHONUTF8": "1", **{f"{each}_NUM_THREADS": "1" for each in ONE_THREAD}}
    command = [*program, name, ENTRY_POINT, json.dumps(modules(config))]
    server = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    if server.stdout.readline():  # it listens
        _servers.append(server)
        os.environ[SERVER_VARIABLE] = name
    else:
        with server:  # closes its pipes and waits for its end
            server.kill()


def modules(config: Config) -> dict[str, list[str]]:
    """Modules that the jobs of each stage import, but for the user's own."""
    always = [*ALWAYS, *([WITH_ROWS] if find_spec(WITH_ROWS) else [])]
    by_stage = {"report": [*always, "stepaudit.stages.report"]}
    for stage, (_, sections) in STAGES.items():
        names = [(kind, name) for kind in sections for name in getattr(config, kind)]
        components = {config.component(kind, name).module for kind, name in names}
        own = sorted(module for module in components if module.startswith("stepaudit."))
        by_stage[stage] = [
            *always,
            f"stepaudit.stages.{stage}",
            *own,
            *([WITH_GRADIENTS] if "models" in sections else []),
        ]
    return by_stage
