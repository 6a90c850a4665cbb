"""How much memory a row takes is found from what its backward pass needs."""

import torch
from torch import nn

from stepaudit.extremal import memory


def test_the_bytes_saved_are_those_of_the_tensors_that_the_gradient_needs():
    x = torch.rand(1000, requires_grad=True)
    assert memory.bytes_saved(lambda: x.exp()) == 4000  # exp keeps its result
    assert memory.bytes_saved(lambda: x + 1) == 0
    y = torch.rand(1000, requires_grad=True)
    assert memory.bytes_saved(lambda: x * y) == 8000


def test_a_tensor_that_is_needed_twice_is_counted_once():
    x = torch.rand(1000, requires_grad=True)
    assert memory.bytes_saved(lambda: x.sin() * x.cos()) == 3 * 4000  # x, its sine, its cosine


def test_the_bytes_of_a_network_grow_with_its_layers_and_its_batch():
    def saved(layers: int, rows: int) -> int:
        net = nn.Sequential(*(nn.Sequential(nn.Linear(50, 50), nn.Tanh()) for _ in range(layers))).requires_grad_(False)
        return memory.bytes_saved(lambda: net(torch.rand(rows, 50, requires_grad=True)).sum())

    assert saved(4, 10) - saved(3, 10) >= 10 * 50 * 4
    assert saved(4, 20) - saved(4, 10) >= 4 * 10 * 50 * 4


def test_at_least_one_row_fits_and_more_as_memory_allows(monkeypatch):
    x = torch.rand(1000, requires_grad=True)
    monkeypatch.setattr(memory, "CPU_BYTES", 12_345)
    assert memory.rows_at_once(lambda: x.exp(), 0, [], torch.device("cpu")) == 3
    assert memory.rows_at_once(lambda: x.exp(), 2000, [], torch.device("cpu")) == 2
    monkeypatch.setattr(memory, "CPU_BYTES", 10)
    assert memory.rows_at_once(lambda: x.exp(), 0, [], torch.device("cpu")) == 1


def test_what_all_rows_share_is_not_a_rows_own():
    net = nn.Linear(50, 50)
    clips = torch.rand(1, 50, requires_grad=True)
    assert memory.bytes_saved(lambda: net(clips).exp()) >= 50 * 50 * 4
    assert memory.bytes_saved(lambda: net(clips).exp(), net.parameters()) < 50 * 50 * 4
