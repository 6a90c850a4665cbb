"""Families that are torchvision's networks: at full size they are equal, and they take its weights from a file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torchvision import models as torchvisions
from torchvision.models import get_weight
from torchvision.transforms.functional import normalize

from stepaudit.models import mc3_18, mvit_v2_s, r2plus1d_18, r3d_18, resnet50_lstm, s3d, swin3d_t, vgg16_lstm
from stepaudit.networks import checkpoint


class Family(NamedTuple):
    """A full model of ours and torchvision's, and a small clip that both take."""

    ours: Callable[[int], nn.Module]
    theirs: Callable[[], nn.Module]
    clip: tuple[int, int, int]


def small_mvit() -> nn.Module:
    """torchvision's network with its full tables of positions, told that clips are 4 × 64 × 48."""
    model = torchvisions.video.mvit_v2_s()
    model.pos_encoding.temporal_size, model.pos_encoding.spatial_size = 2, (16, 12)
    return model


FAMILIES = {
    "r3d_18": Family(r3d_18.build, torchvisions.video.r3d_18, (4, 24, 32)),
    "mc3_18": Family(mc3_18.build, torchvisions.video.mc3_18, (4, 24, 32)),
    "s3d": Family(s3d.build, torchvisions.video.s3d, (13, 209, 209)),  # the least that torchvision's takes
    "mvit_v2_s": Family(mvit_v2_s.build, lambda: small_mvit(), (4, 64, 48)),
    "swin3d_t": Family(swin3d_t.build, torchvisions.video.swin3d_t, (6, 48, 64)),
    "resnet50_lstm": Family(resnet50_lstm.build, torchvisions.resnet50, (2, 40, 48)),
}
PAGE = Path(__file__).parents[2] / "config" / "MODELS.md"  # its table names the weights of each family
WEIGHTS = dict(re.findall(r"^\| `(\w+)` \| `(\w+\.\w+)` \|", PAGE.read_text(), re.M))
every_family = pytest.mark.parametrize("name", FAMILIES)
ALL = {
    "r2plus1d_18": (r2plus1d_18.build, torchvisions.video.r2plus1d_18),
    "vgg16_lstm": (vgg16_lstm.build, torchvisions.vgg16),
    **{name: (family.ours, family.theirs) for name, family in FAMILIES.items()},
}


def random_statistics(model: nn.Module) -> nn.Module:
    """Running statistics that differ from the fresh ones, 0 and 1, under which a missing layer would not show."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def normalised(clips: Tensor, weights: str) -> Tensor:
    """As torchvision's own preset of these weights does it."""
    preset = get_weight(weights).transforms()
    return torch.stack([normalize(clip.transpose(0, 1), preset.mean, preset.std).transpose(0, 1) for clip in clips])


def shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in model.state_dict().items()}


@pytest.mark.parametrize("name", ALL)
def test_at_full_size_the_backbones_parameters_are_torchvisions(name):
    """All of them, or, where the network ends at the features of a frame, all but those of its classifier."""
    ours, theirs = ALL[name]
    with torch.device("meta"):
        model, wanted = ours(1000 if name.endswith("_lstm") else 400), shapes(theirs())
    if model.head is None:
        wanted = {key: shape for key, shape in wanted.items() if not key.startswith(("fc.", "classifier.6."))}
    assert shapes(model.backbone) == wanted
    assert model.head is None or any(key.startswith(model.head) for key in wanted)


@every_family
def test_weights_from_a_file_make_it_torchvisions_network_but_for_its_head(name, tmp_path):
    """One way for both: the file is loaded as a user's would be; then the head is copied, and the logits are equal."""
    ours, theirs, size = FAMILIES[name]
    model, source = ours(5).eval(), random_statistics(theirs())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    path = tmp_path / "weights.pth"
    torch.save(source.state_dict(), path)
    checkpoint.load_initial(model, str(path))
    path.unlink()
    state, head = model.backbone.state_dict(), model.head or "no head"
    for key, value in source.state_dict().items():
        if key.startswith(head):
            assert torch.equal(state[key], before[f"backbone.{key}"]), key
        elif key in state:
            assert torch.equal(state[key], value), key
    kept = [key for key in state if key.startswith(head)]
    if kept:
        weight, bias = kept
        last = source.get_submodule(weight.rpartition(".")[0])
        last.weight, last.bias = (nn.Parameter(state[key]) for key in (weight, bias))
    else:
        source.fc = nn.Identity()
    clips = torch.rand(1, 3, *size)
    with torch.no_grad():
        if kept:
            result, expected = model(clips), source(normalised(clips, WEIGHTS[name]))
        else:
            images = normalised(clips, WEIGHTS[name]).transpose(1, 2).flatten(0, 1)
            result, expected = model.backbone(model.normalise(clips).transpose(1, 2).flatten(0, 1)), source(images)
    assert expected.std() > 0
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_the_weights_in_the_documentation_are_of_the_same_network_and_size(name):
    """Meta data and preset of the weights: number of parameters, pixels of the crop, frames where they are given."""
    with torch.device("meta"):
        model, theirs = ALL[name][0](400), ALL[name][1]()
    weights = get_weight(WEIGHTS[name])
    assert weights.meta["num_params"] == sum(part.numel() for part in theirs.parameters())
    frames, height, width = type(model).input_size
    assert height == width == weights.transforms().crop_size[0]
    if "clip_len" in weights.meta["_docs"]:
        assert f"clip_len={frames}`" in weights.meta["_docs"]


def test_the_variant_of_vgg16_with_batch_normalisation_takes_torchvisions_weights():
    with torch.device("meta"):
        model, theirs = vgg16_lstm.build(3, batch_norm=True), torchvisions.vgg16_bn()
    meta = get_weight("VGG16_BN_Weights.IMAGENET1K_V1").meta
    assert meta["num_params"] == sum(part.numel() for part in theirs.parameters())
    assert set(shapes(model.backbone)) <= set(shapes(theirs))


@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "resnet50_lstm"])
def test_initial_weights_are_drawn_as_torchvision_draws_them(name):
    """The standard deviation is the same, layer by layer; its last layer is another's, or not there."""
    ours, theirs = FAMILIES[name].ours(10).backbone.state_dict(), FAMILIES[name].theirs().state_dict()
    large = [key for key in ours if ours[key].numel() > 10_000 and not key.startswith("fc.")]
    assert len(large) > 10
    for key in large:
        assert ours[key].std().item() == pytest.approx(theirs[key].std().item(), rel=0.05), key
