"""A job in a fork of the server does what it does in a process of its own, and ends as that would."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stepaudit.audit import config
from stepaudit.running import fork_child, forked

HERE = Path(__file__).parent
CLIENT = """
import sys
from stepaudit.running import fork_client
status = fork_client.status(sys.argv[1:])
print("own process" if status is None else "", flush=True, file=sys.stderr)
raise SystemExit(99 if status is None else status)
"""
PATIENCE = 30


class Server:
    """A server, and clients of it."""

    def __init__(self, folder: Path, modules: dict[str, list[str]]):
        name, self.folder = f"stepaudit-test-{secrets.token_hex(8)}", folder
        paths = os.pathsep.join([str(folder), str(HERE), str(HERE.parent)])
        self.environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        program = [sys.executable, "-m", "stepaudit.running.fork_server", name]
        self.process = subprocess.Popen(
            [*program, "forked_entry:main", json.dumps(modules)], env=self.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(folder / "log").open("w"),
        )  # fmt: skip
        assert self.process.stdout.readline() == b"ready\n"
        self.environment[fork_child.SERVER_VARIABLE] = name

    def client(self, *arguments: str, **variables: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, *arguments], cwd=self.folder, env={**self.environment, **variables},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture
def server(tmp_path):
    (tmp_path / "imported.py").write_text("import os\nos.environ['TORCH_SET_BY_AN_IMPORT'] = '1'\n")
    commands = {"say": ["imported"], "wait": ["json"], "break": ["json"], "threads": ["threaded"]}
    (tmp_path / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    )
    running = Server(tmp_path, commands)
    yield running
    running.process.stdin.close()
    assert running.process.wait(PATIENCE) in (0, -signal.SIGKILL), "ends with the workflow"


def said(client: subprocess.Popen) -> dict:
    out, err = client.communicate("typed", timeout=PATIENCE)
    assert client.returncode == 7, err
    assert err.startswith("said\n")
    return json.loads(out)


def test_a_forked_job_has_the_arguments_folder_environment_and_input_of_its_caller_and_gives_its_status(server):
    answer = said(server.client("say", "it", MINE="yes"))
    assert answer["arguments"] == ["say", "it"]
    assert answer["folder"] == str(server.folder)
    assert answer["mine"] == "yes"
    assert answer["input"] == "typed"
    assert answer["path"][1] == str(server.folder), "its caller's sys.path"


def test_two_forked_jobs_draw_other_random_numbers(server):
    assert said(server.client("say"))["random"] != said(server.client("say"))["random"]


def test_a_signal_reaches_the_forked_job_which_ends_in_its_own_way(server):
    client = server.client("wait")
    client.stdout.readline()
    client.send_signal(signal.SIGTERM)
    assert client.wait(PATIENCE) == 75


def test_a_job_that_is_killed_has_the_status_that_a_shell_reports(server):
    assert server.client("break").wait(PATIENCE) == 128 + signal.SIGKILL


@pytest.mark.parametrize("victim", ["client", "server"])
def test_a_forked_job_ends_with_its_caller_and_with_the_server(server, victim):
    client = server.client("wait")
    job = int(client.stdout.readline())
    os.kill(client.pid if victim == "client" else server.process.pid, signal.SIGKILL)
    limit = time.monotonic() + PATIENCE
    while Path(f"/proc/{job}").exists() and _state(job) != "Z":
        assert time.monotonic() < limit
        time.sleep(0.01)
    if victim == "server":
        assert client.wait(PATIENCE) == 99, "the client goes on in its own process"
    client.communicate()


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_what_a_fork_cannot_do_is_declined(server):
    def declined(*arguments: str, **variables: str) -> bool:
        client = server.client(*arguments, **variables)
        client.communicate("", timeout=PATIENCE)
        return client.returncode == 99

    assert declined("unknown")
    assert declined("say", OMP_NUM_THREADS="3"), "read when libraries are imported"
    assert not declined("say")
    assert not declined("say"), "what an import has set is no other environment"
    (server.folder / "imported.py").write_text("changed = True\n")
    assert declined("say"), "other code than was imported"
    (server.folder / "imported.py").unlink()


def test_threads_of_an_imported_module_are_not_lost_in_silence(server):
    client = server.client("threads")
    client.communicate("", timeout=PATIENCE)
    assert client.returncode == 99


def test_without_a_server_nothing_is_forked(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), fork_child.SERVER_VARIABLE: "stepaudit-no-such"}
    assert subprocess.run([sys.executable, "-c", CLIENT, "say"], env=environment, check=False).returncode == 99


def test_a_server_that_does_not_get_ready_is_ended_and_jobs_run_on_their_own(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec >&-\nexec sleep 300\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.delenv(fork_child.SERVER_VARIABLE, raising=False)
    audit = {
        "audit": "a",
        "datasets": {"planted": {"root": "data"}},
        "models": {"small": {"use": "r2plus1d_18"}},
        "methods": {"center": None},
        "metrics": {"spatial_pointing": None},
    }
    before = psutil.Process().children()
    forked.start(config.parse(audit))
    assert psutil.Process().children() == before
    assert fork_child.SERVER_VARIABLE not in os.environ
