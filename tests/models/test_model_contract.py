"""What every registered model family promises; a new file in `models/` is tested without a change here."""

import pytest
import torch
from huggingface_folders import saved

from stepaudit.audit import registry

MODELS = registry.components("models")
SMALL = {
    **{"width": 2, "features": 8, "hidden": 4, "pooled": 1},
    **{"embed_dim": 6, "frames": 8, "size": 32, "window": (2, 4, 4)},
}  # options that make a family small, where it has them


def build(name):
    """A small model of a family for three classes."""
    component = MODELS[name]
    small = {option: value for option, value in SMALL.items() if option in component.options}
    if "path" in component.options:
        small["path"] = str(saved("VideoMAE", frames=8))
    return component.load()(3, **small)


@pytest.fixture(params=MODELS)
def model(request):
    return build(request.param).eval()


def test_logits_have_a_row_for_each_clip_and_a_column_for_each_class(model):
    logits = model(torch.rand(2, 3, 8, 32, 32))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_the_activation_layer_is_a_part_of_the_model_or_absent(model):
    layer = getattr(model, "activation_layer", None)
    assert layer is None or any(layer is module for module in model.modules())


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_weights(name):
    twins = []
    for _ in range(2):
        torch.manual_seed(5)
        twins.append(build(name).state_dict())
    assert all(torch.equal(twins[0][key], twins[1][key]) for key in twins[0])


def test_clips_and_gradients_pass(model):
    """Methods differentiate to the clip, and hand over clips that nobody may write into."""
    clips = torch.rand(2, 3, 8, 32, 32)
    kept = clips.clone().requires_grad_()
    assert torch.autograd.grad(model(kept).pow(2).sum(), kept)[0].abs().sum() > 0
    model(clips)
    assert torch.equal(clips, kept)


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_takes_part_in_training(name):
    model = build(name).train()
    torch.nn.functional.cross_entropy(model(torch.rand(4, 3, 8, 32, 32)), torch.tensor([0, 1, 2, 0])).backward()
    assert [key for key, value in model.named_parameters() if value.grad is None] == []
    assert all(value.grad.isfinite().all() for value in model.parameters())
