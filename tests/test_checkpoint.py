"""Checkpoints and initial weights: what fits is taken, what does not is named, and nothing is executed."""

import argparse
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import vgg16_bn
from torchvision.models.video import r2plus1d_18 as torchvisions

from stepaudit.adapters import Adapter
from stepaudit.audit.sections import Model
from stepaudit.errors import UsageError
from stepaudit.models import r2plus1d_18, vgg16_lstm
from stepaudit.networks import checkpoint

ENTRY = Model(use="r2plus1d_18", options={"width": 2})
CLASSES = ["a", "b"]


@pytest.fixture
def saved(tmp_path):
    """A checkpoint, and the model that it was made of."""
    model = checkpoint.build(ENTRY, 2)
    path = tmp_path / "folder" / "m.safetensors"
    checkpoint.save(model, path, ENTRY, CLASSES, {"dataset": "d", "seed": 0})
    return path, model


def same_state(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    assert mine.keys() == theirs.keys()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_checkpoint_gives_the_same_model_ready_for_use(saved):
    path, model = saved
    loaded = checkpoint.load(path, ENTRY, CLASSES)
    assert same_state(loaded, model)
    assert not loaded.training
    about, _ = checkpoint.read(path)
    assert about == {"use": "r2plus1d_18", "options": {"width": 2}, "classes": CLASSES, "dataset": "d", "seed": 0}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_weights_that_share_their_memory_are_kept(tmp_path):
    """A model of the user's own with one layer used twice."""
    layer = nn.Linear(2, 2)
    checkpoint.save(nn.Sequential(layer, layer), tmp_path / "m.safetensors", ENTRY, CLASSES, {})
    _, state = checkpoint.read(tmp_path / "m.safetensors")
    assert torch.equal(state["0.weight"], layer.weight)
    assert torch.equal(state["1.weight"], layer.weight)


@pytest.mark.parametrize(
    ("entry", "classes", "text"),
    [
        (Model(use="vgg16_lstm"), CLASSES, "a checkpoint with use 'r2plus1d_18', the configuration says 'vgg16_lstm'"),
        (Model(use="r2plus1d_18", options={"width": 4}), CLASSES, "with options {'width': 2}, the .* {'width': 4}"),
        (ENTRY, ["b", "a"], r"with classes \['a', 'b'\], the configuration says \['b', 'a'\]"),
        (ENTRY, ["a", "b", "c"], r"with classes \['a', 'b'\], the configuration says \['a', 'b', 'c'\]"),
    ],
)
def test_a_checkpoint_of_another_model_or_other_classes_says_so(saved, entry, classes, text):
    path, _ = saved
    with pytest.raises(UsageError, match=f"{text}.*; correct the configuration, or delete the checkpoint"):
        checkpoint.load(path, entry, classes)


def test_a_checkpoint_whose_weights_do_not_fit_the_code_any_more_says_so(tmp_path):
    """The name and the options are the same, but the model's file was edited in between."""
    path = tmp_path / "m.safetensors"
    checkpoint.save(nn.Linear(2, 2), path, ENTRY, CLASSES, {})
    with pytest.raises(UsageError, match=r"m\.safetensors: .*do not fit .*train again"):
        checkpoint.load(path, ENTRY, CLASSES)


def test_a_file_that_is_no_checkpoint_says_what_to_do(tmp_path):
    junk, foreign = tmp_path / "junk.safetensors", tmp_path / "foreign.safetensors"
    junk.write_bytes(b"not a checkpoint at all")
    save_file({"weight": torch.ones(2)}, foreign)
    for path in (junk, tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(UsageError, match=r"no readable safetensors file .*; train the model first"):
            checkpoint.load(path, ENTRY, CLASSES)
    with pytest.raises(UsageError, match="not a checkpoint of stepaudit; give foreign weights as `weights:`"):
        checkpoint.load(foreign, ENTRY, CLASSES)


def test_a_truncated_checkpoint_says_what_to_do(saved):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match="no readable safetensors file"):
        checkpoint.load(path, ENTRY, CLASSES)


def test_saving_is_atomic(saved, monkeypatch):
    path, model = saved

    def stop_half_way(state, where, metadata):
        Path(where).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", stop_half_way)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(nn.Linear(1, 1), path, ENTRY, CLASSES, {})
    assert same_state(checkpoint.load(path, ENTRY, CLASSES), model)


def as_file(state, folder, form):
    """The state dict in one of the forms that people keep weights in."""
    path = folder / f"weights.{'safetensors' if form == 'safetensors' else 'pth'}"
    if form == "safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save({"state_dict": state, "epoch": 3} if form == "wrapped" else state, path)
    return path


@pytest.mark.parametrize("form", ["plain", "wrapped", "safetensors"])
def test_a_file_of_full_weights_fills_the_network_but_for_its_head(tmp_path, form):
    theirs, ours = torchvisions(num_classes=400), r2plus1d_18.build(5)
    head = {name: value.clone() for name, value in ours.backbone.fc.state_dict().items()}
    checkpoint.load_initial(ours, str(as_file(theirs.state_dict(), tmp_path, form)))
    for name, value in ours.backbone.state_dict().items():
        expected = head[name.removeprefix("fc.")] if name.startswith("fc.") else theirs.state_dict()[name]
        assert torch.equal(value, expected), name


def test_a_torchvision_name_takes_the_file_that_torchvision_keeps(tmp_path, monkeypatch):
    """The file lies where torchvision would have fetched it to, so nothing is fetched."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    theirs, ours = torchvisions(num_classes=400), r2plus1d_18.build(5)
    torch.save(theirs.state_dict(), tmp_path / "checkpoints" / "r2plus1d_18-91a641e6.pth")
    checkpoint.load_initial(ours, "R2Plus1D_18_Weights.KINETICS400_V1")
    assert torch.equal(ours.backbone.layer3[1].conv2[0][3].weight, theirs.layer3[1].conv2[0][3].weight)
    assert not torch.equal(ours.backbone.fc.weight, theirs.fc.weight[:5])


def test_weights_that_cannot_be_fetched_name_the_file_to_fetch(tmp_path, monkeypatch):
    def offline(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(
        UsageError, match=r"cannot be downloaded or read \(no network\); download https://.*91a641e6.pth, and give"
    ):
        checkpoint.load_initial(r2plus1d_18.build(2, width=2), "R2Plus1D_18_Weights.KINETICS400_V1")


class Executes:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("place", ["file", "torchvision's folder"])
def test_code_in_a_pickle_is_not_executed(tmp_path, monkeypatch, place):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    path, proof = tmp_path / "checkpoints" / "r2plus1d_18-91a641e6.pth", tmp_path / "executed"
    torch.save({"fc.weight": Executes(proof)}, path)
    name = str(path) if place == "file" else "R2Plus1D_18_Weights.KINETICS400_V1"
    with pytest.raises(UsageError, match=r"cannot be (downloaded or )?read"):
        checkpoint.load_initial(r2plus1d_18.build(2, width=2), name)
    assert not proof.exists()
    path.write_bytes(pickle.dumps(Executes(proof), protocol=2))
    with pytest.raises(UsageError, match=r"cannot be (downloaded or )?read"):
        checkpoint.load_initial(r2plus1d_18.build(2, width=2), name)
    assert not proof.exists()


def narrow_file(tmp_path, change=lambda state: None, **options):
    state = r2plus1d_18.build(7, **{"width": 2, **options}).backbone.state_dict()
    change(state)
    return str(as_file(state, tmp_path, "plain"))


def test_a_narrow_network_takes_weights_of_its_own_width(tmp_path):
    checkpoint.load_initial(r2plus1d_18.build(5, width=2), narrow_file(tmp_path))


@pytest.mark.parametrize(
    ("width", "change", "text"),
    [
        (4, lambda state: None, r"do not fit VideoResNet18: \d+ of \d+ parameters .*; a narrow model .* no full-size"),
        (2, lambda state: state.pop("stem.0.weight"), "1 of .*, such as stem.0.weight"),
        (2, lambda state: state.update({"stem.3.weight": torch.ones(1)}), "1 of .*, such as stem.3.weight"),
        (2, lambda state: state.update({"stem.3.weight": "text"}), "1 of .*, such as stem.3.weight"),
    ],
)
def test_weights_that_do_not_fit_are_named_and_change_nothing(tmp_path, width, change, text):
    model = r2plus1d_18.build(5, width=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UsageError, match=text):
        checkpoint.load_initial(model, narrow_file(tmp_path, change, width=width))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_narrow_model_takes_no_full_weights(tmp_path):
    path = as_file(torchvisions().state_dict(), tmp_path, "safetensors")
    with pytest.raises(UsageError, match=r"a narrow model .* takes no full-size weights"):
        checkpoint.load_initial(r2plus1d_18.build(5, width=8), str(path))


@pytest.mark.parametrize(
    "weights", ["R2Plus1D_18_Weights.KINETICS401", "Nothing_Weights.V1", "resnet", "no/file.pth", "", "a.b.c"]
)
def test_a_name_that_is_neither_a_file_nor_torchvisions_says_so(weights):
    with pytest.raises(UsageError, match=f"weights '{weights}': neither a file nor a torchvision weights name"):
        checkpoint.load_initial(r2plus1d_18.build(2, width=2), weights)


@pytest.mark.parametrize("name", ["junk.pth", "junk.safetensors"])
def test_junk_says_so(tmp_path, name):
    for content in (b"", b"junk" * 100):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=rf"{name}: (cannot be read as a state dict|no readable safetensors file)"):
            checkpoint.load_initial(r2plus1d_18.build(2, width=2), str(tmp_path / name))


def test_a_file_without_a_state_dict_says_so(tmp_path):
    for content in ([1, 2], {"state_dict": 3}, torch.ones(2)):
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(UsageError, match=r"holds no state dict; save `model.state_dict"):
            checkpoint.load_initial(r2plus1d_18.build(2, width=2), str(tmp_path / "w.pth"))


def test_a_folder_is_no_file_of_weights(tmp_path):
    with pytest.raises(UsageError, match="neither a file nor a torchvision weights name"):
        checkpoint.load_initial(r2plus1d_18.build(2, width=2), str(tmp_path))


def test_a_backbone_without_a_head_is_filled_whole(tmp_path):
    model, other = (vgg16_lstm.build(3, width=2, features=8, hidden=4, pooled=1) for _ in range(2))
    state = {**other.backbone.state_dict(), "classifier.6.weight": torch.ones(1000, 8)}
    lstm = {name: value.clone() for name, value in model.lstm.state_dict().items()}
    checkpoint.load_initial(model, str(as_file(state, tmp_path, "plain")))
    assert same_state(model.backbone, other.backbone)
    assert all(torch.equal(value, lstm[name]) for name, value in model.lstm.state_dict().items())


class Own(nn.Module):
    """A network as people write them: `backbone` and `head` are its parts."""

    def __init__(self, classes):
        super().__init__()
        self.backbone, self.head = nn.Sequential(nn.Conv3d(3, 2, 1), nn.BatchNorm3d(2)), nn.Linear(2, classes)


@pytest.mark.parametrize("wrap", [lambda net: net, Adapter, lambda net: Adapter(net, layout="NTCHW")])
def test_weights_of_a_whole_model_under_its_own_names_fill_all_of_it(tmp_path, wrap):
    trained, model = Own(4), Own(4)
    state = {name: value for name, value in trained.state_dict().items() if "num_batches" not in name}
    checkpoint.load_initial(wrap(model), str(as_file(state, tmp_path, "plain")))
    assert same_state(model, trained)


@pytest.mark.parametrize("wrap", [lambda net: net, Adapter])
def test_weights_of_a_backbone_alone_leave_a_head_that_is_a_layer_as_it_is(tmp_path, wrap):
    trained, model = Own(4), Own(3)
    head = model.head.weight.clone()
    checkpoint.load_initial(wrap(model), str(as_file(trained.backbone.state_dict(), tmp_path, "plain")))
    assert same_state(model.backbone, trained.backbone)
    assert torch.equal(model.head.weight, head)


def test_a_whole_model_for_other_classes_does_not_fit_and_says_so(tmp_path):
    for model, trained in ((Own(3), Own(4)), (nn.Linear(2, 3), nn.Linear(2, 4))):
        with pytest.raises(UsageError, match="parameters are missing or have another shape, such as"):
            checkpoint.load_initial(model, str(as_file(trained.state_dict(), tmp_path, "plain")))


def test_a_network_of_ours_that_was_trained_elsewhere_is_taken_with_its_recurrence_and_last_layer(tmp_path):
    model, other = (vgg16_lstm.build(3, width=2, features=8, hidden=4, pooled=1) for _ in range(2))
    checkpoint.load_initial(model, str(as_file(other.state_dict(), tmp_path, "safetensors")))
    assert same_state(model, other)


def test_weights_older_than_the_counter_of_batches_are_taken(tmp_path):
    """torchvision's vgg16_bn was saved before batch normalisation counted batches; PyTorch itself lets that pass."""
    model, other = (vgg16_lstm.build(3, width=2, features=8, hidden=4, pooled=1, batch_norm=True) for _ in range(2))
    state = {name: value for name, value in other.backbone.state_dict().items() if "num_batches_tracked" not in name}
    assert len(state) < len(other.backbone.state_dict())
    checkpoint.load_initial(model, str(as_file(state, tmp_path, "plain")))
    assert same_state(model.backbone, other.backbone)
    with torch.device("meta"):
        assert "features.1.num_batches_tracked" in vgg16_bn().state_dict()


def test_the_metadata_is_plain_json(saved):
    path, _ = saved
    size = int.from_bytes(path.read_bytes()[:8], "little")
    metadata = json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]
    about = json.loads(metadata["stepaudit"])
    assert (about["format"], about["classes"]) == (checkpoint.FORMAT, CLASSES)


def test_the_same_weights_give_the_same_bytes(saved, tmp_path):
    path, model = saved
    for number in range(8):
        checkpoint.save(model, tmp_path / f"{number}.safetensors", ENTRY, CLASSES, {"dataset": "d", "seed": 0})
        assert (tmp_path / f"{number}.safetensors").read_bytes() == path.read_bytes()


def prefixed(state, *prefixes):
    return {prefix + name: value for prefix in prefixes for name, value in state.items()}


class Settings:
    """Settings of a training, of a class that no other program has."""

    def __init__(self):
        self.rate = 0.1


PEOPLES = {
    "DataParallel": lambda state: prefixed(state, "module."),
    "torch.compile": lambda state: prefixed(state, "_orig_mod."),
    "both": lambda state: prefixed(state, "module._orig_mod."),
    "Lightning": lambda state: {
        "state_dict": prefixed(state, "model."),
        "epoch": 3,
        "optimizer_states": [{"state": {}}],
    },
    "settings": lambda state: {"state_dict": state, "hyper_parameters": argparse.Namespace(lr=1), "own": Settings()},
    "NumPy": lambda state: {"net": state, "best": np.float64(0.5), "curve": np.ones(2), "where": Path("a")},
    "the same twice": lambda state: prefixed(state, "model.", "net."),
    **{key: lambda state, key=key: {key: state, "epoch": 3} for key in ("model", "model_state", "model_state_dict")},
}


@pytest.mark.parametrize("kind", PEOPLES)
@pytest.mark.parametrize("wrap", [lambda net: net, Adapter], ids=["bare", "adapted"])
def test_weights_as_people_save_them_are_taken(tmp_path, kind, wrap):
    trained, model = Own(4), Own(4)
    torch.save(PEOPLES[kind](trained.state_dict()), tmp_path / "w.pth")
    checkpoint.load_initial(wrap(model), str(tmp_path / "w.pth"))
    assert same_state(model, trained)


def test_two_sets_of_weights_that_fit_are_not_chosen_between(tmp_path):
    first, second = Own(4).state_dict(), Own(4).state_dict()
    torch.save({"model": first, "ema": second}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"2 sets of other weights in it fit, 'model\.', 'ema\.'; save the one to use"):
        checkpoint.load_initial(Own(4), str(tmp_path / "w.pth"))


def test_weights_of_another_network_say_what_the_file_has(tmp_path):
    torch.save({"model": nn.Linear(2, 3).state_dict()}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"such as 0.bias; the file has 2: model.weight, model.bias"):
        checkpoint.load_initial(Own(4), str(tmp_path / "w.pth"))


def test_weights_for_other_classes_say_both_shapes(tmp_path):
    torch.save(Own(4).state_dict(), tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"such as head.bias, \[3\], in the file \[4\]; .*classes"):
        checkpoint.load_initial(Own(3), str(tmp_path / "w.pth"))


def test_torchscript_and_whole_networks_are_no_weights_and_say_what_to_do(tmp_path):
    torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(tmp_path / "script.pt")
    with pytest.raises(UsageError, match=r"it is TorchScript: let `build` return `torch\.jit\.load\(path\)`"):
        checkpoint.load_initial(Own(4), str(tmp_path / "script.pt"))
    torch.save(Own(4), tmp_path / "whole.pt")
    with pytest.raises(UsageError, match=r"save `model\.state_dict\(\)`|cannot be read as a state dict"):
        checkpoint.load_initial(Own(4), str(tmp_path / "whole.pt"))
