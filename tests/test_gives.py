"""What a model gives, from the configuration to the network: refusals with the next step, one logit, labels in CSV."""

import labelled_regions
import pytest
import torch
from tiny_audit import CONFIG, answer, clips, write_audit
from torch import nn

from stepaudit.audit import config
from stepaudit.audit.sections import Model
from stepaudit.datasets import folder
from stepaudit.errors import UsageError
from stepaudit.networks import by_name, checkpoint, probe
from stepaudit.report import build_database
from stepaudit.report.page import summary
from stepaudit.store import database

CLIP = labelled_regions.clip({"left": 1.0})
NOTICE = "Clips with several labels count once for each of them"


class Ending(nn.Module):
    """Ends in a function."""

    def __init__(self, end, columns):
        super().__init__()
        self.end, self.columns = end, columns
        self.weight = nn.Parameter(torch.linspace(-1, 1, 3 * columns).view(columns, 3))

    def forward(self, clips):
        return self.end(clips.mean(dim=(2, 3, 4)) @ self.weight.T)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ({"gives": "regression"}, "`tolerance` and `gives: regression` go together; set both"),
        ({"tolerance": 1.0}, "`tolerance` and `gives: regression` go together; set both"),
        ({"gives": "logit", "outputs": "all", "training": {"epochs": 0}}, "has one value to take; remove `outputs`"),
        ({"gives": "labels"}, "Input should be 'softmax', 'sigmoid', 'logit' or 'regression'"),
    ],
)
def test_a_configuration_that_cannot_be_meant_says_what_to_change(model, text):
    with pytest.raises(UsageError, match=text):
        config.parse({**CONFIG, "models": {"r3d": {"use": "r2plus1d_18", **model}}})


def test_labels_are_not_asked_for_the_one_answer_of_a_model():
    models = {"r3d": {"use": "r2plus1d_18", "gives": "sigmoid"}}
    with pytest.raises(UsageError, match="is asked for each label of a clip: remove one of them"):
        config.parse({**CONFIG, "models": models, "target": "predicted"})
    assert config.parse({**CONFIG, "models": models}).models["r3d"].gives == "sigmoid"


def test_a_control_gives_what_its_model_gives():
    value = {"use": "r2plus1d_18", "gives": "regression", "tolerance": 2.0}
    made = config.parse({**CONFIG, "models": {"speed": value, "random": {"of": "speed", "randomise": 1.0}}})
    assert (made.models["random"].gives, made.models["random"].tolerance) == ("regression", 2.0)


def test_one_logit_is_two_classes():
    net = checkpoint.build(Model(use="odd_models:one_logit", gives="logit"), 2)
    logits = net(CLIP)
    assert logits.shape == (1, 2)
    assert logits.softmax(dim=1)[0, 1].item() == pytest.approx(net.model(CLIP).sigmoid().item())
    assert not probe.ask(net, CLIP, 2, gives="logit").errors
    with pytest.raises(UsageError, match="one logit, of the second of two classes; the data set has 3: have a logit"):
        probe.require(net, CLIP, 3, gives="logit")


@pytest.mark.parametrize("gives", ["softmax", "sigmoid", "logit"])
def test_a_sigmoid_as_the_last_step_is_found_whatever_it_is_taken_for(gives):
    net = Ending(torch.sigmoid, 1 if gives == "logit" else 2)
    net = net if gives != "logit" else probe.Adapter(net, gives="logit")
    (finding,) = probe.ask(net, CLIP, 2, gives=gives).errors
    assert finding.name == "sigmoid"
    assert "leave it out" in finding.step


def test_labels_may_sum_to_anything_and_be_one_alone():
    assert not probe.ask(Ending(nn.Identity(), 1), CLIP, 1, gives="sigmoid").errors
    assert not probe.ask(Ending(nn.Identity(), 4), CLIP, 4, gives="sigmoid").errors
    (finding,) = probe.ask(Ending(nn.Identity(), 3), CLIP, 4, gives="sigmoid").errors
    assert "returns 3 values for each clip of a data set with 4 classes" in finding.sentence


def test_a_regression_that_depends_on_more_than_the_clip_is_found():
    class Random(Ending):
        def forward(self, clips):
            return super().forward(clips) + 100 * torch.rand(len(clips), 1)

    (finding,) = probe.ask(Random(nn.Identity(), 1), CLIP, 1, gives="regression").errors
    assert finding.name == "random"
    assert "values differ by" in finding.sentence


def test_a_checkpoint_of_labels_is_no_classifier(tmp_path):
    entry = Model(use="labelled_regions:labels", gives="sigmoid")
    path = tmp_path / "net.safetensors"
    checkpoint.save(checkpoint.build(entry, 2), path, entry, ["left", "right"], {})
    assert checkpoint.load(path, entry, ["left", "right"])(CLIP).shape == (1, 2)
    with pytest.raises(UsageError, match="a checkpoint with gives 'sigmoid', the configuration says 'softmax'"):
        checkpoint.load(path, Model(use="labelled_regions:labels"), ["left", "right"])
    with pytest.raises(UsageError, match=r"names no class .*; audit it, or name one question to it"):
        by_name.choose(str(path))


def videos(root, text):
    for name in ("run/a", "run/b", "jump/c"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.mp4").write_bytes(b"")
    (root / "videos.csv").write_text(text)
    return root


def test_labels_of_a_csv_stand_in_place_of_the_folder_s_name(tmp_path):
    lines = "video,split,labels,value\nrun/a.mp4,test,run|wave,1.5\nrun/b.mp4,train,,-2\njump/c.mp4,train,wave,\n"
    segments, _ = folder.read(videos(tmp_path, lines), videos="videos.csv")
    found = {row["clip_id"]: (row["label"], row["target"], row["value"]) for row in segments}
    assert found == {
        "jump/c.mp4": ("wave", 1, None),
        "run/a.mp4#run": ("run", 0, 1.5),
        "run/a.mp4#wave": ("wave", 1, 1.5),
        "run/b.mp4": ("run", 0, -2),
    }


@pytest.mark.parametrize("cell", ["run||wave", "run|run", "|"])
def test_labels_that_are_empty_or_stand_twice_are_named_by_line(tmp_path, cell):
    lines = f"video,split,labels\nrun/a.mp4,test,{cell}\nrun/b.mp4,train,\njump/c.mp4,train,\n"
    with pytest.raises(UsageError, match=r"videos.csv, line 2, column 'labels': give names that differ, such as run"):
        folder.read(videos(tmp_path, lines), videos="videos.csv")


def notices(folder_of, gives):
    model = {"use": "r2plus1d_18", "gives": gives, **({"tolerance": 1.0} if gives == "regression" else {})}
    made = write_audit(folder_of, clips("a#x", "a#y"), models={"r3d": model})
    build_database.create(made, config.load(made / "config.yaml"))
    with database.connect(made) as connection:
        return " ".join(each.text for each in summary.notices(connection))


def test_how_often_a_clip_counts_is_said_of_labels_alone(tmp_path):
    assert NOTICE not in notices(tmp_path / "one", "softmax")
    assert f"{NOTICE}: of 1 test clip there are 2 rows." in notices(tmp_path / "two", "sigmoid")


def test_precision_is_of_the_annotated_labels_of_each_stretch(tmp_path):
    """By hand: x in clips a and c, at 0.9 and 0.5, b without it between: (1 + 2/3) / 2."""
    names = {"a#x": ("a", 0), "a#y": ("a", 1), "b": ("b", 1), "c": ("c", 0)}
    scores = {"a": [0.9, 0.8], "b": [0.7, 0.6], "c": [0.5, 0.1]}
    segments = [
        {"clip_id": name, "video_id": video, "path": video, "label": "xy"[target], "target": target}
        for name, (video, target) in names.items()
    ]
    predictions = [
        {"clip_id": name, "target": target, "label": "xy"[target], "gives": "sigmoid", "probabilities": scores[video],
         "target_probability": scores[video][target]}
        for name, (video, target) in names.items()
    ]  # fmt: skip
    model = {"r3d": {"use": "r2plus1d_18", "gives": "sigmoid"}}
    made = write_audit(tmp_path, {"segments": segments, "predictions": predictions}, models=model)
    mean, first, second = answer(made, "label_precision")
    assert first["average_precision_percent"] == pytest.approx(100 * (1 + 2 / 3) / 2, abs=0.06)
    assert (first["clips"], first["own_clips"], first["videos"]) == (3, 2, 2)
    assert second["average_precision_percent"] == 100
    assert mean["average_precision_percent"] == pytest.approx(100 * (1 + (1 + 2 / 3) / 2) / 2, abs=0.06)
