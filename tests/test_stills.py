"""Folders of numbered pictures: one series of frames, in order, or an error that says what else is there."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stepaudit.clips import stills
from stepaudit.clips.geometry import Geometry
from stepaudit.errors import BadVideoError


def folder_of(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / name)
    return folder


ORDERS = [
    ["1.png", "2.png", "10.png", "3.png", *(f"{number}.png" for number in range(4, 10))],
    ["img_00001.jpg", "img_00002.JPG", "img_00003.jpg"],
    ["frame000.png", "frame030.png", "frame060.png"],
    ["s1_0001.png", "s1_0002.png"],
    ["0.25.png", "0.50.png", "10.00.png"],
    ["00-59.png", "01-00.png", "01-01.png"],
    ["only.png"],
]


@pytest.mark.parametrize("names", ORDERS, ids=lambda names: names[0])
def test_one_series_is_read_in_the_order_of_its_numbers(tmp_path, names):
    found = [file.name for file in stills.frames_in(folder_of(tmp_path / "a", *names))]
    assert found == sorted(names, key=lambda name: float("".join(c for c in name if c.isdigit()) or 0))


MIXTURES = {
    "flow": (["img_1.jpg", "img_2.jpg", "flow_x_1.jpg", "flow_x_2.jpg"], r"2 series.* img_#\.jpg \(2\), flow_x_#"),
    "masks": (["1.png", "1_mask.png", "2.png", "2_mask.png"], r"2 series.* #_mask\.png \(2\)"),
    "another ending": (["1.png", "1.jpg"], "2 series"),
    "a cover": (["1.png", "2.png", "cover.png"], r"2 series.* cover\.png \(1\)"),
    "seconds": (["0.5.png", "0.25.png", "0.75.png"], r"several numbers in a name, such as 0\."),
    "one number twice": (["1.png", "01.png", "2.png"], "several pictures of one number"),
    "a frame is missing": (["1.png", "2.png", "3.png", "5.png"], r"5\.png follows 3\.png, others are 1 apart"),
}


@pytest.mark.parametrize("kind", MIXTURES)
def test_what_is_no_single_series_of_frames_is_refused(tmp_path, kind):
    names, message = MIXTURES[kind]
    with pytest.raises(BadVideoError, match=message):
        stills.frames_in(folder_of(tmp_path / "a", *names))


def test_other_files_and_hidden_ones_are_no_frames(tmp_path):
    folder = folder_of(tmp_path / "a", "1.png", "2.png", ".3.png")
    (folder / "notes_4.txt").write_text("")
    assert [file.name for file in stills.frames_in(folder)] == ["1.png", "2.png"]


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_is_the_same_share_of_white_in_8_and_16_bits(tmp_path, bits):
    grey = np.repeat(np.arange(0, 256, 51), 4)[None].repeat(24, axis=0)
    (tmp_path / "a").mkdir()
    depth, factor = (np.uint8, 1) if bits == 8 else (np.uint16, 257)
    Image.fromarray((grey * factor).astype(depth)).save(tmp_path / "a" / "1.png")
    pictures = stills.Pictures(stills.frames_in(tmp_path / "a"), Geometry(24, 24, 24, 24))
    assert np.array_equal(pictures[[0]][0], grey[:, :, None].repeat(3, axis=2))
