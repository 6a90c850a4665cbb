"""What methods and metrics say of their work is what a model is asked."""

import pytest
import torch
from torch import Tensor, nn

from stepaudit.audit import registry
from stepaudit.errors import NotApplicableError

SIZE = (4, 16, 16)
FEW = {"preset": "corrected", "iterations": 6, "schedule": "short"}
OPTIONS = {
    **dict.fromkeys(("step", "ep3d", "ep3d_evenly", "ep3d_gaussian"), FEW),
    "step_summed": FEW | {"summed": (0.1, 0.3)},
    "smooth_grad": {"samples": 5},
    "integrated_gradients": {"steps": 7},
    "rise": {"masks": 20},
}


class Counting(nn.Module):
    """A small network that counts the clips that it is asked, those with a gradient three times."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(4, 3)
        self.asked = 0

    @property
    def activation_layer(self) -> nn.Module:
        return self.features[-1]

    def forward(self, clips: Tensor) -> Tensor:
        self.asked += len(clips)
        logits = self.head(self.features(clips).mean(dim=(2, 3, 4)))
        if logits.requires_grad:
            logits.register_hook(self._with_gradient)
        return logits

    def _with_gradient(self, gradient: Tensor) -> None:
        self.asked += 2 * len(gradient)


@pytest.mark.parametrize("name", registry.names("methods"))
def test_a_method_makes_about_as_many_passes_as_it_says(name):
    component, model, count = registry.find("methods", name), Counting().eval(), 2
    clips, targets, options = torch.rand(count, 3, *SIZE), torch.tensor([0, 1]), OPTIONS.get(name, {})
    needs = {"ratios": torch.full((count,), 0.2), "box_prior": torch.rand(SIZE)}
    given = {key: value for key, value in needs.items() if key in component.requires}
    try:
        component.load()(model, clips, targets, **given, **options)
    except NotApplicableError:
        pytest.skip("explains other networks")
    passes = component.companion("passes")
    said = 0 if component.declares("ignores_model") else count * (passes(SIZE, **options) if passes else 3)
    assert said / 1.6 - 2 * count <= model.asked <= 1.6 * said + 2 * count
    if said == 0:
        assert model.asked == 0


def test_deletion_and_insertion_make_as_many_passes_as_they_say():
    component, model = registry.find("metrics", "deletion_insertion"), Counting().eval()
    options = {"fills": ("fade", "freeze"), "units": ("tubelets",), "shares": (0.1, 0.5), "random_orders": 1}
    component.load()(torch.rand(SIZE), torch.rand(3, *SIZE), model, 0, **options)
    assert model.asked == component.companion("passes")(SIZE, **options)
