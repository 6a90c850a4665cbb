"""A trained network on some of its own classes: which outputs, in which order, and what their softmax runs over."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_folders import FRAMES, SIDE, saved
from narrow_models import some_clips
from pydantic import ValidationError

from stepaudit.audit.sections import Model
from stepaudit.errors import UsageError
from stepaudit.models import huggingface, r3d_18
from stepaudit.networks import checkpoint, outputs

PAGE = (Path(__file__).parents[2] / "config" / "MODELS.md").read_text()
OWN = ["playing guitar", "archery", "zumba", "bowling", "high jump"]
WANTED = ["Archery", "high_jump", "playing-guitar"]  # the data set's, sorted; outputs 1, 4 and 0
PLACES, OTHERS = [1, 4, 0], [2, 3]


@pytest.fixture
def entry(tmp_path):
    """Function that gives the entry of a network with five classes, whose weights and names are files."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        torch.save(r3d_18.build(5, width=2).backbone.state_dict(), tmp_path / "weights.pth")
    (tmp_path / "classes.txt").write_text("\n".join(OWN) + "\n")
    given = {"use": "r3d_18", "options": {"width": 2}, "weights": str(tmp_path / "weights.pth")}
    names = {"classes": str(tmp_path / "classes.txt"), "training": {"epochs": 0}}
    return lambda **changes: Model.model_validate(given | names | changes)


def whole_logits(entry):
    model = r3d_18.build(5, width=2).eval()
    checkpoint.load_initial(model, entry.weights, whole=True)
    with torch.no_grad():
        return model(some_clips(2))


def logits_of(entry):
    model = checkpoint.for_classes(entry, WANTED).eval()
    checkpoint.load_initial(model, entry.weights, whole=True)
    with torch.no_grad():
        return model(some_clips(2))


def test_restricted_the_softmax_runs_over_the_data_sets_classes(entry):
    own = entry(outputs="restricted")
    expected = whole_logits(own).exp()[:, PLACES]
    expected /= expected.sum(dim=1, keepdim=True)
    torch.testing.assert_close(logits_of(own).softmax(dim=1), expected)


def test_with_all_the_probabilities_are_the_networks_own_and_the_data_sets_come_first(entry):
    own = entry(outputs="all")
    expected = whole_logits(own).softmax(dim=1)[:, PLACES + OTHERS]
    torch.testing.assert_close(logits_of(own).softmax(dim=1), expected)
    assert outputs.names(own, WANTED, outputs.own_classes(own)) == [*WANTED, "zumba", "bowling"]


@pytest.mark.parametrize("kind", ["all", "restricted"])
def test_a_checkpoint_keeps_which_outputs_it_gives(entry, tmp_path, kind):
    own = entry(outputs=kind)
    model = checkpoint.for_classes(own, WANTED).eval()
    names = outputs.names(own, WANTED, OWN)
    checkpoint.save(model, tmp_path / "c.safetensors", own, names, {checkpoint.OWN_CLASSES: OWN})
    loaded = checkpoint.load(tmp_path / "c.safetensors", own, WANTED)
    explained = checkpoint.load(tmp_path / "c.safetensors", Model(use="r3d_18", options={"width": 2}), names)
    with torch.no_grad():
        for other in (loaded, explained):
            torch.testing.assert_close(other(some_clips(1)), model(some_clips(1)))


def test_the_configuration_that_the_documentation_shows_takes_its_names_from_torchvisions_weights():
    shown = re.search(r"^## Some of a network's own classes.*?```yaml\n(.*?)```", PAGE, re.M | re.S)[1]
    names = outputs.own_classes(Model.model_validate(yaml.safe_load(shown)["models"]["r3d"]))
    assert (len(names), names[5]) == (400, "archery")


def test_a_local_file_takes_its_names_from_torchvisions_weights_where_they_are_named(entry):
    names = outputs.own_classes(entry(outputs="all", classes="R3D_18_Weights.KINETICS400_V1"))
    assert (len(names), names[5]) == (400, "archery")


def test_names_come_from_the_files_of_a_classifier_of_transformers():
    options = {"path": str(saved("VideoMAE"))}
    entry = Model(use="huggingface", options=options, outputs="restricted", training={"epochs": 0})
    model, clips = checkpoint.for_classes(entry, ["jump", "bowl"]), torch.rand(1, 3, FRAMES, SIDE, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(clips), huggingface.build(3, **options)(clips)[:, [2, 0]])


@pytest.mark.parametrize(
    ("classes", "text"),
    [(["archry"], r"no class 'archry' among its 5; did you mean 'archery'\?; rename"), (["run"], "no class 'run' am")],
)
def test_a_class_that_the_network_lacks_is_an_error_with_the_nearest(entry, classes, text):
    with pytest.raises(UsageError, match=text):
        checkpoint.for_classes(entry(outputs="restricted"), classes)


def test_two_classes_of_one_name_are_an_error(entry, tmp_path):
    (tmp_path / "classes.txt").write_text("a\nA\nb\nc\nd\n")
    with pytest.raises(UsageError, match="the network has 2 classes 'a'; name its classes apart"):
        checkpoint.for_classes(entry(outputs="restricted"), ["a"])


def test_classes_without_names_ask_for_a_file(entry):
    with pytest.raises(UsageError, match=r"the network of 'r3d_18' does not name its classes; set `classes` to a file"):
        outputs.own_classes(entry(outputs="all", classes=None))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"outputs": "all", "training": {"epochs": 1}}, "audits a network as it is; set `training: {epochs: 0}`"),
        ({}, "say which count, `outputs: all` or `restricted`"),
    ],
)
def test_what_does_not_go_together_is_said(entry, changes, text):
    with pytest.raises(ValidationError, match=text):
        entry(**changes)
