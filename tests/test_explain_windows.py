"""`stepaudit explain --window`: where in long footage a model sees what, on a video whose event we placed."""

import re
import sys

import command_line
import numpy as np
import pytest

from stepaudit.clips import decoding
from stepaudit.clips.encoding import encode
from stepaudit.commands.explain import timeline

RATE, EVENT = 25, (175, 200)  # frames: from 7 to 8 s of 20
MODEL = """
import torch
from torch import nn


class Red(nn.Module):
    input_size = (16, 32, 32)

    def forward(self, clips):
        red = (clips[:, 0] - clips[:, 1]).mean(dim=(2, 3))
        logit = 40 * (red.amax(dim=1) - 0.05)
        return torch.stack([-logit / 2, logit / 2], dim=1)


ready = Red()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    frames = np.full((20 * RATE, 32, 32, 3), 90, np.uint8)
    frames += (np.arange(32, dtype=np.uint8) * 3)[None, :, None, None]
    frames[slice(*EVENT), 8:24, 8:24] = (220, 30, 30)
    encode(frames, folder / "long.mp4", str(RATE))
    (folder / "red_model.py").write_text(MODEL)
    (folder / "names.txt").write_text("nothing\nevent\n")
    return folder


@pytest.fixture
def explain(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [str(place), *sys.path])

    def run(*given):
        return command_line.run("explain", "long.mp4", "--model", "red_model:ready", "--classes", "names.txt", *given)

    return run


def answers(out: str) -> dict[tuple[float, float], str]:
    """The most probable class of each window, by its ends."""
    found = re.findall(r"^([\d.]+) to ([\d.]+) s: (\w+) [\d.]+", out, re.MULTILINE)
    return {(float(first), float(last)): name for first, last, name in found}


@pytest.mark.parametrize("stride", [2, 1])
def test_the_time_line_shows_the_event_at_its_second_and_nowhere_else(explain, stride):
    status, out, err = explain("--window", 2, "--stride", stride)
    assert status == 0, err
    found = answers(out)
    assert list(found) == [(start, start + 2) for start in range(0, 19, stride)]
    assert {ends for ends, name in found.items() if name == "event"} == {
        (start, start + 2) for start in range(0, 19, stride) if start < 8 and start + 2 > 7
    }
    assert f"{len(found)} windows" in out
    assert "wrote" not in out


def test_a_target_is_said_beside_every_other_answer(explain):
    _, out, _ = explain("--window", 4, "--target", "event")
    lines = [line for line in out.splitlines() if " s: " in line]
    assert [line.count("event") for line in lines] == [1] * 5
    assert lines[1].startswith("4.0 to 8.0 s: event ")
    assert lines[0].startswith("0.0 to 4.0 s: nothing ")


def test_the_window_of_a_second_is_explained_and_half_of_its_map_lies_at_the_event(explain, place):
    status, out, err = explain("--window", 4, "--at", 7.2, "--method", "occlusion", "--out", "found")
    assert status == 0, err
    assert "clip: long.mp4, 16 frames from 103 to 196" in out
    begins, end = map(float, re.search(r"half of the map lies between ([\d.]+) and ([\d.]+) s", out).groups())
    assert 6.7 <= begins < end <= 8.0
    assert (place / "found" / "maps.parquet").exists()


def test_the_video_is_decoded_once(explain, monkeypatch):
    scaled, asked = decoding._scaled, []
    monkeypatch.setattr(decoding, "_scaled", lambda *given: asked.append(given[2]) or scaled(*given))
    explain("--window", 2, "--stride", 0.5)
    assert sum(asked) <= 500 + 60  # 37 windows of 50 frames; the first is also cut alone


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (("--at", 3), "--at belongs to windows of long footage; give their length, --window 10"),
        (("--stride", 3), "--stride belongs to windows of long footage"),
        (("--window", 0), "--window: 0 is outside its range, 0.1 to 86400"),
        (("--window", 8, "--stride", 0.1), "set it to 0.5 or more"),
        (("--window", 2, "--at", 30), "--at 30: no window holds this second; give one from 0.0 to 20.0"),
        (("--window", 2, "--need"), "--need belongs to a window that is explained; name a second of it, --at"),
        (("--window", 2, "--out", "found"), "--out belongs to a window that is explained"),
        (("--window", 2, "--option", "iterations=3"), "--option belongs to a window that is explained"),
        (("--window", 0.3), "no window has the 16 frames of a clip; give a longer --window"),
    ],
)
def test_what_makes_no_sense_names_the_next_step(explain, given, text):
    status, _, err = explain(*given)
    assert status in (1, 2)
    assert text in err


def test_without_windows_nothing_is_said_of_time(explain, tmp_path):
    _, out, _ = explain("--method", "center", "--out", tmp_path / "out")
    assert "in time" not in out
    assert " s: " not in out


def test_half_of_a_map_is_the_shortest_stretch_that_holds_it():
    seconds = [10.0, 10.5, 11.0, 11.5]
    assert timeline.in_time([0, 0, 1, 0], seconds, 12.0).endswith("between 11.0 and 11.5 s of the video")
    assert timeline.in_time([1, 0, 0, 1], seconds, 12.0).endswith("between 10.0 and 10.5 s of the video")
    assert timeline.in_time([1, 1, 1, 1], seconds, 12.0).endswith("between 10.0 and 11.0 s of the video")
    assert timeline.in_time([0, 0, 0, 0], seconds, 12.0) == "in time: the map is 0"
