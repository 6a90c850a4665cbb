"""Nothing in an iteration asks for a value, which a GPU would have to be waited for, or is on another device.

The device `meta` knows shapes and devices and no values: asking for one is an error, and so is mixing devices.
"""

from dataclasses import replace

import pytest
import torch
from torch import nn

from stepaudit.extremal import engine
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.settings import PRESETS, SCHEDULES
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.layers import frozen

META = torch.device("meta")
CASES = [(method, preset) for method, presets in PRESETS.items() for preset in presets]


class _Meta(engine._Optimiser):
    """An optimiser without the search for equal clips, once a batch, which asks for values."""

    def levels(self, rows):
        return self.perturbation.levels(self.clips[rows])


def optimised(method: str, preset: str, **changes: object) -> torch.Tensor:
    chosen = replace(PRESETS[method][preset], iterations=3, **changes)
    net = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 3)).to(META)
    clips, targets = torch.rand(2, 3, 16, 48, 48, device=META), torch.zeros(2, dtype=torch.long, device=META)
    geometry = SmoothMax.of(48, 48)
    start = torch.ones(1, 16, *geometry.grid, device=META)
    some = _Meta(net, clips, targets, [0.1, 0.3], chosen, Perturbation(chosen.perturbation), geometry, start)
    with frozen(net), torch.enable_grad():
        return some.optimised(slice(0, 2))[0]


@pytest.mark.parametrize(("method", "preset"), CASES)
def test_an_iteration_asks_for_no_value_and_stays_on_its_device(method, preset):
    assert optimised(method, preset).device == META


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_so_do_those_of_each_schedule(schedule):
    changes = {name: value for name, value in SCHEDULES[schedule].items() if name != "iterations"}
    assert optimised("step", "corrected", **changes).device == META


def test_a_value_that_is_asked_for_would_be_seen(monkeypatch):
    monkeypatch.setattr(engine, "optimizer_step", lambda seeds, *rest: (seeds * seeds.sum().item(), rest[1]))
    with pytest.raises(RuntimeError, match="meta"):
        optimised("ep3d", "matched")


def test_a_tensor_of_another_device_would_be_seen(monkeypatch):
    monkeypatch.setattr(engine, "optimizer_step", lambda seeds, *rest: (seeds * torch.rand(seeds.shape), rest[1]))
    with pytest.raises(RuntimeError, match="device"):
        optimised("ep3d", "matched")
