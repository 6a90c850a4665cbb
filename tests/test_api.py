"""The Python API: `import stepaudit`."""

import base64
import doctest
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from explained_audit import CLIP, FRAMES, SIDE, columns, moving_square, write
from PIL import Image
from torch import nn

import stepaudit
from stepaudit import api
from stepaudit.errors import NonFiniteError, NotApplicableError, TooShortError, UsageError
from stepaudit.report import results
from stepaudit.report.pictures import movie

PAGE = Path(__file__).parents[1] / "docs" / "python_api.md"
SHORT = {"schedule": "short", "iterations": 3}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with videos and the results of an audit."""
    folder = tmp_path_factory.mktemp("place")
    write(folder)
    return folder


@pytest.fixture(autouse=True)
def _there(place, monkeypatch):
    monkeypatch.chdir(place)


class Net(nn.Module):
    """Class 1 is the more probable the brighter the left half of the middle frame."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(12.0))
        self.dropout = nn.Dropout(0.5)

    def forward(self, clips):
        frame = clips[:, :, clips.shape[2] // 2].mean(dim=1)
        brightness = frame[..., : frame.shape[-1] // 2].mean(dim=(1, 2))
        return self.dropout(torch.stack([torch.zeros_like(brightness), self.scale * brightness - 9], dim=1))


def half_bright(side):
    """A clip [1, 3, 8, 32, 32], dark but for one half of each frame."""
    clip = torch.zeros(1, 3, 8, 32, 32)
    clip[..., slice(0, 16) if side == 0 else slice(16, 32)] = 1
    return clip


@pytest.mark.parametrize("module", [api, results, movie])
def test_the_examples_of_the_docstrings_hold(module):
    found = doctest.testmod(module)
    assert found.failed == 0
    assert found.attempted or module is movie


def test_what_is_public_has_an_example_and_a_line_in_the_documentation():
    for name in set(stepaudit.__all__) - {"__version__"}:
        function = getattr(stepaudit, name)
        assert f"| `stepaudit.{name}(" in PAGE.read_text()
        assert ">>>" in function.__doc__ or name == "save", name
        assert name in dir(stepaudit)


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S), ids=lambda code: code[:20])
def test_the_documentations_code_runs(code):
    exec(compile(code, str(PAGE), "exec"), {"__name__": "example"})


def test_importing_it_is_quick_and_a_wrong_name_is_told():
    heavy = "{'torch', 'torchvision', 'duckdb', 'pyarrow', 'pydantic', 'PIL', 'pandas', 'numpy'}"
    script = f"import sys, stepaudit; dir(stepaudit); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        stepaudit.explian  # noqa: B018


def test_reading_results_imports_no_torch():
    script = (
        "import sys, stepaudit; stepaudit.open_results('results/demo').sql('from maps'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_mask_lies_where_the_model_looks_and_keeps_its_answer():
    clips = torch.cat([half_bright(0), half_bright(1)])
    options = {"schedule": "short", "iterations": 60, "preset": "corrected", "perturbation": "fade"}
    found = stepaudit.explain(Net(), clips, ratio=0.1, **options)
    assert found.targets.tolist() == [1, 0]
    assert found.probability.tolist() == pytest.approx([1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-9))])
    mask = found.maps[0]
    evidence = mask[4, :, :16]  # 6 % of the clip, of which 10 % may be kept
    assert evidence.mean() > 0.8
    assert evidence.mean() > 5 * (mask.sum() - evidence.sum()) / (mask.numel() - evidence.numel())
    assert found.kept_probability[0] > 0.8  # without a mask it is 0.05
    grey = 12 * 0.5 - 9  # the logit of class 1 where the whole clip has faded
    assert found.empty_probability.tolist() == pytest.approx([1 / (1 + np.exp(-grey)), 1 / (1 + np.exp(grey))])


def test_a_notebook_shows_each_clip_with_its_map_moving():
    found = stepaudit.explain(Net(), torch.rand(2, 3, 8, 32, 32), [0, 1], method="center")
    shown = found._repr_html_()
    images = re.findall(r'<img src="data:image/webp;base64,([^"]+)"', shown)
    for image in images:
        with Image.open(io.BytesIO(base64.b64decode(image))) as animation:
            assert (animation.n_frames, animation.size) == (8, (32, 32))
    assert len(images) == 2
    assert f"center: class 1 has {found.probability[1]:.2f}, " in shown


def test_a_map_that_is_no_mask_keeps_exactly_its_greatest_voxels():
    clips = torch.rand(2, 3, 8, 32, 32)
    found = stepaudit.explain(Net(), clips, 1, method="random_pixel", ratio=[0.25, 0.5])
    kept = torch.isclose(found.kept_clips, clips, rtol=0, atol=1e-6).all(dim=1)  # but for rounding
    for row, ratio in enumerate((0.25, 0.5)):
        assert kept[row].sum() == ratio * kept[row].numel()
        assert found.maps[row][kept[row]].min() >= found.maps[row][~kept[row]].max()
    assert not found.is_mask
    assert found.table()[0]["kept_probability"] is None


def test_the_table_has_a_row_for_each_clip_with_the_columns_of_an_audit():
    found = stepaudit.explain(Net(), torch.rand(2, 3, 8, 32, 32), [0, 1], ratio=[0.1, 0.3], seed=4, **SHORT)
    first, second = found.table(["a", "b"], model="net")
    assert list(first) == columns("maps")
    assert (second["clip_id"], second["model"], second["target"], second["ratio"]) == ("b", "net", 1, 0.3)
    assert (second["seed"], second["steps"], second["options"]) == (4, 3, '{"iterations":3,"schedule":"short"}')
    assert second["volume"] == pytest.approx(found.maps[1].mean().item())
    assert second["target_probability"] == pytest.approx(found.probability[1].item())


def test_the_model_comes_back_as_it_was_and_again_gives_the_same():
    model, clip = Net().train(), half_bright(1)
    first = stepaudit.explain(model, clip, **SHORT)
    again = stepaudit.explain(model, clip, **SHORT)
    assert model.training
    assert model.dropout.training
    assert model.scale.requires_grad
    assert model.scale.grad is None
    assert not model._forward_hooks
    assert torch.equal(first.maps, again.maps)


def test_a_picture_has_the_clips_size_and_is_brightest_where_the_map_is_greatest():
    frames = stepaudit.explain(Net(), half_bright(1), method="center").render()
    assert frames.shape == (8, 32, 32, 3)
    assert frames.dtype == np.uint8
    where = np.unravel_index(frames[0].sum(axis=2, dtype=int).argmax(), (32, 32))
    assert all(13 <= place <= 18 for place in where)


def test_a_clip_holds_the_middle_frame_of_each_part():
    clip = stepaudit.read_clip("my_video.mp4", frames=4, height=64, width=96, start=8, stop=40)
    squares = moving_square(40)[[8 + 4, 8 + 12, 8 + 20, 8 + 28]]
    assert clip.shape == (1, 3, 4, 64, 96)
    assert np.abs(clip[0].permute(1, 2, 3, 0).numpy() * 255 - squares).mean() < 4  # but for H.264


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"method": "stepp"}, "did you mean 'step'?"),
        ({"ratio": 0}, "ratio 0: give a share"),
        ({"ratio": [0.1, 0.2]}, "2 ratios for 1 clips"),
        ({"targets": 2}, "target 2: the model has classes 0 to 1"),
        ({"targets": [0, 1]}, r"\[2\] targets for 1 clips"),
        ({"targets": 0.5}, "whole numbers"),
        ({"clips": torch.rand(3, 8, 32, 32)}, "clips: give a float tensor"),
        ({"clips": torch.zeros(1, 3, 8, 32, 32, dtype=torch.uint8)}, "clips: give a float tensor"),
        ({"shedule": "short"}, "did you mean 'schedule'?"),
        ({"model": nn.Sequential(Net(), nn.Softmax(dim=1))}, "returns probabilities, not logits"),
        ({"model": "nowhere.safetensors"}, "no such checkpoint"),
    ],
)
def test_bad_input_names_the_next_step(given, text):
    asked = {"model": Net(), "clips": half_bright(0), **given}
    with pytest.raises(UsageError, match=text):
        stepaudit.explain(**asked)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"start": -5}, "start -5, stop None: give frames of the video from 0 on, the first before the last"),
        ({"start": 20, "stop": 10}, "start 20, stop 10: give frames"),
        ({"stop": -3}, "start None, stop -3: give frames"),
        ({"height": 8}, "height: 8 is outside its range, 16 to 4096"),
        ({"fit": "pad"}, "fit: Input should be 'stretch' or 'crop', got 'pad'"),
    ],
)
def test_a_clip_that_no_video_has_is_bad_input(given, text):
    with pytest.raises(UsageError, match=text):
        stepaudit.read_clip("my_video.mp4", **{"frames": 4, "height": 64, "width": 96, **given})


def test_what_cannot_be_explained_says_why():
    with pytest.raises(NotApplicableError):
        stepaudit.explain(Net(), half_bright(0), method="grad_cam")
    with pytest.raises(NonFiniteError):
        stepaudit.explain(Net(), half_bright(0) * torch.nan, method="center")
    with pytest.raises(TooShortError):
        stepaudit.read_clip("short.mp4")
    with pytest.raises(UsageError, match="no such video"):
        stepaudit.read_clip("none.mp4")


def test_a_map_of_an_audit_is_the_one_that_was_stored():
    opened = stepaudit.open_results("results/demo")
    expected = np.zeros((FRAMES, SIDE, SIDE), np.float32)
    expected[3] = 1
    found = opened.map(CLIP, model="max_over_time", method="step", ratio=0.2)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)
    assert (opened.clip(CLIP, model="max_over_time") == 128).all()
    frames = opened.render(CLIP, model="max_over_time", method="center")
    assert frames.mean(axis=(1, 2, 3)).argmax() == 3


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"method": "step"}, r"is there 2 times; say which, ratio=0.1 \(known: \[0.1, 0.2\]\)"),
        ({"method": "step", "ratio": 0.3}, r"none with ratio 0.3 \(known: \[0.1, 0.2\]\)"),
        ({"method": "ep3d", "seed": 5}, r"none with seed 5 \(known: \[0\]\)"),
        ({"method": "stepp"}, "no method 'stepp'; did you mean 'step'?"),
        ({"method": "ep3d", "model": "r3d"}, "no model 'r3d'"),
        ({"method": "ep3d", "clip": "disc-horizontal-test-001"}, f"did you mean '{CLIP}'?"),
        ({"method": "ep3d", "dataset": "other"}, "has none of these"),
    ],
)
def test_a_map_that_is_not_there_or_not_the_only_one_is_told(given, text):
    asked = {"clip": CLIP, "model": "max_over_time", **given}
    with pytest.raises(UsageError, match=text.replace("?", r"\?") if "did you" in text else text):
        stepaudit.open_results("results/demo").map(**asked)


def test_rows_of_a_query_come_as_dicts_arrow_and_pandas():
    pytest.importorskip("pandas")
    rows = stepaudit.open_results("results/demo").sql(
        "select method, count(*) as maps, max(ratio) as ratio from maps where model = $model group by all order by all",
        model="max_over_time",
    )
    assert rows == [
        {"method": "center", "maps": 1, "ratio": None},
        {"method": "ep3d", "maps": 1, "ratio": 0.05},
        {"method": "step", "maps": 2, "ratio": 0.2},
    ]
    assert rows.columns == ["method", "maps", "ratio"]
    assert rows.arrow().num_rows == 3
    assert rows.df()["maps"].tolist() == [1, 1, 2]


@pytest.mark.parametrize("query", ["selec 1", "drop table maps", "", "from read_csv('x.csv')"])
def test_a_query_that_is_refused_raises(query):
    with pytest.raises(UsageError):
        stepaudit.open_results("results/demo").sql(query)


def test_results_that_are_not_there_are_told():
    with pytest.raises(UsageError, match="run `stepaudit report"):
        stepaudit.open_results("results/nothing")
