"""R(2+1)D-18 against torchvision's own network."""

import pytest
import torch
from torchvision.models.video import R2Plus1D_18_Weights
from torchvision.models.video import r2plus1d_18 as torchvisions
from torchvision.transforms.functional import normalize

from stepaudit.models import r2plus1d_18


def test_at_full_width_it_is_torchvisions_network_with_the_normalisation_inside():
    ours, theirs = r2plus1d_18.build(400).eval(), torchvisions(num_classes=400).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm3d):  # the fresh statistics, 0 and 1, would hide a missing layer
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    shapes = [{name: value.shape for name, value in m.state_dict().items()} for m in (ours.backbone, theirs)]
    assert shapes[0] == shapes[1]
    ours.backbone.load_state_dict(theirs.state_dict())
    clips, preset = torch.rand(2, 3, 8, 40, 48), R2Plus1D_18_Weights.KINETICS400_V1.transforms()
    outside = torch.stack([normalize(clip.transpose(0, 1), preset.mean, preset.std).transpose(0, 1) for clip in clips])
    with torch.no_grad():
        torch.testing.assert_close(ours(clips), theirs(outside), atol=1e-4, rtol=1e-4)


def test_initial_weights_are_drawn_as_torchvision_draws_them():
    """Kaiming with fan-out for convolutions: the standard deviation is the same, layer by layer."""
    ours, theirs = r2plus1d_18.build(10).backbone.state_dict(), torchvisions(num_classes=10).state_dict()
    for name, value in theirs.items():
        if value.numel() > 10_000:
            assert ours[name].std().item() == pytest.approx(value.std().item(), rel=0.05)


@pytest.mark.parametrize("width", [1, 3, 8])
def test_width_narrows_every_stage(width):
    model = r2plus1d_18.build(7, width=width)
    assert model.backbone.fc.weight.shape == (7, 8 * width)
    assert sum(parameter.numel() for parameter in model.parameters()) < 31e6 * (width / 64) ** 2 * 1.5 + 2000
    assert model.eval()(torch.rand(1, 3, 8, 32, 32)).shape == (1, 7)


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 16, 16), (5, 17, 31), (16, 48, 64), (9, 112, 20)])
def test_a_narrow_network_takes_clips_of_any_size(frames, height, width):
    model = r2plus1d_18.build(2, width=2).eval()
    assert model(torch.rand(2, 3, frames, height, width)).isfinite().all()


def test_the_activation_layer_is_the_last_stage_and_the_head_the_classifier():
    model = r2plus1d_18.build(2, width=2)
    assert model.activation_layer is model.backbone.layer4
    assert [name for name in model.backbone.state_dict() if name.startswith(model.head)] == ["fc.weight", "fc.bias"]


def test_the_normalisation_is_no_part_of_the_weights():
    assert {name.split(".")[0] for name in r2plus1d_18.build(2, width=2).state_dict()} == {"backbone"}
