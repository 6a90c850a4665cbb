"""Several versions of a clip in one pass have the gradients that they have one by one."""

import pytest
import torch
from torch import nn

from stepaudit.layers import frozen
from stepaudit.methods import _gradients, integrated_gradients, smooth_grad
from stepaudit.models import pooled_frames

TARGETS = torch.tensor([1, 0])


@pytest.fixture
def clips():
    return torch.rand(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return pooled_frames.build(3, width=3).eval()


@pytest.mark.parametrize("at_once", [2, 3, 5, 9])
def test_versions_together_have_the_mean_of_the_gradients_one_by_one(model, clips, at_once):
    versions = [clips * (step + 0.5) / 5 for step in range(5)]
    with frozen(model):
        each = [_gradients.target_gradients(model, version, TARGETS, "probability") for version in versions]
        mean = _gradients.mean_gradients(model, versions, clips, TARGETS, "probability", at_once=at_once)
    expected = torch.stack(each).mean(dim=0)
    assert torch.allclose(mean, expected, rtol=0, atol=1e-5 * expected.abs().max())


def test_as_many_versions_pass_together_as_fit_into_memory(model, clips, monkeypatch):
    sizes = []
    handle = model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr(_gradients, "rows_at_once", lambda *_: 7)  # three versions of two clips
    with frozen(model):
        _gradients.mean_gradients(model, [clips] * 8, clips, TARGETS, "logit")
    handle.remove()
    assert sizes == [6, 6, 4]


@pytest.mark.parametrize("method", [integrated_gradients, smooth_grad])
def test_maps_do_not_depend_on_how_many_fit(model, clips, method, monkeypatch):
    maps = []
    for rows in (1, 1000):
        monkeypatch.setattr(_gradients, "rows_at_once", lambda *_, rows=rows: rows)
        maps.append(method.attribute(model, clips, TARGETS).full())
    assert torch.allclose(*maps, rtol=0, atol=1e-4)
