"""Need of one clip: `stepaudit explain --need` and `stepaudit.need`, on models whose evidence is a known cuboid."""

import json
import sys

import command_line
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from explained_audit import columns, moving_square
from known_answer import Cuboid, model_for
from PIL import Image
from torch import nn

import stepaudit
from stepaudit.commands.explain import need_sentences
from stepaudit.errors import UsageError
from stepaudit.layers import without_gradient
from stepaudit.report.page import need_texts
from stepaudit.report.pictures import movie, overlay

CUBOID = Cuboid((3, 5), (8, 20), (12, 24))  # 2 of 8 frames
SHAPE = (8, 32, 32)


class Striped(nn.Module):
    """Texture of the cuboid, with a third class that is never probable."""

    def __init__(self):
        super().__init__()
        self.texture = model_for(CUBOID)

    def forward(self, clips):
        logits = self.texture(clips)
        return torch.cat([logits, torch.full_like(logits[:, :1], -20.0)], dim=1)


@pytest.fixture(scope="module")
def needed():
    torch.manual_seed(0)
    clips = torch.rand(1, 3, *SHAPE)
    assert model_for(CUBOID)(clips).softmax(dim=1)[0, 1] > 0.9  # the premise: high on the clip
    assert model_for(CUBOID)(torch.full_like(clips, 0.5)).softmax(dim=1)[0, 1] < 0.1  # and low on the empty one
    return stepaudit.need(Striped(), clips, method="ep3d", readings=["frames"])


def test_the_smallest_piece_is_the_cuboid_that_decides(needed):
    truth = CUBOID.mask(SHAPE)
    mask = needed.masks[0]
    assert 0.3 * truth.mean() < needed.answers[0].upper(0.9) < 1.3 * truth.mean()
    assert (mask * truth).sum() > 0.7 * mask.sum()
    assert ((needed.shown_clips - 0.5).abs().amax(dim=1)[0][mask == 0] == 0).all()


def test_the_rows_are_those_of_an_audit(needed):
    label, runner_up = needed.table(["clip"], "striped")
    assert list(label) == columns("preservation")
    assert (label["asked_class"], runner_up["asked_class"]) == ("label", "runner_up")
    assert (label["target"], label["ratio"]) == (1, needed.answers[0].upper(0.5))
    assert label["lower"] < label["ratio"] < label["ratio_90"]
    assert (runner_up["target"], runner_up["random_ratio"]) == (0, None)


def test_the_sentences_say_what_the_rows_hold(needed):
    texts = needed.sentences(0, ["blank", "texture", "none"])
    label, _ = needed.table()
    assert f"of it are enough for half of the confidence in texture ({100 * label['lower']:.1f} % are not)" in texts[1]
    assert texts[4] == "The smallest piece for half of it lies in 2 of 8 frames."
    frames = label["fewest_frames"]
    assert set(frames) <= {3, 4}
    assert label["fewest_frames_lower"] == len(frames) - 1
    alone = "Frames 3, 4 alone are" if len(frames) == 2 else f"Frame {frames[0]} alone is"
    assert texts[5].startswith(f"{alone} enough for half of the confidence in texture")
    assert needed.sentences()[1] == texts[1].replace("texture", "class 1")


def test_only_a_search_by_forward_passes_alone_says_so(needed):
    said = "No gradient of the model reaches the clip"
    assert not any(said in text for text in needed.sentences())
    clips = torch.rand(1, 3, *SHAPE)
    with without_gradient(model := Striped()):
        blind = stepaudit.need(model, clips, method="ep3d")
    assert [row["search"] for row in blind.table()] == ["tubelets", "tubelets"]
    assert blind.sentences()[-1].startswith(said)


def test_options_that_the_search_does_not_have_are_refused():
    clips = torch.rand(1, 3, *SHAPE)
    with pytest.raises(UsageError, match="option 'preset': the search for what a clip needs has a schedule"):
        stepaudit.need(Striped(), clips, preset="paper")
    with pytest.raises(UsageError, match="method 'grad_cam' has no search for what a clip needs; use step, ep3d"):
        stepaudit.need(Striped(), clips, method="grad_cam")
    with pytest.raises(UsageError, match=r"backgrounds \[2, 3, 8, 32, 32\] for clips \[1, 3, 8, 32, 32\]"):
        stepaudit.need(Striped(), clips, backgrounds=torch.rand(2, 3, *SHAPE))
    with pytest.raises(UsageError, match="no reading 'frame'; did you mean 'frames'"):
        stepaudit.need(Striped(), clips, readings=["frame"])


MODEL = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Conv3d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, clips):
        return 40 * self.fc(self.features(clips).relu().mean(dim=(2, 3, 4)))


net = Net()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    movie.save(moving_square(40), folder / "my_video.mp4", rate=24)
    (folder / "needy_nets.py").write_text(MODEL)
    return folder


@pytest.fixture
def explain(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [str(place), *sys.path])

    def run(*given):
        model = ("--model", "needy_nets:net", "--size", "8x24x24", "--need", "--out", "out")
        return command_line.run("explain", "my_video.mp4", *model, *given)

    return run


def test_the_command_says_and_writes_what_the_clip_needs(explain, place):
    status, out, err = explain("--method", "ep3d", "--background", "my_video.mp4", "--reading", "frames")
    assert status == 0, err
    folder = place / "out"
    summary = json.loads((folder / "summary.json").read_text())
    assert all(sentence in out for sentence in summary["sentences"])
    rows = pq.read_table(folder / "preservation.parquet", partitioning=None).to_pylist()
    assert [row["asked_class"] for row in rows] == ["label", "runner_up"]
    assert "background" in rows[0]["fills"]
    assert (rows[0]["fewest_frames"] is None) == rows[0]["vacuous"]
    assert rows[1]["fewest_frames"] is None
    assert not (folder / "maps.parquet").exists()
    assert Image.open(folder / "strip.png").width > 100
    assert set(summary["files"]) == {path.name for path in folder.iterdir()} - {"summary.json"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (("--quick",), "--need finds the ratio, in a schedule of its own; leave out --quick"),
        (("--ratio", "0.1"), "leave out --ratio"),
        (("--reading", "frame"), "no reading 'frame'; did you mean 'frames'"),
        (("--background", "none.mp4"), "--background none.mp4: there is no such video"),
        (("--option", "iterations=3"), "option 'iterations': the search for what a clip needs has a schedule"),
    ],
)
def test_options_that_do_not_fit_end_with_status_2(explain, place, given, text):
    status, _, err = explain(*given)
    assert status == 2
    assert text in err


def test_a_strip_shows_the_frame_with_most_of_the_mask():
    share = np.zeros((16, 4, 4), np.float32)
    share[6] = 1
    frames = np.zeros((16, 4, 4, 3), np.uint8)
    shown = overlay.Shown(frames, share, frames, ("", "", ""))
    assert overlay._strip_frames(shown.share) == [1, 3, 6, 7, 9, 11, 13, 15]


def test_shares_are_written_to_two_digits_and_told_apart():
    texts = [need_texts.percent(share) for share in (0.0022, 0.013, 0.096, 0.174, 1.0)]
    assert texts == ["0.22 %", "1.3 %", "9.6 %", "17 %", "100 %"]
    assert need_sentences.percents(0.1741, 0.1736) == ("17.41 %", "17.36 %")
    assert need_sentences.percents(0.174, 0.168) == ("17.4 %", "16.8 %")
