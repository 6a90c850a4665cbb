"""A layer that the user names is the one that methods read, and nothing else of the network changes."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
import torch
import yaml
from narrow_models import narrow, some_clips
from torch import nn

from stepaudit.audit.sections import Model
from stepaudit.errors import UsageError
from stepaudit.methods import grad_cam
from stepaudit.networks import checkpoint
from stepaudit.networks.named_layer import reading

PAGE = (Path(__file__).parents[2] / "config" / "MODELS.md").read_text()
TARGET = torch.tensor([1])


def test_the_named_layer_is_read_in_place_of_the_models_own():
    model, clips = narrow("r2plus1d_18"), some_clips(1)
    expected = grad_cam.attribute(narrow("r2plus1d_18"), clips, TARGET).grid
    assert torch.equal(grad_cam.attribute(reading(model, "backbone.layer4"), clips, TARGET).grid, expected)
    other = grad_cam.attribute(reading(model, "backbone.layer2"), clips, TARGET).grid
    assert other.shape == (1, 4, 8, 8)
    assert expected.shape == (1, 1, 2, 2)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Conv3d(3, 4, 3)
        self.classifier = nn.Linear(4, 3)

    def forward(self, clips):
        return self.classifier(self.features(clips).relu().mean(dim=(2, 3, 4)))


def test_a_network_that_names_no_layer_gets_one_and_is_otherwise_the_same():
    model = Plain()
    keys = list(model.state_dict())
    assert reading(model, "features").activation_layer is model.features
    assert (list(model.state_dict()), type(model).__name__, isinstance(model, Plain)) == (keys, "Plain", True)
    copy = deepcopy(model)
    assert copy.activation_layer is copy.features


def test_the_end_of_a_name_is_enough_where_there_is_one_such_module():
    model = narrow("mvit_v2_s")
    assert reading(model, "blocks.1.norm1").activation_layer is model.backbone.blocks[1].norm1
    with pytest.raises(
        UsageError, match=r"layer 'norm1': MViTv2 has 3, such as backbone.blocks.0.norm1, .*a whole name"
    ):
        reading(model, "norm1")


def test_a_wrong_name_gets_the_nearest_one_and_the_last_layers_that_can_be_read():
    text = (
        r"layer 'backbone.layr4': VideoResNet18 has no such module; did you mean 'backbone.layer4'\? "
        r"its last convolution is 'backbone.layer4.1.conv2.0.3'"
    )
    with pytest.raises(UsageError, match=text):
        reading(narrow("r2plus1d_18"), "backbone.layr4")
    with pytest.raises(UsageError, match=r"no such module; its last convolution is .*, its last normalisation of tok"):
        reading(narrow("mvit_v2_s"), "zzz")


def test_grad_cam_of_an_earlier_block_of_mvit_has_its_finer_grid():
    model, clips = narrow("mvit_v2_s"), some_clips(1)
    for layer, shape in (("blocks.0.norm1", (4, 8, 8)), ("blocks.2.norm1", (4, 4, 4))):
        assert grad_cam.attribute(reading(model, layer), clips, TARGET).grid.shape == (1, *shape)


def test_the_configuration_that_the_documentation_shows_reads_that_layer():
    shown = re.search(r"^## Which layer is read.*?```yaml\n(.*?)```", PAGE, re.M | re.S)[1]
    entry = Model.model_validate(yaml.safe_load(shown)["models"]["r2plus1d"] | {"options": {"width": 2}})
    model = checkpoint.build(entry, 3)
    assert model.activation_layer is model.backbone.layer3
