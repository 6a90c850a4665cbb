"""`stepaudit explain`: one video in one command, as it is typed."""

import json
import sys
from urllib.error import URLError

import command_line
import numpy as np
import odd_models
import pyarrow.parquet as pq
import pytest
import torch
from explained_audit import CLASSES, columns, write
from PIL import Image

from stepaudit import maps
from stepaudit.audit.sections import Clips, Model
from stepaudit.clips import cutting, decoding, encoding, tensors
from stepaudit.clips.geometry import Geometry
from stepaudit.commands.explain import arguments, explanation, files
from stepaudit.commands.explain.clip_report import ClipReport
from stepaudit.extremal.settings import settings
from stepaudit.layers import gaussian_blur
from stepaudit.networks import checkpoint

FILES_OF_A_MAP = set(files.FILES) - {"preservation.parquet"}
TRAINED = "results/demo/checkpoints/dataset=planted/max_over_time.safetensors"
MODELS = """
import torch
from torch import nn

from stepaudit.models import r2plus1d_18


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features = nn.Conv3d(3, 4, 3)
        self.fc = nn.Linear(4, classes)

    def forward(self, clips):
        return self.fc(self.features(clips).relu().mean(dim=(2, 3, 4)))


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3 * 8 * 16 * 16, 3)

    def forward(self, clips):
        return self.fc(clips.flatten(1))


ready = Net(3)


def ready_made():
    return Net(3)


def build(classes, *, width=1):
    return Net(classes)


def hungry(classes, depth):
    return Net(classes)


def narrow(classes):
    return r2plus1d_18.build(classes, width=2)


def wrong():
    return "a network"


def softmaxed():
    return nn.Sequential(Net(3), nn.Softmax(dim=1))


number = 3
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with videos, the results of an audit and a module of models."""
    folder = tmp_path_factory.mktemp("place")
    write(folder)
    (folder / "nets_of_mine.py").write_text(MODELS)
    return folder


@pytest.fixture
def explain(place, monkeypatch, tmp_path):
    """Runs the command in that folder. Returns exit status, standard output and standard error."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [str(place), *sys.path])

    def run(*given, video="my_video.mp4", model=TRAINED, out=tmp_path / "out"):
        return command_line.run("explain", video, "--model", model, "--out", out, *given)

    return run


def one_clip(path, **size):
    cut = Clips(**{"height": 48, "width": 48, **size})
    segment = {"clip_id": "x", "path": str(path), "start": None, "stop": None}
    return tensors.to_tensor(cutting.cut({**segment, "action_start": None, "action_stop": None}, ["middle"], cut, 0))


@pytest.fixture(scope="module")
def net(place):
    path = place / "results/demo/checkpoints/dataset=planted/max_over_time.safetensors"
    return checkpoint.load(path, Model(use="r2plus1d_18", options={"width": 2}), CLASSES)


@pytest.fixture(scope="module")
def done(place):
    """A run whose files and lines several tests look at: folder, standard output, standard error."""
    model, video = TRAINED, "my_video.mp4"
    given = ["explain", video, "--model", model, "--quick", "--option", "iterations=4", "--out", "done"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        status, out, err = command_line.run(*given)
    assert status == 0, err
    return place / "done", out, err


def test_without_an_encoder_only_the_film_is_missing_and_that_is_said_first(explain, monkeypatch, tmp_path):
    monkeypatch.setattr(encoding, "_encoding_error", lambda binary: "no libx264")
    status, out, err = explain("--method", "center")
    assert status == 0, err
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES_OF_A_MAP - {"overlay.mp4"}
    lines = out.splitlines()
    assert lines[1].startswith("note: without overlay.mp4: no ffmpeg here writes H.264 (")
    assert lines[-1].startswith(f"wrote {tmp_path}/out: overlay.webp, ")


def test_it_writes_all_files_and_says_what_it_found(done, place, net):
    folder, out, _ = done
    assert {path.name for path in folder.iterdir()} == FILES_OF_A_MAP
    lines = out.splitlines()
    assert lines[0] == "clip: my_video.mp4, 16 frames from 1 to 38, 48 × 48 pixels (as in audit demo)"
    with torch.no_grad():
        before = net(one_clip(place / "my_video.mp4")).softmax(dim=1)[0]
    top = CLASSES[before.argmax()]
    printed = next(line.split() for line in lines if line.startswith(top))
    assert printed[1] == f"{before.max():.3f}"
    assert printed[4] == "explained"
    assert "kept: by the mask, ratio asked 0.05, reached" in out
    height, width = decoding.source_size(folder / "overlay.mp4")
    assert (height % 2, width % 2) == (0, 0)
    with decoding.decoded(folder / "overlay.mp4", Geometry(height, width, height, width)) as frames:
        assert len(frames) == 96  # four seconds
    with Image.open(folder / "overlay.webp") as animation:
        assert animation.n_frames == 16
    with Image.open(folder / "strip.png") as strip:
        assert strip.width > 8 * 200


def test_rows_have_the_columns_of_an_audit_and_say_the_same_in_json(done):
    folder, _, _ = done
    stored = json.loads((folder / "rows.json").read_text())
    for table in ("maps", "predictions"):
        (row,) = pq.read_table(folder / f"{table}.parquet", partitioning=None).to_pylist()
        assert list(row) == columns(table)
        assert (row["status"], row["clip_id"], row["dataset"]) == ("ok", "my_video", None)
        for name, value in row.items():
            numbers = isinstance(value, float) or (isinstance(value, list) and isinstance(value[0], float))
            assert stored[table][0][name] == (pytest.approx(value, rel=1e-6) if numbers else value), name


def test_only_a_class_that_was_named_is_the_label_of_the_prediction(done, explain, tmp_path):
    (answered,) = pq.read_table(done[0] / "predictions.parquet", partitioning=None).to_pylist()
    top = CLASSES[int(np.argmax(answered["probabilities"]))]
    assert answered["predicted"] == top
    assert [answered[name] for name in ("label", "target", "target_probability", "rank")] == [None] * 4
    assert explain("--method", "center", "--target", CLASSES[0])[0] == 0
    (named,) = pq.read_table(tmp_path / "out/predictions.parquet", partitioning=None).to_pylist()
    assert (named["label"], named["target"], named["predicted"]) == (CLASSES[0], 0, top)
    assert named["target_probability"] == pytest.approx(named["probabilities"][0])


def test_what_is_kept_is_the_clip_under_the_stored_mask_and_blurred_elsewhere(done, place, net):
    folder, _, _ = done
    (row,) = pq.read_table(folder / "maps.parquet", partitioning=None).to_pylist()
    summary = json.loads((folder / "summary.json").read_text())
    grid = torch.tensor(row["grid"]).float().view(1, *row["grid_shape"])
    mask = maps.render(grid, row["upsampling"], (16, 48, 48))[:, None]
    clip = one_clip(place / "my_video.mp4")
    with torch.no_grad():
        after = net(mask * clip + (1 - mask) * gaussian_blur(clip, 20 * 48 / 112)).softmax(dim=1)[0]
    told = {row["class"]: row["kept"] for row in summary["top"]}
    assert [told[name] for name in CLASSES] == pytest.approx(after.tolist(), abs=1e-4)  # batch norms are folded before
    assert summary["probability_of_kept"] == pytest.approx(row["kept_probability"], abs=1e-4)
    assert row["volume"] == pytest.approx(mask.mean().item(), abs=1e-6)


def test_of_a_map_that_is_no_mask_the_greatest_voxels_are_kept(explain, tmp_path):
    status, out, _ = explain("--method", "center", "--ratio", "0.25")
    assert status == 0
    assert "kept: the 25 % of voxels that the map ranks highest" in out
    (row,) = pq.read_table(tmp_path / "out/maps.parquet", partitioning=None).to_pylist()
    assert (row["ratio"], row["kept_probability"]) == (None, None)


class Of(torch.nn.Module):
    """The logit of class 1 is a property of the clip, in tens; the other class has none."""

    def __init__(self, measured):
        super().__init__()
        self.measured = measured

    def forward(self, clips):
        values = 10 * self.measured(clips.flatten(1))
        return torch.stack([torch.zeros_like(values), values], dim=1)


@pytest.mark.parametrize(("measured", "said"), [(lambda x: x.mean(dim=1), True), (lambda x: x.std(dim=1), False)])
def test_only_a_class_that_stays_when_the_clip_is_hidden_is_said_to_have_no_evidence(measured, said):
    """A blur leaves the mean of a chequered clip, and nothing of its contrast."""
    places = torch.arange(48)
    clips = ((places[:, None] + places) % 2).float().expand(1, 3, 4, 48, 48)
    found = explanation.explained(Of(measured), clips, torch.tensor([1]), [0.25], method="center", options={})
    report = ClipReport("clip", {"frames": range(4)}, "net", "net", ["dark", "light"], found)
    lines = [line for line in report.lines() if line.startswith("nothing: ")]
    text = f"nothing: with the whole clip hidden 'light' still has {found.empty_probability[0]:.3f}"
    assert lines == ([f"{text}, so that the kept part is no evidence for it"] if said else [])


def test_progress_tells_the_probability_and_ends_at_its_total(done):
    _, _, err = done
    total = 3 * settings("step", "matched", "short", 4).calls
    (line,) = [line for line in err.splitlines() if line.startswith("step of my_video.mp4")]
    assert f"{total}/{total}" in line
    assert "probability 0." in line


def test_quick_sets_few_iterations_which_what_is_said_overrules(explain, tmp_path):
    component = arguments_of("step")
    assert arguments.quick_options(component) == {"schedule": "short", "iterations": 50}
    assert arguments.quick_options(arguments_of("rise")) == {"masks": 200}
    assert explain("--quick", "--option", "iterations=2")[0] == 0
    assert json.loads((tmp_path / "out/summary.json").read_text())["options"]["iterations"] == 2
    assert "--quick changes nothing for center" in explain("--method", "center", "--quick")[1]


def arguments_of(method):
    from stepaudit.audit import registry

    return registry.find("methods", method)


def test_a_target_is_a_name_or_an_index(explain, tmp_path):
    assert explain("--method", "center", "--target", "cross-vertical")[0] == 0
    assert json.loads((tmp_path / "out/summary.json").read_text())["label"] == "cross-vertical"
    for target in ("cross-vertical", "0", "Cross-Vertical"):
        assert arguments.target_of(target, CLASSES) == 0
    assert arguments.target_of("1", ["1", "0"]) == 0  # a class of this name goes before an index
    assert arguments.target_of("1", ["a", "b"]) == 1


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"video": "none.mp4"}, "none.mp4: there is no such video"),
        ({"model": "R2Plus1D_18_Weight"}, "did you mean 'R2Plus1D_18_Weights.KINETICS400_V1'?"),
        ({"model": "VGG16_Weights.IMAGENET1K_V1"}, "these weights classify no videos"),
        ({"model": "xyz"}, "no model 'xyz'; name weights of torchvision such as"),
        ({"model": "none.safetensors"}, "none.safetensors: there is no such checkpoint"),
        ({"model": "nets_of_mine.py"}, "no checkpoint of an audit; name its network"),
        ({"model": "nets_of_none:build"}, "cannot find the module of 'nets_of_none:build'"),
        ({"model": "nets_of_mine:nothing"}, "cannot import nets_of_mine:nothing"),
        ({"model": "nets_of_mine:build"}, "takes the number of classes; say it, `--classes 24`"),
        ({"model": "nets_of_mine:hungry"}, "needs classes, depth"),
        ({"model": "nets_of_mine:wrong"}, "is a str; name a torch.nn.Module"),
        ({"model": "nets_of_mine:number"}, "is a int, no function that gives a model"),
        ({"model": "nets_of_mine:softmaxed"}, "returns probabilities, not logits"),
        ({"model": "nets_of_mine:Fixed"}, "fails on a clip of 16x112x112"),
    ],
)
def test_a_video_or_model_that_is_not_there_ends_with_status_2_and_the_next_step(explain, tmp_path, given, text):
    status, _, err = explain("--method", "center", **given)
    assert (status, err.count("stepaudit: ")) == (2, 1)
    assert text in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (("--method", "stepp"), "no method 'stepp'; did you mean 'step'?"),
        (("--method", "annotation_prior"), "needs box_prior, made of annotated training clips"),
        (("--target", "disc-horizntal"), "did you mean 'disc-horizontal'?"),
        (("--target", "2"), "none of 0 to 1"),
        (("--ratio", "1.5"), "ratio 1.5: give a share of the clip between 0 and 1"),
        (("--option", "iteration=3"), "no option 'iteration'; did you mean 'iterations'?"),
        (("--option", "iterations=many"), "option 'iterations' of step"),
        (("--option", "iterations"), "write key=value"),
        (("--option", "iterations=010"), "YAML reads 010 as another number, in base 8"),
        (("--option", "iterations=3", "--option", "iterations=4"), "'iterations' is given twice; leave one out"),
        (("--size", "16x112"), "--size 16x112: give frames, height and width"),
        (("--start", "9", "--stop", "9"), "--start 9 --stop 9"),
        (("--classes", "3"), "--classes: and its classes; leave it out"),
        (("--weights", "x.pth"), "--weights: a checkpoint holds its weights; leave it out"),
    ],
)
def test_what_does_not_fit_ends_with_status_2_and_the_next_step(explain, tmp_path, given, text):
    status, _, err = explain(*given)
    assert (status, err.count("stepaudit: ")) == (2, 1)
    assert text in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "asked", "text"),
    [
        ((), {"video": "no_video.mp4"}, "no_video.mp4: no frame decodes"),
        ((), {"video": "short.mp4"}, "short.mp4: 9 frames, a clip takes 16"),
        (("--stop", "99"), {}, "my_video.mp4: 40 of 99 frames decoded"),
        (("--method", "saliency_tubes"), {"model": "nets_of_mine:ready"}, ""),
    ],
)
def test_a_clip_that_cannot_be_explained_ends_with_status_1_and_its_reason(explain, tmp_path, given, asked, text):
    status, _, err = explain(*given, **asked)
    assert (status, err.count("stepaudit: ")) == (1, 1)
    assert text in err
    assert not (tmp_path / "out").exists()


def test_a_stretch_of_the_video_and_another_size_are_taken_as_asked(explain, tmp_path):
    status, out, _ = explain("--method", "center", "--start", "8", "--stop", "24", "--size", "8x32x40")
    assert status == 0
    assert "8 frames from 9 to 23, 32 × 40 pixels (as asked)" in out
    assert json.loads((tmp_path / "out/summary.json").read_text())["frames"] == list(range(9, 24, 2))


def test_its_own_files_are_replaced_and_nobody_elses(explain, tmp_path):
    out = tmp_path / "out"
    assert explain("--method", "center")[0] == 0
    first = (out / "summary.json").read_bytes()
    assert explain("--method", "random_pixel")[0] == 0
    assert (out / "summary.json").read_bytes() != first
    (out / "strip.png").write_bytes(b"mine")
    status, _, err = explain("--method", "center")
    assert status == 2
    assert "did not write strip.png, or it was changed since; name another --out" in err
    assert (out / "strip.png").read_bytes() == b"mine"
    assert explain("--method", "center", "--overwrite")[0] == 0
    assert Image.open(out / "strip.png").width > 100


def test_a_folder_with_a_file_of_such_a_name_is_left_alone(explain, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/summary.json").write_text("{}")
    assert "did not write summary.json" in explain("--method", "center")[2]
    assert "a file, no folder" in explain("--method", "center", out=tmp_path / "out/summary.json")[2]


def test_objects_of_ones_own_are_explained(explain, tmp_path, place):
    (place / "names.txt").write_text("run\njump\nskate\n\n")
    for model, given, label in (
        ("ready", (), {"0", "1", "2"}),
        ("ready_made", ("--classes", "names.txt"), {"run", "jump", "skate"}),
        ("build", ("--classes", "3"), {"0", "1", "2"}),
    ):
        size = ("--size", "8x32x32")
        status, _, err = explain("--method", "gradient", *size, *given, model=f"nets_of_mine:{model}")
        assert status == 0, err
        assert json.loads((tmp_path / "out/summary.json").read_text())["label"] in label
    status, _, err = explain("--classes", "5", "--size", "8x32x32", model="nets_of_mine:ready")
    assert "has 3 classes, 5 names were given" in err


def test_weights_that_leave_the_last_layer_random_are_refused(explain, place):
    from stepaudit.models import r2plus1d_18

    torch.manual_seed(5)
    state = {
        name.removeprefix("backbone."): value for name, value in r2plus1d_18.build(2, width=2).state_dict().items()
    }
    torch.save(state, place / "backbone.pth")
    given = ("--weights", "backbone.pth", "--method", "center")
    status, _, err = explain("--classes", "3", *given, model="nets_of_mine:narrow")
    assert status == 2
    assert "leave 2 of" in err
    assert "such as backbone.fc.weight [3, " in err
    status, _, err = explain("--classes", "2", *given, model="nets_of_mine:narrow")
    assert status == 0, err


@pytest.mark.parametrize(("name", "status"), [("listed", 2), ("registered", 0)])
def test_weights_that_cannot_fill_all_of_a_network_are_refused(explain, place, name, status):
    torch.manual_seed(5)
    torch.save(getattr(odd_models, name)(2).state_dict(), place / f"{name}.pth")
    given = ("--classes", "2", "--weights", f"{name}.pth", "--method", "center", "--size", "8x32x32")
    found, _, err = explain(*given, model=f"odd_models:{name}")
    assert found == status, err
    assert ("it computes with more than its state_dict holds" in err) == bool(status)


def test_weights_from_a_file_fill_the_last_layer_and_bring_their_classes(place, monkeypatch):
    from torchvision.models.video import mc3_18

    from stepaudit.networks.by_name import choose

    monkeypatch.chdir(place)
    state = mc3_18(weights=None).state_dict()
    torch.save(state, "mc3.pth")
    chosen = choose("MC3_18_Weights.KINETICS400_V1", weights="mc3.pth")
    assert torch.equal(chosen.net.backbone.fc.weight, state["fc.weight"])
    assert torch.equal(chosen.net.backbone.stem[0].weight, state["stem.0.weight"])
    assert len(chosen.classes) == 400
    assert "archery" in chosen.classes
    assert chosen.clip_size == {"frames": 16, "height": 112, "width": 112, "fit": "crop"}
    assert not chosen.net.training


def test_without_a_network_it_names_the_file_to_fetch(explain, monkeypatch):
    def unreachable(*_given, **_options):
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    status, _, err = explain(model="MC3_18_Weights.KINETICS400_V1")
    assert status == 2
    assert "download https://download.pytorch.org/models/mc3_18-" in err
    assert "with --weights" in err


def test_a_real_video_is_explained(explain, real_data, place, tmp_path):
    path = next((real_data / "UCF-101" / "Surfing").glob("*.avi"))
    status, _, err = explain("--method", "grad_cam", video=path)
    assert status == 0, err
    with Image.open(tmp_path / "out/overlay.webp") as animation:
        assert np.asarray(animation.convert("RGB")).std() > 10
