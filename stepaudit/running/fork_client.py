"""The process that waits for a job which a server runs in a fork of its own (`fork_server`)."""

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from stepaudit.running import fork_child


def status(arguments: Sequence[str]) -> int | None:
    """Exit status of a command that a server has run in a process of its own; None where none has.

    The job ends when this process does, and gets the signals that this one gets.
    """
    name = os.environ.get(fork_child.SERVER_VARIABLE)
    if not name:
        return None
    request = _request_of_process(arguments)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        try:
            server.connect(f"\0{name}")
            signal.pthread_sigmask(signal.SIG_BLOCK, fork_child.HANDLED)  # until there is a job to leave them to
            socket.send_fds(server, [json.dumps(asdict(request)).encode()], [0, 1, 2])
            with _signals_forwarded(server, request.ignored):
                answer = json.loads(server.recv(4096))
        except (OSError, ValueError):  # there is none, or it has ended, and its jobs with it
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, fork_child.HANDLED)
    if "declined" in answer:
        sys.stderr.write(f"stepaudit: runs in a process of its own, which takes longer: {answer['declined']}\n")
    ended = answer.get("status")
    return 128 - ended if ended is not None and ended < 0 else ended  # as a shell reports a signal


def _request_of_process(arguments: Sequence[str]) -> fork_child.Request:
    ignored = [int(number) for number in fork_child.HANDLED if signal.getsignal(number) == signal.SIG_IGN]
    umask = os.umask(0o077)
    os.umask(umask)
    return fork_child.Request(sys.argv[0], list(arguments), sys.path, str(Path.cwd()), umask, dict(os.environ), ignored)


@contextmanager
def _signals_forwarded(server: socket.socket, ignored: Sequence[int]) -> Iterator[None]:
    """Leave signals to the job, which ends in its own way."""

    def forward(number: int, _: object) -> None:
        try:
            server.send(bytes([number]))
        except OSError:  # there is no job any more
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    before = {number: signal.signal(number, forward) for number in fork_child.HANDLED if number not in ignored}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, fork_child.HANDLED)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
