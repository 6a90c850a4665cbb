"""The page's list of test clips: which clips, their frames, and what each model answers."""

import base64
import re
from io import BytesIO

import listed_clips
import numpy as np
import pytest
from listed_clips import COUNT, SIDE, grey, name
from PIL import Image

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.report.page import clip_list
from stepaudit.stages import report
from stepaudit.store import database


def listed(folder, anchors=None):
    build_database.create(folder, config.load(folder / "config.yaml"), ["controls", "given_answers", "test_clips"])
    with database.connect(folder) as connection:
        return clip_list.clip_list(connection, folder, anchors or {})


def thumbnail(made, clip):
    """Mean grey of a clip's frame on its sheet."""
    sheet = made.data["sheets"][clip["place"][0]]
    row, column = divmod(clip["place"][1], sheet["columns"])
    width, height = sheet["size"]
    picture = np.asarray(Image.open(BytesIO(base64.b64decode(sheet["picture"].partition(",")[2]))).convert("L"), float)
    return picture[row * height : (row + 1) * height, column * width : (column + 1) * width].mean()


def test_every_clip_that_was_cut_is_listed_with_its_own_middle_frame_and_answers(tmp_path):
    made = listed(listed_clips.audit(tmp_path), {("planted", "c02"): "clip-2"})
    by_name = {clip["clip_id"]: clip for clip in made.data["clips"]}
    assert sorted(by_name) == [name(number) for number in range(COUNT)]  # not the broken one
    assert (made.clips, made.left_out, len(made.data["sheets"])) == (COUNT, 0, 2)
    assert made.data["sheets"][0]["size"] == [SIDE, SIDE]
    for number in range(COUNT):
        assert thumbnail(made, by_name[name(number)]) == pytest.approx(grey(number), abs=2.5)
    assert by_name["c02"]["answers"] == [["always_cat", "cat", 0.8, False], ["right", "owl", 0.8, True]]
    assert (by_name["c02"]["label"], by_name["c02"]["anchor"], by_name["c03"]["anchor"]) == ("owl", "clip-2", None)
    assert made.has_right_answers


def test_of_too_many_clips_those_are_listed_that_models_get_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(clip_list, "MAX_CLIPS", 44)
    made = listed(listed_clips.audit(tmp_path))
    assert (made.clips, made.left_out) == (COUNT, COUNT - 44)
    assert {clip["label"] for clip in made.data["clips"]} == {"owl", "<b>dog</b>"}


def test_clips_without_a_label_have_answers_that_are_neither_right_nor_wrong(tmp_path):
    made = listed(listed_clips.audit(tmp_path, labelled=False))
    assert len(made.data["clips"]) == COUNT
    assert made.data["clips"][2]["answers"] == [["always_cat", "cat", 0.8, None], ["right", "owl", 0.8, None]]
    assert not made.has_right_answers


CLICK, WRONG, FIRST = "A click on a cell of", "of those 44 of 66 that most models get wrong", "of the first 44 of 66"


@pytest.mark.parametrize(
    ("labelled", "most", "said"),
    [(True, 1000, {CLICK}), (True, 44, {CLICK, WRONG}), (False, 1000, set()), (False, 44, {FIRST})],
)
def test_the_page_says_which_clips_are_listed_and_what_a_click_does_only_where_it_is_so(
    tmp_path, monkeypatch, labelled, most, said
):
    monkeypatch.setattr(clip_list, "MAX_CLIPS", most)
    text = report.run(listed_clips.audit(tmp_path, labelled=labelled)).read_text()
    note = text.partition('id="all-clips-title"')[2].partition("</p>")[0]
    assert {words for words in (CLICK, WRONG, FIRST) if words in re.sub("<[^>]*>", "", note)} == said


def test_clips_whose_pixels_cannot_be_read_are_listed_without_a_picture(tmp_path):
    folder = listed_clips.audit(tmp_path)
    build_database.create(folder, config.load(folder / "config.yaml"), ["controls", "given_answers", "test_clips"])
    for file in (folder / "clips").rglob("*.parquet"):
        file.write_bytes(b"PAR1")
    with database.connect(folder) as connection:
        made = clip_list.clip_list(connection, folder, {})
    assert made.data["sheets"] == []
    assert {clip["place"] for clip in made.data["clips"]} == {None}
    assert len(made.data["clips"]) == COUNT
