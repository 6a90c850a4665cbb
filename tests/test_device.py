"""Which device does the work."""

import logging
from contextlib import contextmanager

import pytest
import torch
from processes import end, start

from stepaudit.audit import config
from stepaudit.errors import UsageError
from stepaudit.running import device, locks

TAKER = """
import sys, time
from pathlib import Path
from stepaudit.running import locks
print("ready" if locks.take(Path(sys.argv[1])) else "taken", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _locks(tmp_path, monkeypatch):
    """Locks of a test's own, given back at its end."""
    monkeypatch.setattr(device, "_chosen", [])
    yield
    for file in tmp_path.rglob("gpu-*"):
        locks.give_back(file)


def audit(wanted, **changes):
    return config.parse(
        {
            "audit": "a", "device": wanted, "datasets": {"planted": {"root": "x"}},
            "models": {"r2plus1d_18": None}, "methods": {"center": None}, **changes,
        }
    )  # fmt: skip


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with so many GPUs, which this process has not touched."""
    used = []

    def make(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "set_device", used.append)
        monkeypatch.setattr(device, "gpus", lambda: [f"uuid-{index}" for index in range(count)])
        monkeypatch.setattr(device, "folder", lambda: tmp_path)
        return used

    return make


@contextmanager
def taken(*files):
    """Other processes, one for each lock, which they hold."""
    processes = [start(TAKER, file) for file in files]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            end(process)


@pytest.mark.parametrize(("count", "chosen"), [(0, "cpu"), (2, "cuda:0")])
def test_auto_takes_a_gpu_where_there_is_one(machine, count, chosen):
    used = machine(count)
    assert device.choose(audit("auto")) == torch.device(chosen)
    assert used == [0] * (count > 0)


def test_a_cpu_locks_nothing(machine, tmp_path):
    machine(2)
    assert device.choose(audit("cpu")) == torch.device("cpu")
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_there_is_bad_input(machine):
    machine(0)
    with pytest.raises(UsageError, match=r"`device: cuda`, but PyTorch finds no GPU; .* `auto`"):
        device.choose(audit("cuda"))


@pytest.mark.parametrize(("variable", "threads"), [(None, 1), ("2", 2)])
def test_a_process_takes_one_thread_unless_it_is_told_otherwise(monkeypatch, variable, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    device.choose(audit("cpu"))
    assert torch.get_num_threads() == threads


def test_a_process_keeps_the_gpu_that_it_has(machine):
    used = machine(2)
    assert [device.choose(audit("cuda")) for _ in range(3)] == [torch.device("cuda", 0)] * 3
    assert used == [0]


def test_a_job_takes_a_gpu_that_is_free_or_waits_until_another_job_has_ended(tmp_path, caplog):
    waits = []
    with taken(tmp_path / "gpu-a-0", tmp_path / "gpu-b-0") as (_, second):

        def sleep(seconds):
            waits.append(seconds)
            if len(waits) == 3:
                second.kill()
                second.wait()

        with caplog.at_level(logging.INFO):
            assert device.free_gpu(["a", "b"], 1, tmp_path, sleep=sleep) == 1
    assert len(waits) == 3
    assert [record.getMessage() for record in caplog.records] == [
        "waits for a GPU: 2 jobs use all of them (`jobs_per_gpu: 1`)",
        "continues with GPU 1",
    ]


def test_several_jobs_may_share_a_gpu_and_spread_over_all_of_them_first(tmp_path):
    with taken(tmp_path / "gpu-a-0"):
        assert device.free_gpu(["a", "b"], 2, tmp_path) == 1
    with taken(*(tmp_path / f"gpu-{name}-0" for name in "cd")):
        assert device.free_gpu(["c", "d"], 2, tmp_path) == 0
    with taken(*(tmp_path / f"gpu-{name}" for name in ("e-0", "f-0", "e-1"))):
        assert device.free_gpu(["e", "f"], 2, tmp_path) == 1


def test_gpus_are_known_by_their_own_names_not_by_their_numbers(tmp_path):
    """One process sees a and b, another only b, as its first."""
    with taken(tmp_path / "gpu-b-0"):
        assert device.free_gpu(["b", "a"], 1, tmp_path) == 1


def test_a_worker_of_a_pool_shares_a_gpu_instead_of_waiting_for_another_that_waits_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "parent_process", lambda: "a process")
    with taken(tmp_path / "gpu-a-0", tmp_path / "gpu-b-0"):
        assert device.free_gpu(["a", "b"], 1, tmp_path) in (0, 1)


class Gpu:
    def __init__(self, uuid):
        self.uuid = uuid


@pytest.mark.parametrize(
    ("visible", "uuids", "names"),
    [
        (None, ["u0", "u1"], ["u0", "u1"]),
        ("1", ["u1"], ["u1"]),
        ("MIG-x, MIG-y", ["u0", "u0"], ["MIG-x", "MIG-y"]),  # parts of one GPU
        ("0,1,-1,2", ["u0", "u1"], ["u0", "u1"]),  # what follows an invalid one is not there
    ],
)
def test_the_names_are_those_of_the_visible_gpus(monkeypatch, visible, uuids, names):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(uuids))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Gpu(uuids[index]))
    assert device.gpus() == names


def test_the_locks_lie_in_a_folder_of_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    place = device.folder()
    assert place.stat().st_mode & 0o777 == 0o700
    assert device.folder() == place
    place.rmdir()
    place.symlink_to(tmp_path)
    with pytest.raises(UsageError, match="not yours"):
        device.folder()
