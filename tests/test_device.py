"""Which device does the work."""

import pytest
import torch

from stepaudit import config, device
from stepaudit.errors import UsageError


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def audit(wanted):
    return config.parse(
        {
            "audit": "a", "device": wanted, "datasets": {"planted": {"root": "x"}},
            "models": {"r2plus1d_18": None}, "methods": {"center": None},
        }
    )  # fmt: skip


@pytest.mark.parametrize(("there", "chosen"), [(False, "cpu"), (True, "cuda")])
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, there, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert device.choose(audit("auto")) == torch.device(chosen)
    assert device.choose(audit("cpu")) == torch.device("cpu")


def test_a_gpu_that_is_not_there_is_bad_input(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"`device: cuda`, but PyTorch finds no GPU; .* `auto`"):
        device.choose(audit("cuda"))


@pytest.mark.parametrize(("variable", "threads"), [(None, 1), ("2", 2)])
def test_a_process_takes_one_thread_unless_it_is_told_otherwise(monkeypatch, variable, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    device.choose(audit("cpu"))
    assert torch.get_num_threads() == threads
