"""config/kinetics.yaml: every pretrained model of it, with local files in the place of the downloads."""

from pathlib import Path

import pytest
import torch
from narrow_models import some_clips

from stepaudit.audit import config, registry
from stepaudit.networks import checkpoint, outputs

AUDIT = config.load(Path(__file__).parents[2] / "config" / "kinetics.yaml")
NARROW = {"width": 2, "embed_dim": 6, "depths": [1, 1, 1], "frames": 8, "size": 32, "window": [2, 4, 4]}
CLASSES = ["archery", "bowling", "playing_guitar"]
every_model = pytest.mark.parametrize("name", AUDIT.models)


@every_model
def test_clips_are_of_the_size_that_the_weights_were_trained_on_and_nothing_is_trained(name):
    with torch.device("meta"):
        family = type(registry.find("models", name).load()(3))
    clips = AUDIT.clips_of(name)
    assert (clips.frames, clips.height, clips.width) == family.input_size
    assert not AUDIT.models[name].is_trained_on("kinetics")
    assert AUDIT.splits_cut("kinetics") == ("test",)


@every_model
def test_a_local_file_answers_with_the_probabilities_of_its_own_400_classes(name, tmp_path):
    component, entry = registry.find("models", name), AUDIT.models[name]
    narrow = {key: value for key, value in NARROW.items() if key in component.options}
    whole = component.load()(400, **narrow).eval()
    torch.save(whole.backbone.state_dict(), tmp_path / "weights.pth")
    local = {"options": narrow, "weights": str(tmp_path / "weights.pth"), "classes": entry.weights}
    entry = entry.model_copy(update=local)
    model = checkpoint.for_classes(entry, CLASSES).eval()
    checkpoint.load_initial(model, entry.weights, whole=True)
    names = outputs.names(entry, CLASSES, outputs.own_classes(entry))
    with torch.no_grad():
        found, expected = model(some_clips(1)).softmax(dim=1)[0], whole(some_clips(1)).softmax(dim=1)[0]
    assert (len(names), names[:3]) == (400, CLASSES)
    order = sorted(range(400), key=lambda place: names[place].replace("_", " "))
    kinetics = outputs.own_classes(entry)
    places = [kinetics.index(names[place].replace("_", " ")) for place in order]
    torch.testing.assert_close(found[order], expected[places])
