"""Classifiers of transformers: probabilities, sizes and names are those of the library's own files."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_folders import FRAMES, OPTIONS, SIDE, saved

from stepaudit.audit.sections import Model
from stepaudit.errors import UsageError
from stepaudit.models import huggingface
from stepaudit.networks import by_name, checkpoint

PAGE = (Path(__file__).parents[2] / "config" / "MODELS.md").read_text()
every_family = pytest.mark.parametrize("family", OPTIONS)
PIXELS = torch.randint(
    0, 256, (2, FRAMES, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(5)
)
CLIPS = PIXELS.transpose(1, 2).float() / 255


def librarys_own(family):
    """Logits of the library's classifier behind the library's preprocessing of the same frames."""
    import transformers

    net = transformers.AutoModelForVideoClassification.from_pretrained(saved(family)).eval()
    processor = transformers.AutoVideoProcessor.from_pretrained(saved(family))
    inputs = processor([*PIXELS], return_tensors="pt", do_resize=False, do_center_crop=False)
    with torch.no_grad():
        return net(**inputs).logits


def copied(family, folder):
    shutil.copytree(saved(family), folder, dirs_exist_ok=True)
    return folder


@every_family
def test_probabilities_are_the_librarys_own(family):
    model = huggingface.build(3, path=str(saved(family)))
    with torch.no_grad():
        probabilities = model(CLIPS).softmax(dim=1)
    expected = librarys_own(family).softmax(dim=1)
    torch.testing.assert_close(probabilities, expected, atol=1e-4, rtol=0)
    assert expected.std(dim=1).min() > 0.01, "else any normalisation would do"


@every_family
def test_frames_size_and_classes_are_those_of_its_files(family):
    model = huggingface.build(3, path=str(saved(family)))
    assert model.input_size == (FRAMES, SIDE, SIDE)
    assert model.classes == ["bowl", "dive", "jump"]
    assert model.untrained == []


@every_family
def test_another_number_of_classes_gets_a_new_last_layer_and_says_so(family):
    model = huggingface.build(5, path=str(saved(family)))
    assert model(CLIPS).shape == (2, 5)
    assert model.untrained == ["classifier.bias", "classifier.weight"]


def test_vivits_values_between_minus_3_and_1_are_reproduced():
    """Its processor takes 1 off before it subtracts the mean: 255 becomes (2 − 1 − 0.5) / 0.5 = 1, and 0 becomes −3."""
    model = huggingface.build(3, path=str(saved("Vivit")))
    ends = model.normalise(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1).expand(2, 3, 1, 1, 1))
    torch.testing.assert_close(ends[:, :, 0, 0, 0], torch.tensor([[-3.0] * 3, [1.0] * 3]))


def test_files_of_older_versions_of_the_library_are_read(tmp_path):
    folder = copied("VideoMAE", tmp_path)
    (folder / "video_preprocessor_config.json").unlink()
    values = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "rescale_factor": 1 / 255}
    flags = {"do_rescale": True, "do_normalize": True, "do_resize": True, "size": {"shortest_edge": SIDE}}
    old = {"image_processor_type": "VideoMAEImageProcessor", **values, **flags}
    (folder / "preprocessor_config.json").write_text(json.dumps(old))
    normalise = huggingface.build(3, path=str(folder)).normalise
    torch.testing.assert_close(normalise.mean.flatten(), torch.tensor([0.1, 0.2, 0.3]), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalise.std.flatten(), torch.tensor([0.4, 0.5, 0.6]), atol=1e-5, rtol=0)


def test_classes_without_names_have_none(tmp_path):
    folder = copied("VideoMAE", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    del config["id2label"], config["label2id"]
    (folder / "config.json").write_text(json.dumps({**config, "num_labels": 3}))
    assert huggingface.build(3, path=str(folder)).classes is None


def test_clips_of_another_size_are_refused_with_the_line_to_write():
    model = huggingface.build(3, path=str(saved("VideoMAE")))
    with pytest.raises(UsageError, match=r"4 × 32 × 32 .*not of 8 × 32 × 32; set `clips: \{frames: 4, height: 32, wid"):
        model(torch.rand(1, 3, 8, 32, 32))


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "video_preprocessor_config.json"])
def test_a_folder_without_one_of_its_files_is_refused(missing, tmp_path):
    folder = copied("VideoMAE", tmp_path)
    (folder / missing).unlink()
    with pytest.raises(UsageError, match=r"cannot load .*; give a folder with config.json"):
        huggingface.build(3, path=str(folder))


def test_a_network_for_something_else_is_refused(tmp_path):
    import transformers

    transformers.ViTConfig(hidden_size=24, num_attention_heads=2).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"cannot load"):
        huggingface.build(3, path=str(tmp_path))


def test_no_path_asks_for_one():
    with pytest.raises(UsageError, match=r"give the folder or the name .*path: my_videomae"):
        huggingface.build(3)


def test_without_the_library_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r"needs the library transformers; .*stepaudit\[transformers\]"):
        huggingface.build(3, path="x")


def test_explain_takes_a_folder_with_its_classes_and_the_size_of_its_clips():
    chosen = by_name.choose(str(saved("VideoMAE")))
    assert chosen.classes == ["bowl", "dive", "jump"]
    assert chosen.clip_size == {"frames": FRAMES, "height": SIDE, "width": SIDE, "fit": "crop"}
    with torch.no_grad():
        torch.testing.assert_close(chosen.net(CLIPS).softmax(1), librarys_own("VideoMAE").softmax(1), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("given", "text"), [({"weights": "w.pt"}, "holds its weights"), ({"classes": "3"}, "its clas")]
)
def test_explain_takes_nothing_else_beside_a_folder(given, text):
    with pytest.raises(UsageError, match=text):
        by_name.choose(str(saved("VideoMAE")), **given)


def test_explain_refuses_a_network_whose_classifier_is_random(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = copied("VideoMAE", tmp_path)
    weights = {
        name: value for name, value in load_file(folder / "model.safetensors").items() if "classifier" not in name
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        UsageError, match=r"2 of its weights are random, such as classifier.bias; give the folder of a tr"
    ):
        by_name.choose(str(folder))


def test_the_configuration_that_the_documentation_shows_builds_the_model(tmp_path, monkeypatch):
    shown = re.search(r"^## A classifier of transformers.*?```yaml\n(.*?)```", PAGE, re.M | re.S)[1]
    monkeypatch.chdir(tmp_path)
    Path("my_videomae").symlink_to(saved("VideoMAE"))
    entry = Model.model_validate(yaml.safe_load(shown)["models"]["videomae"])
    assert checkpoint.build(entry, 3)(CLIPS).shape == (2, 3)
    assert entry.training.epochs == 0
