import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from stepaudit.report.pictures import pictures

GREY = np.full((3, 8, 12, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("frames", "count", "expected"), [(16, 8, [1, 3, 5, 7, 9, 11, 13, 15]), (3, 8, [0, 1, 2]), (5, 1, [2])]
)
def test_frames_are_the_middles_of_equal_parts(frames, count, expected):
    assert pictures.spread(frames, count) == expected


def test_a_strip_holds_the_frames_side_by_side_with_boxes_where_they_are():
    boxes = [[(2, 1, 7, 5)], [], []]
    image = np.asarray(pictures.strip(GREY, boxes).convert("RGB"))
    assert image.shape == (8, 3 * 12 + 2 * pictures.GAP_PX, 3)
    edge = np.zeros((8, 12), bool)
    edge[1:5, 2:7] = True  # the box is half-open: rows 1 to 4, columns 2 to 6
    edge[2:4, 3:6] = False
    green = (image == pictures.BOX_COLOUR).all(axis=2)
    assert (green[:, :12] == edge).all()
    assert not green[:, 12:].any()


def test_frames_of_the_action_have_a_bar_below():
    image = np.asarray(pictures.strip(GREY, [[], [], []], in_action=[False, True, False]).convert("RGB"))
    bar = (image[-1] == pictures.BOX_COLOUR).all(axis=1)
    start = 12 + pictures.GAP_PX
    assert bar.nonzero()[0].tolist() == list(range(start, start + 12))


def test_the_picture_is_brightest_where_the_map_is_greatest_whatever_its_scale():
    importance = np.zeros((3, 8, 12))
    importance[1, 2, 9] = 1e-3
    bright = pictures.tint(GREY, pictures.shares(importance, mask=False)).sum(axis=3, dtype=int)
    assert np.unravel_index(bright.argmax(), bright.shape) == (1, 2, 9)
    assert bright.max() > bright.min() + 100


def test_a_mask_that_keeps_next_to_nothing_looks_like_one_that_keeps_nothing():
    faint = np.full((3, 8, 12), 1e-3)
    pictured = [pictures.tint(GREY, pictures.shares(mask, mask=True)).astype(int) for mask in (faint, 0 * faint)]
    assert abs(pictured[0] - pictured[1]).max() <= 2


def test_a_constant_map_of_zeros_does_not_break():
    assert pictures.tint(GREY, pictures.shares(np.zeros((3, 8, 12)), mask=False)).shape == GREY.shape


def test_heat_grows_brighter_all_the_way():
    brightness = pictures.heat(np.linspace(0, 1, 50)) @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) > 0).all()


def test_a_data_address_holds_the_image():
    head, _, body = pictures.data_uri(Image.new("RGB", (5, 4))).partition(",")
    assert head == "data:image/webp;base64"
    assert Image.open(BytesIO(base64.b64decode(body))).size == (5, 4)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (5, 3), (9, 3), (16, 4)])
def test_a_sheet_holds_pictures_in_rows_and_leaves_the_rest_black(count, columns):
    tiles = np.arange(1, count + 1, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    sheet = np.asarray(pictures.sheet(tiles))
    assert pictures.sheet_columns(count) == columns
    assert sheet.shape == (2 * -(-count // columns), 3 * columns)
    cells = [
        sheet[row : row + 2, left : left + 3] for row in range(0, len(sheet), 2) for left in range(0, 3 * columns, 3)
    ]
    assert [set(cell.ravel().tolist()) for cell in cells] == [
        {index + 1 if index < count else 0} for index in range(len(cells))
    ]


@pytest.mark.parametrize("kind", ["noise", "plain"])
def test_an_exact_address_holds_each_pixel_as_it_is(kind):
    pixels = np.random.default_rng(0).integers(0, 256 if kind == "noise" else 1, (30, 40), dtype=np.uint8)
    _, _, body = pictures.exact_uri(Image.fromarray(pixels)).partition(",")
    assert (np.asarray(Image.open(BytesIO(base64.b64decode(body))).convert("L")) == pixels).all()
