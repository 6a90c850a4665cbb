"""A process that has imported the modules of jobs, and forks into one for each job of the workflow on this machine.

Importing PyTorch takes seconds of processor time, a fork takes milliseconds. The Snakefile starts the server, and it
ends with Snakemake. It imports modules of stepaudit and of installed packages only: code of the user's is imported in
the job. Where a fork would not do what a new process does, the server declines, and the job runs in its own process.
"""

import json
import os
import select
import signal
import socket
import struct
import sys
from dataclasses import dataclass, replace

from stepaudit.running import fork_child
from stepaudit.running.fork_imports import Imports, Modules

SHORT = 10.0  # seconds that a connected client has to send its request
MAX_REQUEST_BYTES = 1 << 20  # bytes of a request


@dataclass
class _Running:
    """A job under way: its process, and the connection to the client that waits for it."""

    process: int
    ended: int  # descriptor that becomes readable at its end
    client: socket.socket


class Server:
    """Accepts clients, forks, forwards signals, and answers with exit statuses.

    Args:
        listener: a bound socket.
        lifeline: descriptor that closes when the workflow ends.
        modules: to import before the first job of each command.
    """

    def __init__(self, listener: socket.socket, lifeline: int, modules: Modules):
        self._listener, self._lifeline, self._imports = listener, lifeline, Imports(modules)
        self._running: list[_Running] = []
        self._open = True

    def serve(self) -> fork_child.Request | None:
        """Serve until the workflow and its jobs have ended.

        Returns:
            None in the server; in the forked process of a job, the request that it has to run.
        """
        while self._open or self._running:
            ready, _, _ = select.select(self._descriptors(), [], [])
            for running in list(self._running):
                self._handle_events(running, ready)
            if self._lifeline in ready:
                self._open = False
            elif self._listener in ready and (request := self._accept()):
                return request
        return None

    def _descriptors(self) -> list:
        jobs = [each for running in self._running for each in (running.ended, running.client) if each is not None]
        return [*jobs, self._listener, self._lifeline] if self._open else jobs

    def _handle_events(self, running: _Running, ready: list) -> None:
        """Pass signals from a client to its job; after the job's end, its exit status to the client."""
        if running.client in ready:
            numbers = running.client.recv(64)
            for number in numbers or [signal.SIGKILL]:  # nothing: the client was killed, and so is its job
                signal.pidfd_send_signal(running.ended, number)
        if running.ended in ready or (running.client in ready and not numbers):
            self._forget(running)

    def _forget(self, running: _Running) -> None:
        """Remove a job that has ended, and send its exit status to the client."""
        status = os.waitpid(running.process, 0)[1]
        self._running.remove(running)
        os.close(running.ended)
        with running.client as client:
            _send(client, {"status": os.waitstatus_to_exitcode(status)})

    def _accept(self) -> fork_child.Request | None:
        """Fork for a client. Returns the request in the new process, None here."""
        client, _ = self._listener.accept()
        descriptors: list[int] = []
        try:
            client.settimeout(SHORT)
            _require_same_user(client)
            message, descriptors, _, _ = socket.recv_fds(client, MAX_REQUEST_BYTES, 3)
            request = fork_child.Request(**json.loads(message))
            reason = self._imports.unfit(request)
        except Exception as error:  # noqa: BLE001 (the client's own process meets it, and says where)
            reason = f"{type(error).__name__}: {error}"
        if not reason and self._fork(client):
            return replace(request, descriptors=descriptors)
        _close(descriptors)
        if reason:
            with client:
                _send(client, {"declined": reason})
        return None

    def _fork(self, client: socket.socket) -> bool:
        """True in the new process."""
        parent = os.getpid()
        process = os.fork()
        if process == 0:
            fork_child.die_with(parent)
            for each in (self._listener, client, *(running.client for running in self._running)):
                each.close()
            _close([running.ended for running in self._running])
            return True
        self._running.append(_Running(process, os.pidfd_open(process), client))
        return False


def _require_same_user(client: socket.socket) -> None:
    user = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    if user != os.getuid():
        raise ValueError("of another user")


def _send(client: socket.socket, answer: dict) -> None:
    try:
        client.send(json.dumps(answer).encode())
    except OSError:
        return  # it was killed


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def main() -> None:
    """Serves; arguments: name of the socket, entry point, modules by command as JSON."""
    name, entry, modules = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a terminal sends them to the jobs as well
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        request = Server(listener, 0, json.loads(modules)).serve()
    if request is not None:
        request.become()
    fork_child.exit_fast(0 if request is None else fork_child.status(entry))


if __name__ == "__main__":
    main()
